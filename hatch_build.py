"""Ship the top-level folders ``models`` and ``data`` inside the wheel.

A wheel gets them as ``bayes_compute/_models`` and ``bayes_compute/_data``. An editable install
is left alone: there, as in a bare checkout, the folders at the top are used.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShippedFolders(BuildHookInterface):
    """The build hook that hatchling finds here."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"] |= {
                "models": "bayes_compute/_models",
                "data": "bayes_compute/_data",
            }
