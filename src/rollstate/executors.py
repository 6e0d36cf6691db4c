"""Where independent work runs: here, or on the workers of a Dask scheduler. The results are the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from rollstate.errors import InputError, RollstateError

Item = TypeVar("Item")
Out = TypeVar("Out")

RETRIES = 3
"""How often work is given to another worker when its own dies."""

PATIENCE = 20.0
"""Seconds that a scheduler may take to answer, or be without a single worker while work waits."""


SCHEDULER = "ROLLSTATE_SCHEDULER"
"""Environment variable that says to a notebook where a Dask scheduler answers; results do not depend on it."""


class SchedulerError(RollstateError):
    """The scheduler cannot be reached, or its workers could not do the work."""


def scheduler() -> str | None:
    """Return the address of the Dask scheduler that the environment names, if it does."""
    return os.environ.get(SCHEDULER) or None


def mapped(
    function: Callable[[Item], Out], items: Iterable[Item], scheduler: str | None = None
) -> Iterator[Out]:
    """Yield ``function(item)`` for every item, in the order of the items.

    Parameters
    ----------
    function : callable
        A pure function that can be pickled: work of a worker that dies is done again by another.
    items : iterable
        What it is applied to.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:port``; in this process if not given.

    Raises
    ------
    InputError
        If the address is not one.
    SchedulerError
        If nothing answers there, no worker is left, or an item killed every worker it was given to.

    References
    ----------
    https://distributed.dask.org/en/stable/client.html
    """
    if scheduler is None:
        yield from map(function, items)
        return
    if "://" not in scheduler:
        raise InputError(f"scheduler {scheduler!r} must be an address such as tcp://127.0.0.1:8786")
    # Imported where it is used: it costs a second.
    from distributed import Client, KilledWorker

    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError(
            f"no Dask scheduler answers at {scheduler} ({error}); start one with `dask scheduler`"
        ) from error
    with client:
        # Not pure in Dask's sense: equal items are not one item.
        futures: list[Any] = client.map(function, list(items), pure=False, retries=RETRIES)
        try:
            for future in futures:
                yield _result(future, client, scheduler)
        except KilledWorker as error:
            raise SchedulerError(
                f"work killed every worker it was given to ({error}); give the workers more memory, or less work each"
            ) from error
        finally:
            client.cancel(futures)


def _result(future: Any, client: Any, scheduler: str) -> Any:
    """Return what a future becomes, as long as there are workers that could make it."""
    alone = False
    while True:
        try:
            return future.result(timeout=PATIENCE)
        except TimeoutError as error:
            if future.done():
                # It ended just after we stopped waiting, or the work itself raised this.
                return future.result()
            # A worker that died is started again by its nanny: once without any is not the end. The scheduler itself is
            # asked: what a client remembers of it comes without its workers now and then.
            before, alone = alone, not client.nthreads()
            if before and alone:
                raise SchedulerError(
                    f"the Dask scheduler at {scheduler} has no worker; start some with `dask worker {scheduler}`"
                ) from error
