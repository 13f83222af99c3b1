"""Models side by side, in words and tables."""

from typing import Any

from bayes_compute.escaping import escape
from bayes_compute.layout import tabulate

_LITTLE = 4.0  # elpd: Sivula, Magnusson, Matamoros & Vehtari 2020, arXiv:2008.10296


def describe(record: dict[str, Any], format: str = "text") -> str:
    """Put a comparison into words and tables.

    Parameters
    ----------
    record : dict
        :attr:`bayes_compute.comparison.Comparison.record`.
    format : {"text", "markdown"}
    """
    data, models = record["data"], record["models"]
    head = ("model", "elpd", "less than the best", "weight", "refits", "k too high")
    body = [
        (
            row["name"],
            f"{row['elpd']:.1f}",
            f"{-row['elpd_diff']:.1f} ± {row['dse']:.1f}" if row["elpd_diff"] else "",
            f"{row['weight']:.2f}",
            str(row["refitted"]),
            str(row["high_k"]),
        )
        for row in models
    ]
    lines = [
        f"Left out one by one, {data['rows']} systems with training compute "
        f"({escape(data['name'], format)}, as of {data['as_of']}):",
        "",
        tabulate([head, *body], format, "lrrrrr"),
        "elpd: expected log density of a system's log10 FLOP, given its date and domain, with its "
        "own regime and parameters summed out. A difference below "
        f"{_LITTLE:g}, or below twice its standard error, tells little. Refits: systems that a fit "
        "without them scores, since Pareto smoothing fails; where that fit fails too, k is too "
        "high, and the elpd may be too good.",
        "",
    ]
    lines += [f"{row['name']} also saw {row['also_saw']}." for row in models if row["also_saw"]]
    lines += ["", "Log evidence, to be compared among models of the same data only:", ""]
    for of in dict.fromkeys(row["evidence_of"] for row in models):
        alike = [row for row in models if row["evidence_of"] == of]
        best = max(row["log_evidence"] for row in alike)
        body = [
            (
                row["name"],
                f"{row['log_evidence']:.2f} ± {row['log_evidence_error']:.2f}",
                f"{best - row['log_evidence']:.2f}",
            )
            for row in sorted(alike, key=lambda row: -row["log_evidence"])
        ]
        lines.append(tabulate([(f"of {of}", "log evidence", "less than the best"), *body],
                              format, "lrr"))  # fmt: skip
    few = record["transitions"]
    prior = few["prior"]
    rows = {"stated": few["probability"], **few["sensitivity"]}
    head = ("priors", *(f"{k}" for k in range(len(few["probability"]))))
    lines += [
        f"Number of transitions K, exactly, 0 to {len(head) - 2} equally probable a priori; eras "
        f"of at least {few['min_systems']} systems, each a line with level {prior['level']:g} ± "
        f"{prior['level_spread']:g} sigma in 2010, growth {prior['growth']:g} ± "
        f"{prior['growth_spread']:g} sigma a year, sigma² ~ InverseGamma({prior['shape']:g}, "
        f"{prior['scale']:g}); neither domains nor errors of figures:",
        "",
        tabulate(
            [head, *((name, *(f"{p:.3f}" for p in each)) for name, each in rows.items())],
            format,
            "l" + "r" * (len(head) - 1),
        ),
    ]
    return "\n".join(lines)
