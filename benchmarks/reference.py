"""Make the reference posterior that tests hold every change of code to.

    uv run python benchmarks/reference.py > tests/reference/regimes.json   # a few minutes

Only after a change of the model, of its priors or of its data, or where the reference is known to
be wrong: otherwise it is the code that has to agree with it.
"""

import json

import bayes_compute as bc
from bayes_compute.reference import SAMPLER, reference


def main() -> None:
    """Fit `regimes` to the table that the post of 2022 saw."""
    observations = bc.Observations.from_systems(bc.load_systems("systems-2022-03"))
    dt = bc.fit("regimes", observations, **SAMPLER, seed=20220313, progress=False)
    print(json.dumps(reference(dt), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
