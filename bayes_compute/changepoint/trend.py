"""A continuous trend given hyperparameters: probability of dates, and the lines of its eras.

Given the dates, level and growth are integrated out one by one, the last growth first: a
Cholesky factorisation from the lower right corner of the normal matrix. What systems after a
date say of the trend is one measurement of ``v``, its deviation from the prior mean at that
date, with the likelihood ``exp(r v - n v^2 / 2)``. To what is known so at its end (``n'``,
``r'``; nothing for the last era) an era that begins at ``t`` and lasts ``d`` adds its own sums
(:mod:`bayes_compute.changepoint.moments`) and the prior of its growth::

    a = S1 - t N + d n',  b = S2 - 2 t S1 + t^2 N + d^2 n',  c = R1 - t R0 + d r',
    p = 1 + growth_sd^2 b,  gain = growth_sd^2 / p,
    n = N + n' - gain a^2,  r = R0 + r' - gain a c,  and (gain c^2 - log p) / 2 to log m.

The first era begins at the reference year, where ``v`` is the level's deviation. Read forwards,
an era's growth deviates by ``N(gain (c - a v), gain)`` from its prior mean, which gives draws
of all lines and their moments; nothing is singular as ``growth_sd`` goes to zero. The gradient
is the mean, over dates and lines, of the gradient given dates and lines (Fisher's identity).

Arrays of weighted sums have shape (3, 7, G + 2): eras, sums, columns. With one transition there
is a third era without systems after all cells, which changes nothing. ``date``, shape (G + 1,),
holds the date of each cell [years since the reference year], with one more for that era.
``rows``, shape (F, 4), lists pairs of cells: a cell of the first transition, a range of cells
of the second, and where these stand in lists of pairs.
"""

import numpy as np

from bayes_compute.changepoint import moments
from bayes_compute.changepoint.eras import exponentiate
from bayes_compute.changepoint.kernel import kernel

_NEGLIGIBLE = 1e-11  # probability below which a pair of dates is left out of the gradient


@kernel
def weighted_by_era(moment, sigma, variance):
    """Weight of each class in each era, shape (C, 3), and weighted sums, shape (3, 7, G + 2)."""
    weight = np.empty((len(variance), 3))
    for e in range(3):
        scatter = sigma[min(e, len(sigma) - 1)]
        for c in range(len(variance)):
            weight[c, e] = 1 / (scatter * scatter + variance[c])
    out = np.empty((3, 7, moment.shape[2]))
    fixed, residual = moments.fixed_sums(moment, weight), moments.residual_sums(moment, weight)
    for e in range(3):
        out[e, :3], out[e, 3:6], out[e, 6] = fixed[:3, :, e], residual[:, :, e], fixed[3, :, e]
    return weight, out


@kernel
def absorb(N, S1, S2, R0, R1, begin, length, growth_sd, n, r):
    """Integrate an era's growth out.

    Returns
    -------
    n, r : float
        What the era and all that follow say of the trend where the era begins.
    a, b, c, scale : float
        As above; ``scale`` is ``1 / p``.
    """
    a = S1 - begin * N + length * n
    b = S2 - begin * (2 * S1 - begin * N) + length * length * n
    c = R1 - begin * R0 + length * r
    scale = 1 / (1 + growth_sd * growth_sd * b)
    gain = growth_sd * growth_sd * scale
    return N + n - gain * a * a, R0 + r - gain * a * c, a, b, c, scale


@kernel
def _last_eras(sums, date, growth_sd):
    """Of a last era from each cell on: n, r, a, b, c, scale, and its part of 2 log m + log p."""
    out = np.empty((7, len(date)))
    for j in range(len(date)):
        d = sums[2, :, -1] - sums[2, :, j + 1]
        n, r, a, b, c, scale = absorb(
            d[0], d[1], d[2], d[3], d[4], date[j], 0.0, growth_sd, 0.0, 0.0
        )
        out[0, j], out[1, j], out[2, j], out[3, j], out[4, j], out[5, j] = n, r, a, b, c, scale
        out[6, j] = d[6] - d[5] + growth_sd * growth_sd * scale * c * c
    return out


@kernel
def pair_probability(sums, date, log_mass, rows, level_sd, growth_sd):
    """Sum over all pairs of dates.

    Returns
    -------
    total : float
        Log of the sum, without ``- n/2 log 2 pi``.
    share : ndarray, shape (M,)
        Probability of each pair.
    """
    last, zeroth, middle = _last_eras(sums, date, growth_sd), sums[0], sums[1]
    share, factor = np.empty(len(log_mass)), np.empty(len(log_mass))
    for i in range(len(rows)):
        # unsigned, so that no index is checked for counting from the end
        low, high, start = np.uint64(rows[i, 1]), np.uint64(rows[i, 2]), np.uint64(rows[i, 3])
        begin, column = date[rows[i, 0]], rows[i, 0] + 1
        z, m = zeroth[:, column].copy(), middle[:, column].copy()
        N, S1, S2, R0, R1 = z[0], z[1], z[2], z[3], z[4]
        M, T1, T2, U0, U1 = m[0], m[1], m[2], m[3], m[4]
        base = z[6] - z[5] - m[6] + m[5]
        for j in range(low, high):
            k, p = j + np.uint64(1), start + (j - low)
            n, r, _, _, c1, scale1 = absorb(
                middle[0, k] - M, middle[1, k] - T1, middle[2, k] - T2, middle[3, k] - U0,
                middle[4, k] - U1, begin, date[j] - begin, growth_sd, last[0, j], last[1, j],
            )  # fmt: skip
            n, r, _, _, c0, scale0 = absorb(N, S1, S2, R0, R1, 0.0, begin, growth_sd, n, r)
            scale = 1 / (1 + level_sd * level_sd * n)
            rest = base + last[6, j] + middle[6, k] - middle[5, k]
            rest += growth_sd * growth_sd * (c1 * c1 * scale1 + c0 * c0 * scale0)
            rest += level_sd * level_sd * r * r * scale
            share[p] = log_mass[p] + 0.5 * rest
            factor[p] = np.sqrt(scale * scale0 * scale1 * last[5, j])
    top = np.max(share)
    share -= top
    exponentiate(share, factor, np.empty(len(share), dtype=np.int64))
    total = np.sum(share)
    share /= total
    return top + np.log(total), share


@kernel
def _follow(w, v, vv, a, b, c, scale, begin, length, growth_sd):
    """From moments of the trend where an era begins to those of its line and where it ends.

    Parameters
    ----------
    w, v, vv : float
        A probability, and weighted by it the means of ``v`` and ``v^2``.

    Returns
    -------
    line : tuple of float
        Means of level, growth, level^2, level growth and growth^2, weighted in the same way.
    v, vv : float
        Where the era ends.
    slope : float
        Gradient in ``growth_sd``.
    """
    gain = growth_sd * growth_sd * scale
    g, vg = gain * (c * w - a * v), gain * (c * v - a * vv)
    square = c * (c * w - 2 * a * v) + a * a * vv
    gg = gain * (w + gain * square)
    line = (v - begin * g, g, vv - begin * (2 * vg - begin * gg), vg - begin * gg, gg)
    slope = growth_sd * scale * (scale * square - b * w)
    return line, v + length * g, vv + length * (2 * vg + length * gg), slope


@kernel
def _add(total, w, line):
    total[0] += w
    total[1] += line[0]
    total[2] += line[1]
    total[3] += line[2]
    total[4] += line[3]
    total[5] += line[4]


@kernel
def expected_lines(sums, date, share, rows, level_sd, growth_sd):
    """Moments of all lines, by the columns of the sums between which they lie.

    Returns
    -------
    lines : ndarray, shape (3, G + 2, 6)
        Probability that an era ends in a column less that it begins there, and weighted in the
        same way the means of level, growth, level^2, level growth and growth^2 (deviations from
        prior means).
    in_growth_sd : float
        Gradient in ``growth_sd``.
    """
    last, zeroth, middle = _last_eras(sums, date, growth_sd), sums[0], sums[1]
    lines, in_growth_sd = np.zeros((3, len(date) + 1, 6)), 0.0
    ends, row = np.zeros((len(date), 3)), np.empty((2, 6))
    for i in range(len(rows)):
        low, high, start = np.uint64(rows[i, 1]), np.uint64(rows[i, 2]), np.uint64(rows[i, 3])
        begin, column = date[rows[i, 0]], rows[i, 0] + 1
        z, m = zeroth[:, column].copy(), middle[:, column].copy()
        row[:] = 0.0
        for j in range(low, high):
            w = share[start + (j - low)]
            if w < _NEGLIGIBLE:
                continue
            k, length = j + np.uint64(1), date[j] - begin
            n, r, a1, b1, c1, scale1 = absorb(
                middle[0, k] - m[0], middle[1, k] - m[1], middle[2, k] - m[2], middle[3, k] - m[3],
                middle[4, k] - m[4], begin, length, growth_sd, last[0, j], last[1, j],
            )  # fmt: skip
            n, r, a0, b0, c0, scale0 = absorb(
                z[0], z[1], z[2], z[3], z[4], 0.0, begin, growth_sd, n, r
            )
            gain = level_sd * level_sd / (1 + level_sd * level_sd * n)
            v, vv = w * gain * r, w * gain * (1 + gain * r * r)
            line, v, vv, slope = _follow(w, v, vv, a0, b0, c0, scale0, 0.0, begin, growth_sd)
            _add(row[0], w, line)
            in_growth_sd += slope
            line, v, vv, slope = _follow(w, v, vv, a1, b1, c1, scale1, begin, length, growth_sd)
            _add(row[1], w, line)
            _add(lines[1, k], w, line)
            in_growth_sd += slope
            ends[j, 0] += w
            ends[j, 1] += v
            ends[j, 2] += vv
        lines[0, column] += row[0]
        lines[1, column] -= row[1]
    for j in range(len(date)):
        w, v, vv = ends[j, 0], ends[j, 1], ends[j, 2]
        line, _, _, slope = _follow(
            w, v, vv, last[2, j], last[3, j], last[4, j], last[5, j], date[j], 0.0, growth_sd
        )
        _add(lines[2, -1], w, line)
        in_growth_sd += slope
        lines[2, j + 1, 0] -= w
        for i in range(5):
            lines[2, j + 1, i + 1] -= line[i]
    return lines, in_growth_sd


@kernel
def gradient_in_sums(lines, moment, weight):
    """Gradient in R0, R1 and Q, shape (3, G + 2, 3), and in ``weight``, shape (C, 3)."""
    n_classes, n_columns = len(weight), lines.shape[1]
    adjoint, in_weight = np.empty((3, n_columns, 3)), np.zeros((n_classes, 3))
    for e in range(3):
        for k in range(n_columns):
            w, v, g = lines[e, k, 0], lines[e, k, 1], lines[e, k, 2]
            adjoint[0, k, e], adjoint[1, k, e], adjoint[2, k, e] = v, g, -0.5 * w
            vv, vg, gg = lines[e, k, 3], lines[e, k, 4], lines[e, k, 5]
            for c in range(n_classes):
                part = w * (moment[c, 0, k] / weight[c, e] - moment[c, 5, k])
                part += 2 * (v * moment[c, 3, k] + g * moment[c, 4, k] - vg * moment[c, 1, k])
                part -= vv * moment[c, 0, k] + gg * moment[c, 2, k]
                in_weight[c, e] += 0.5 * part
    return adjoint, in_weight


@kernel
def draw_lines(
    date, cell, normal, growth_mean, growth_sd, sigma, offset, sums, variance, level_prior
):
    """Draw the lines of all eras for S draws of the hyperparameters and of the dates.

    Parameters
    ----------
    date : ndarray, shape (S, K)
        Years since the reference year.
    cell : ndarray of int, shape (S, K)
        In which the dates lie.
    normal : ndarray, shape (S, K + 2)
        Standard normal random numbers.
    growth_mean, growth_sd : ndarray, shape (S,)
    sigma, offset : ndarray, shape (S, K + 1) and (S, D)
    sums : ndarray, shape (C, D, 6, G + 2)
    variance : ndarray, shape (C,)
    level_prior : ndarray, shape (2,)
        Mean and sd of the level.

    Returns
    -------
    level, growth : ndarray, shape (S, K + 1)
        Of each era's own line.
    """
    n_draws, n_eras = sigma.shape
    level, growth = np.empty((n_draws, n_eras)), np.empty((n_draws, n_eras))
    own = np.zeros((*sums.shape[:3], n_eras + 1))
    begin, length, known = np.zeros(n_eras), np.zeros(n_eras), np.empty((n_eras, 3))
    level_mean, level_sd = level_prior[0], level_prior[1]
    for s in range(n_draws):
        for e in range(n_eras - 1):
            begin[e + 1] = date[s, e]
            length[e] = begin[e + 1] - begin[e]
            own[..., e + 1] = sums[..., cell[s, e] + 1]
        own[..., n_eras] = sums[..., -1]
        moment = moments.residual_moments(own, level_mean, growth_mean[s], offset[s])
        _, weighted = weighted_by_era(moment, sigma[s], variance)
        n, r = 0.0, 0.0
        for e in range(n_eras - 1, -1, -1):
            d = weighted[e, :, e + 1] - weighted[e, :, e]
            n, r, a, _, c, scale = absorb(
                d[0], d[1], d[2], d[3], d[4], begin[e], length[e], growth_sd[s], n, r
            )
            known[e, 0], known[e, 1], known[e, 2] = a, c, growth_sd[s] ** 2 * scale
        gain = level_sd**2 / (1 + level_sd**2 * n)
        v = gain * r + np.sqrt(gain) * normal[s, 0]
        for e in range(n_eras):
            a, c, gain = known[e, 0], known[e, 1], known[e, 2]
            g = gain * (c - a * v) + np.sqrt(gain) * normal[s, e + 1]
            level[s, e], growth[s, e] = level_mean + v - begin[e] * g, growth_mean[s] + g
            v += length[e] * g
    return level, growth
