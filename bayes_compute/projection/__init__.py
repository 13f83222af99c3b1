"""The maximum: typical, frontier and record training compute in years to come, under ceilings.

Three estimands, each log10 FLOP at the end of a year: ``typical``, one system of that year;
``frontier``, what the top 5 % of the year's systems exceed; ``record``, the largest of one system
until then. All are of systems as the table selects them, fine-tuned ones left out unless they were
asked for. The record begins with the largest figure of the table, at its word.

In each draw of the fit systems come (:mod:`.arrivals`), each would take what its regime and date
say (:mod:`.demand`), and gets no more than ceilings allow
(:mod:`bayes_compute.ceilings.available`).
"""
