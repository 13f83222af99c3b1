"""``python -m bayes_compute`` is the command ``bayes-compute``."""

from bayes_compute.cli import main

if __name__ == "__main__":
    main()
