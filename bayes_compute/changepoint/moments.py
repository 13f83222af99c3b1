"""From cumulative sums to what the lines of eras need, given hyperparameters, and back.

With the residual ``r = y - offset - level_mean - growth_mean x`` and, for a scatter ``sigma``,
the weight ``w = 1 / (sigma^2 + variance)``, a segment matters only through
``N, S1, S2 = sum w, sum w x, sum w x^2``, ``R0, R1, Q = sum w r, sum w x r, sum w r^2`` and
``sum log w``. They are linear in the moments of each variance class, which are linear in the
cumulative sums: the number of systems does not enter, and gradients go back the same way.

Arrays run over cells or scatters last, so that the inner loops vectorise. Of G + 2 columns,
the first holds nothing, ``g + 1`` what lies before cell ``g``, and the last everything: an era
is the difference of two.
"""

import numpy as np

from bayes_compute.changepoint.kernel import kernel


@kernel
def residual_moments(sums, level_mean, growth_mean, offset):
    """Moments ``n, sum x, sum x^2, sum r, sum x r, sum r^2``, shape (C, 6, G + 2).

    Parameters
    ----------
    sums : ndarray, shape (C, D, 6, G + 2)
        ``n, sum x, sum x^2, sum y, sum x y, sum y^2`` by variance class and domain.
    level_mean, growth_mean : float
    offset : ndarray, shape (D,)
    """
    n_classes, n_domains, _, n_columns = sums.shape
    out = np.zeros((n_classes, 6, n_columns))
    for c in range(n_classes):
        n, x, xx, r, xr, rr = out[c]
        for d in range(n_domains):
            s, u = sums[c, d], offset[d] + level_mean
            for g in range(n_columns):
                n[g] += s[0, g]
                x[g] += s[1, g]
                xx[g] += s[2, g]
                r[g] += s[3, g] - u * s[0, g]
                xr[g] += s[4, g] - u * s[1, g]
                rr[g] += s[5, g] - u * (2 * s[3, g] - u * s[0, g])
        for g in range(n_columns):
            rr[g] += growth_mean * (growth_mean * xx[g] - 2 * xr[g])
            xr[g] -= growth_mean * xx[g]
            r[g] -= growth_mean * x[g]
    return out


@kernel
def _weigh(moments, weight, out):
    """Sum moments (C, R, G + 2) with weights (C, J) into ``out`` (R, G + 2, J)."""
    n_classes, n_rows, n_columns = moments.shape
    n_scatters = weight.shape[1]
    for i in range(n_rows):
        for g in range(n_columns):
            total = out[i, g]
            total[:] = 0.0
            for c in range(n_classes):
                part, factor = moments[c, i, g], weight[c]
                for j in range(n_scatters):
                    total[j] += factor[j] * part


@kernel
def fixed_sums(moments, weight):
    """``N, S1, S2, sum log w`` for every scatter, shape (4, G + 2, J): of no hyperparameter.

    ``weight`` has shape (C, J).
    """
    out = np.empty((4, moments.shape[2], weight.shape[1]))
    _weigh(moments[:, :3], weight, out[:3])
    _weigh(moments[:, :1], np.log(weight), out[3:])
    return out


@kernel
def residual_sums(moments, weight):
    """``R0, R1, Q`` for every scatter, shape (3, G + 2, J)."""
    out = np.empty((3, moments.shape[2], weight.shape[1]))
    _weigh(moments[:, 3:], weight, out)
    return out


@kernel
def chain_rule(adjoint, weight, sums, moments, level_mean, growth_mean, offset):
    """Gradient in ``growth_mean`` and ``offset`` (D,).

    ``adjoint``, shape (3, G + 2, J), is the gradient in :func:`residual_sums`.
    """
    n_classes, n_domains, _, n_columns = sums.shape
    in_growth_mean, in_offset = 0.0, np.zeros(n_domains)
    in_moment = np.empty((3, n_columns))
    for c in range(n_classes):
        for i in range(3):
            for g in range(n_columns):
                part, total = adjoint[i, g], 0.0
                for j in range(len(part)):
                    total += weight[c, j] * part[j]
                in_moment[i, g] = total
        in_r, in_xr, in_rr = in_moment
        _, x, xx, _, xr, _ = moments[c]
        for g in range(n_columns):
            in_growth_mean -= in_r[g] * x[g] + in_xr[g] * xx[g] + 2 * in_rr[g] * xr[g]
        for d in range(n_domains):
            s, u, in_u = sums[c, d], offset[d] + level_mean, 0.0
            for g in range(n_columns):
                r = s[3, g] - u * s[0, g] - growth_mean * s[1, g]
                in_u += in_r[g] * s[0, g] + in_xr[g] * s[1, g] + 2 * in_rr[g] * r
            in_offset[d] -= in_u
    return in_growth_mean, in_offset
