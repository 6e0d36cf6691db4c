"""One thread for many small steps, where threads that wait for each other cost more than they save; few for large ones.

A fit is hundreds of products of small arrays, one after the other. BLAS and OpenMP share each among all processors and
let those that are done spin; beside other work a fit then takes ten times as long. On one thread sums have one order
too, so that results do not depend on the number of processors.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

AT_ONCE = min(4, os.cpu_count() or 1)
"""Threads of `side_by_side`: the memory of a step is needed as often."""


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


def side_by_side(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield ``function(item)`` for every item, in their order, `AT_ONCE` at a time.

    It pays where NumPy or compiled code without Python's lock does the work. No more items are taken than can be worked
    on.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way: deque[Future[R]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(function, item))
                if len(under_way) > AT_ONCE:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            # After an error, or where nobody asks for the rest.
            pool.shutdown(cancel_futures=True)
