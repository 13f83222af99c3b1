"""Changepoint regression with its dates, levels, growth and scatter integrated out exactly."""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path


def _forget_kernels_of_other_sources() -> None:
    """Drop cached machine code unless it was compiled from the sources as they are.

    Numba renews a cached function when its own file changes, not when a file it calls does: in a
    checkout, an edit or an update of one file would leave old code running in another.
    """
    folder = Path(__file__).parent
    cache = folder / "__pycache__"
    digest = sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py"))))
    stamp = cache / "kernels.sha256"
    with suppress(OSError):  # where nothing can be written, no source changes either
        if not stamp.exists() or stamp.read_text() != digest.hexdigest():
            for path in cache.glob("*.nb[ic]"):
                path.unlink(missing_ok=True)
            cache.mkdir(exist_ok=True)
            stamp.write_text(digest.hexdigest())


_forget_kernels_of_other_sources()
