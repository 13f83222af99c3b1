"""``report.html``: one file that says everything, reads nothing else, and needs no network."""
