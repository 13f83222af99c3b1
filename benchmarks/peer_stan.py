"""The model of `three_eras` as one would write it in Stan: peers.py calls this."""

import json
import sys
import time

import numpy as np
import stan  # pyright: ignore[reportMissingImports]

PROGRAM = """
functions {
  int era_of(real year, vector date) { return 1 + (year >= date[1]) + (year >= date[2]); }
}
data {
  int n; int d; vector[n] year; vector[n] y; vector[n] variance; array[n] int domain;
  real first; real last;
}
parameters {
  real growth_mean; real<lower=0> growth_sd; real<lower=0> offset_sd;
  sum_to_zero_vector[d] deviation;
  vector<lower=first, upper=last>[2] date;
  vector[3] level; vector[3] growth; vector<lower=0>[3] sigma;
}
model {
  growth_mean ~ normal(0.4, 0.3); growth_sd ~ lognormal(log(0.2), 0.7);
  offset_sd ~ lognormal(log(0.7), 0.6); deviation ~ normal(0, offset_sd);
  date[1] ~ normal(2008, 5); date[2] ~ normal(2018, 4);
  if (date[1] > date[2]) reject("dates out of order");
  level ~ normal(16, 3); growth ~ normal(growth_mean, growth_sd); sigma ~ lognormal(log(1.2), 0.5);
  for (i in 1:n) {
    int e = era_of(year[i], date);
    y[i] ~ normal(level[e] + growth[e] * (year[i] - 2010) + deviation[domain[i]],
                  sqrt(square(sigma[e]) + variance[i]));
  }
}
"""


def main() -> None:
    """Sample with the data and settings on standard input; write draws and times to a file."""
    given = json.load(sys.stdin)
    start = time.perf_counter()
    program = stan.build(PROGRAM, data=given["data"], random_seed=1)
    built = time.perf_counter()
    at = {"date": [2008.0, 2018.0], "sigma": [1.0] * 3, "level": [16.0] * 3}
    found = program.sample(init=[at] * given["settings"]["num_chains"], **given["settings"])
    took = time.perf_counter() - built
    names = ("date", "level", "growth", "sigma", "growth_mean", "growth_sd", "deviation")
    draws = {name: found[name] for name in names}
    np.savez(sys.argv[1], seconds=took, compiling=built - start, **draws)


if __name__ == "__main__":
    main()
