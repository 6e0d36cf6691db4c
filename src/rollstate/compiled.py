"""Compiled functions whose cache cannot go stale.

Numba's own cache on disk looks at the file that holds a function, not at the files that this one calls or takes
constants from. Here the cache lies in a folder named by a hash of the whole package's source, so any change of the
package begins an empty one.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from rollstate.derived import PACKAGE, derived_folder


@functools.cache
def cache_folder() -> Path:
    """Return the folder of compiled functions of this very source."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode() + file.read_bytes())
    return derived_folder("kernels") / digest.hexdigest()[:16]


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function with numba, in no-Python mode, without Python's lock, cached for this source of the package.

    Parameters
    ----------
    function : callable, optional
        The function; left out where options are given, as in ``@compiled(fastmath=True)``.
    **options
        Options of `numba.njit`.

    Examples
    --------
    In a module (Numba keeps nothing of what is typed at a prompt)::

        @compiled
        def twice(x):
            return 2 * x
    """
    if function is None:
        return functools.partial(compiled, **options)
    config: Any = numba.config
    before = config.CACHE_DIR
    # Numba chooses the place when it decorates.
    config.CACHE_DIR = str(cache_folder())
    try:
        return numba.njit(cache=True, nogil=True, **options)(function)
    finally:
        config.CACHE_DIR = before
