"""One thread for many small steps: threads that wait for each other cost more than they save.

A fit is hundreds of products of small arrays, one after the other. BLAS and OpenMP share each among all processors and
let those that are done spin; beside other work a fit then takes ten times as long. On one thread sums have one order
too, so that results do not depend on the number of processors.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

P = ParamSpec("P")
R = TypeVar("R")


def one_thread(*modules: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator of functions that holds BLAS and OpenMP to one thread while they run.

    Parameters
    ----------
    *modules : str
        Modules that the function imports itself: what they load is held only if it is there before.
    """

    def decorator(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in modules:
                importlib.import_module(name)
            with threadpool_limits(1):
                return function(*args, **kwargs)

        return limited

    return decorator
