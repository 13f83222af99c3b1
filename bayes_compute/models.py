"""The model scripts as a package: ``from bayes_compute.models import three_eras``.

The scripts stand in ``models`` at the top of a checkout, and a wheel carries them as
``bayes_compute/_models``. This module finds them in whichever of the two exists.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    def __getattr__(name: str) -> ModuleType: ...


_PACKAGE = Path(__file__).parent
_FOLDERS = (_PACKAGE / "_models", _PACKAGE.parent / "models")

__path__ = [str(folder) for folder in _FOLDERS if folder.is_dir()][:1]
