"""Take the pictures of the README and of these pages from the results that show them.

    uv run bayes-compute report
    uv run bayes-compute report --data systems-2022-03 --out results/2022
    for model in calibration top500 price_performance break_even reliability run_length power; do
        uv run bayes-compute report $model
    done
    uv run bayes-compute fit mixture_regimes && uv run bayes-compute fit three_eras
    uv run bayes-compute compare results/regimes results/mixture_regimes results/three_eras \
        --out results/compare
    uv run bayes-compute calibrate regimes --replications 1000 --data systems-2022-03
    uv run bayes-compute backtest regimes
    uv run python docs/pictures.py

What has no results stays as it is, and is named.
"""

import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
LARGE = {  # of the README, by the results folder
    "regimes": ("compute_over_time", "projection"),
    "2022": ("parameter_gap",),
    "calibration": ("reading_errors",),
    "backtest/regimes": ("backtest",),
}
SMALL = {  # of the gallery alone, in figures
    "regimes": ("date_posterior", "selection_floor", "predictive_checks", "running_maximum"),
    "compare": ("comparison",),
    "calibrate/regimes": ("calibration",),
    **{
        name: (name,)
        for name in (
            "top500", "price_performance", "break_even", "reliability", "run_length", "power"
        )
    },
}  # fmt: skip
SCALE = 0.6


def take(results: Path) -> list[str]:
    """Copy what is there; return what is not."""
    lacking = []
    for folders, into, scale in ((LARGE, DOCS, 1.0), (SMALL, DOCS / "figures", SCALE)):
        for folder, names in folders.items():
            for name in names:
                source = results / folder / "figures" / f"{name}.png"
                if not source.exists():
                    lacking.append(str(source))
                    continue
                with Image.open(source) as picture:
                    size = (round(side * scale) for side in picture.size)
                    small = picture.convert("RGB").resize((*size,), Image.Resampling.LANCZOS)
                    small.save(into / f"{name}.png", optimize=True)
    return lacking


if __name__ == "__main__":
    for path in take(Path(*sys.argv[1:2] or ["results"])):
        print(f"not there: {path}", file=sys.stderr)
