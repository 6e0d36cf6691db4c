"""What the writes of a slice cost in pubdata, asked of a world as seldom as its kind allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rollstate.worlddiff.world import FixedCostWorld, StorageSlot, World, checked_cost


def prices(
    world: World,
    initial: np.ndarray,
    exists: np.ndarray,
    written: np.ndarray,
    value: Callable[[np.ndarray], list[int]],
) -> np.ndarray:
    """Return the pubdata bytes of bringing slots from their initial values to what is written; int64, shape (n,).

    Parameters
    ----------
    world : World
        A `FixedCostWorld` is priced on arrays; any other is asked once for each distinct change.
    initial, written : arrays of uint32, shape (n,)
        Ids of values; equal ids are equal values.
    exists : array of bool, shape (n,)
        Whether the slot existed before the batch.
    value : callable
        Gives the values of an array of ids.

    Raises
    ------
    WorldError
        If the world answers with no number of bytes.

    Examples
    --------
    >>> ids = np.array([0, 1], np.uint32)
    >>> prices(FixedCostWorld({}), ids, np.array([True, False]), ids[::-1], lambda ids: [0, 5]).tolist()
    [40, 64]
    """
    if isinstance(world, FixedCostWorld):
        cost = np.where(exists, world.cost_existing, world.cost_absent)
        return np.where(initial == written, 0, cost).astype(np.int64)
    changes = np.stack([initial, exists.astype(np.uint32), written], axis=1)
    distinct, which = np.unique(changes, axis=0, return_inverse=True)
    before, after = value(distinct[:, 0]), value(distinct[:, 2])
    costs = [
        checked_cost(world, StorageSlot(a, not existed), b)
        for a, existed, b in zip(before, distinct[:, 1].tolist(), after, strict=True)
    ]
    return np.array(costs, np.int64)[which.ravel()]
