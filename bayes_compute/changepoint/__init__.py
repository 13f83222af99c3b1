"""Changepoint regression with its dates, levels, growth and scatter integrated out exactly."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent
_DIGEST = sha256(b"".join(path.read_bytes() for path in sorted(_FOLDER.glob("*.py")))).hexdigest()

KERNEL_KEY = int(_DIGEST[:15], 16)
"""Number that changes with the sources, for caches of graphs that call the kernels."""


def _forget_kernels_of_other_sources() -> None:
    """Drop cached machine code unless it was compiled from the sources as they are.

    Numba renews a cached function when its own file changes, not when a file it calls does: in a
    checkout, an edit or an update of one file would leave old code running in another.
    """
    cache = _FOLDER / "__pycache__"
    stamp = cache / "kernels.sha256"
    with suppress(OSError):  # where nothing can be written, no source changes either
        if not stamp.exists() or stamp.read_text() != _DIGEST:
            for path in cache.glob("*.nb[ic]"):
                path.unlink(missing_ok=True)
            cache.mkdir(exist_ok=True)
            stamp.write_text(_DIGEST)


_forget_kernels_of_other_sources()
