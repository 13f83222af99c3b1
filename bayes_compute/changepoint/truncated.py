"""Parameters of one regime's systems: a truncated normal about a line, the line integrated out.

Systems of a regime have

    p ~ N(level + growth x, exp(log_sd)^2),  truncated to their own side of an edge,
    level, growth, log_sd ~ independent normal.

With the truncation normalised there is no closed form. The posterior of the three has one mode
and is nearly normal, so it is integrated by Gauss-Hermite quadrature about that mode
(Naylor & Smith 1982, doi:10.2307/2347995), which is exact for a normal one. With seven nodes a
dimension the log evidence is within 0.02 where tens of systems spread from the edge (five do where
there are more), and within some tenths where a handful crowd at it. The quadrature's first term,
Laplace's approximation, is within some tenths, and serves where the regime is improbable.

Throughout, ``side`` is 1 where systems lie below the edge, -1 above it, and 0 for no edge;
``mean`` and ``sd`` (3,) are the prior's.
"""

import math

import numpy as np

from bayes_compute.changepoint.kernel import kernel
from bayes_compute.changepoint.normal_cdf import FAR, LOG_2_PI, log_normal_cdf


@kernel
def log_density(at, x, p, edge, side, mean, sd):
    """Log of the prior of a line times the density of its systems.

    Parameters
    ----------
    at : ndarray, shape (3,)
        Level, growth and log sd.
    x, p, edge : ndarray, shape (n,)
    side : float
    mean, sd : ndarray, shape (3,)
    """
    value, scale = -len(x) * (at[2] + 0.5 * LOG_2_PI), math.exp(-at[2])
    for j in range(3):
        value -= 0.5 * ((at[j] - mean[j]) / sd[j]) ** 2 + math.log(sd[j]) + 0.5 * LOG_2_PI
    for i in range(len(x)):
        mu = at[0] + at[1] * x[i]
        z = (p[i] - mu) * scale
        value -= 0.5 * z * z
        if side != 0:
            value -= log_normal_cdf(side * (edge[i] - mu) * scale)[0]
    return value


@kernel
def add_curvature(at, x, p, edge, side, gradient, negative_hessian):
    """Log density of systems; its derivatives are added to the last two arguments.

    Only the lower triangle of the Hessian is kept.
    """
    level, growth, log_sd = at[0], at[1], at[2]
    scale = math.exp(-log_sd)
    value = -len(x) * (log_sd + 0.5 * LOG_2_PI)
    # Sums in units of the scatter, in registers: arrays would take three times as long
    g0, g1, g2, h00, h10, h11, h20, h21, h22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(x)):
        mu = level + growth * x[i]
        z = (p[i] - mu) * scale
        value -= 0.5 * z * z
        in_mu, in_log_sd = z, z * z - 1
        mu_mu, mu_log_sd, log_sd_log_sd = 1.0, 2 * z, 2 * z * z
        u = side * (edge[i] - mu) * scale
        if side != 0 and u < FAR:
            log_p, slope = log_normal_cdf(u)
            bend = -slope * (u + slope)
            value -= log_p
            in_mu += side * slope
            in_log_sd += slope * u
            mu_mu += bend
            mu_log_sd += side * (bend * u + slope)
            log_sd_log_sd += (bend * u + slope) * u
        g0 += in_mu
        g1 += in_mu * x[i]
        g2 += in_log_sd
        h00 += mu_mu
        h10 += mu_mu * x[i]
        h11 += mu_mu * x[i] * x[i]
        h20 += mu_log_sd
        h21 += mu_log_sd * x[i]
        h22 += log_sd_log_sd
    gradient[0] += scale * g0
    gradient[1] += scale * g1
    gradient[2] += g2
    negative_hessian[0, 0] += scale * scale * h00
    negative_hessian[1, 0] += scale * scale * h10
    negative_hessian[1, 1] += scale * scale * h11
    negative_hessian[2, 0] += scale * h20
    negative_hessian[2, 1] += scale * h21
    negative_hessian[2, 2] += h22
    return value


@kernel
def curvature(at, x, p, edge, side, mean, sd, gradient, negative_hessian):
    """:func:`log_density`, and its derivatives, which are written to the last two arguments."""
    gradient[:], negative_hessian[:] = 0.0, 0.0
    value = add_curvature(at, x, p, edge, side, gradient, negative_hessian)
    for j in range(3):
        z = (at[j] - mean[j]) / sd[j]
        value -= 0.5 * z * z + math.log(sd[j]) + 0.5 * LOG_2_PI
        gradient[j] -= z / sd[j]
        negative_hessian[j, j] += 1 / sd[j] ** 2
    return value


@kernel
def cholesky(a, factor):
    """Write the lower Cholesky factor of a symmetric (3, 3) matrix; return whether it has one."""
    for j in range(3):
        for k in range(j + 1):
            s = a[j, k]
            for m in range(k):
                s -= factor[j, m] * factor[k, m]
            if j > k:
                factor[j, k] = s / factor[k, k]
            elif s > 1e-12 * a[j, j] and s > 0:
                factor[j, j] = math.sqrt(s)
            else:
                return False
    return True


@kernel
def solve(factor, gradient, step):
    """Write the solution of ``factor factor' step = gradient``; return ``gradient' step``."""
    for j in range(3):
        step[j] = gradient[j]
        for k in range(j):
            step[j] -= factor[j, k] * step[k]
        step[j] /= factor[j, j]
    decrement = step[0] ** 2 + step[1] ** 2 + step[2] ** 2
    for j in range(2, -1, -1):
        for k in range(j + 1, 3):
            step[j] -= factor[k, j] * step[k]
        step[j] /= factor[j, j]
    return decrement


@kernel
def mode(at, x, p, edge, side, mean, sd, factor):
    """Move ``at`` to the mode, by Newton's method with Levenberg's damping.

    Returns
    -------
    value : float
        :func:`log_density` there; ``factor`` is left with the lower Cholesky factor of its
        negative Hessian, ``at`` with the mode.
    """
    gradient, hessian, step, new = np.empty(3), np.empty((3, 3)), np.empty(3), np.empty(3)
    value = curvature(at, x, p, edge, side, mean, sd, gradient, hessian)
    damping = 0.0
    for _ in range(200):
        for j in range(3):
            hessian[j, j] += damping / sd[j] ** 2
        if not cholesky(hessian, factor):
            for j in range(3):
                hessian[j, j] -= damping / sd[j] ** 2
            damping = max(2 * damping, 1.0)
            continue
        decrement = solve(factor, gradient, step)
        if decrement < 1e-7 and damping == 0:
            break
        new[:] = at + step
        there = curvature(new, x, p, edge, side, mean, sd, gradient, hessian)
        if there > value - 1e-9:
            at[:], value = new, there
            damping = 0.0 if damping < 0.01 else 0.1 * damping
        else:
            curvature(at, x, p, edge, side, mean, sd, gradient, hessian)
            damping = max(4 * damping, 0.5)
    return value


@kernel
def log_det(factor):
    """Half the log determinant of a matrix with this lower Cholesky factor."""
    return math.log(factor[0, 0] * factor[1, 1] * factor[2, 2])


@kernel
def laplace(at, x, p, edge, side, mean, sd, factor):
    """Log evidence by Laplace's approximation; see :func:`mode` for the first and last argument."""
    value = mode(at, x, p, edge, side, mean, sd, factor)
    return value + 1.5 * LOG_2_PI - log_det(factor)


@kernel
def from_standard(z, at, factor, out):
    """Write ``at + inv(factor') z``, which has the curvature of the mode where z is standard."""
    for j in range(2, -1, -1):
        out[j] = z[j]
        for k in range(j + 1, 3):
            out[j] -= factor[k, j] * out[k]
        out[j] /= factor[j, j]
    for j in range(3):
        out[j] += at[j]


@kernel
def quadrature(at, x, p, edge, side, mean, sd, node, log_weight):
    """Log evidence by Gauss-Hermite quadrature; ``at`` is moved to the mode.

    ``node`` and ``log_weight`` (m,) are of the standard normal distribution.
    """
    first, second = np.zeros(3), np.zeros((3, 3))
    return moments(at, x, p, edge, side, mean, sd, node, log_weight, first, second)


@kernel
def moments(at, x, p, edge, side, mean, sd, node, log_weight, middle, covariance):
    """:func:`quadrature`, which adds mean and covariance to the last two arguments, that are 0."""
    factor, z, point = np.zeros((3, 3)), np.empty(3), np.empty(3)
    m = len(node)
    top = mode(at, x, p, edge, side, mean, sd, factor)
    total = 0.0
    for i in range(m):
        for j in range(m):
            for k in range(m):
                z[0], z[1], z[2] = node[i], node[j], node[k]
                from_standard(z, at, factor, point)
                there = log_density(point, x, p, edge, side, mean, sd) - top
                half = 0.5 * (z[0] * z[0] + z[1] * z[1] + z[2] * z[2])
                weight = math.exp(there + half + log_weight[i] + log_weight[j] + log_weight[k])
                total += weight
                for a in range(3):
                    middle[a] += weight * (point[a] - at[a])
                    for b in range(a + 1):
                        away = (point[a] - at[a]) * (point[b] - at[b])
                        covariance[a, b] += weight * away
    for a in range(3):
        middle[a] /= total
        for b in range(a + 1):
            covariance[a, b] = covariance[a, b] / total - middle[a] * middle[b]
    middle += at
    return top + math.log(total) + 1.5 * LOG_2_PI - log_det(factor)


@kernel
def edge_slope(at, x, edge, side):
    """Derivatives of the log density if the edge moves up, in its level and its growth."""
    level, growth, scale = 0.0, 0.0, math.exp(-at[2])
    for i in range(len(x)):
        u = side * (edge[i] - at[0] - at[1] * x[i]) * scale
        if side != 0 and u < FAR:
            slope = -side * scale * log_normal_cdf(u)[1]
            level += slope
            growth += slope * x[i]
    return level, growth


@kernel
def candidates(at, x, p, edge, side, mean, sd, node, log_weights, normal, chi_squared, dof):
    """Points from a t distribution, and their log importance weights.

    The distribution has mean and covariance by quadrature. Systems that crowd at the edge leave a
    long ridge of low lines with a large scatter and high ones with a small: about the mode, with
    its curvature, six points in a hundred would carry the weight.

    Parameters
    ----------
    node, log_weights : ndarray, shape (m,)
        As :func:`quadrature` takes them; four nodes do.
    normal, chi_squared : ndarray, shape (M, 3) and (M,)
        Standard draws, the second of ``dof`` degrees of freedom.

    Returns
    -------
    point : ndarray, shape (M, 3)
    log_weight : ndarray, shape (M,)
        Up to a constant.
    """
    middle, covariance, factor = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3))
    moments(at, x, p, edge, side, mean, sd, node, log_weights, middle, covariance)
    cholesky(covariance, factor)  # it has one: all nodes of a grid have positive weights
    point, log_weight = np.empty(normal.shape), np.empty(len(normal))
    for m in range(len(normal)):
        z = normal[m] * math.sqrt(dof / chi_squared[m])
        for j in range(3):
            point[m, j] = middle[j]
            for k in range(j + 1):
                point[m, j] += factor[j, k] * z[k]
        distance = z[0] * z[0] + z[1] * z[1] + z[2] * z[2]
        log_weight[m] = log_density(point[m], x, p, edge, side, mean, sd)
        log_weight[m] += 0.5 * (dof + 3) * math.log1p(distance / dof)
    return point, log_weight
