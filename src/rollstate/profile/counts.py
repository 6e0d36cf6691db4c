"""How often slots and contracts are touched: frequencies, tails, hot sets, discovery, from a profile."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.profile.grid import GAPS
from rollstate.profile.rows import between
from rollstate.profile.tables import Profile


def touches(profile: Profile, unit: str = "slots") -> tuple[np.ndarray, np.ndarray]:
    """Return the touches of every slot or contract that has any, busiest first, and the group of each.

    What `rollstate.coverage.concentration` and `rollstate.tails` take: the counts as from the trace, one by one.

    Parameters
    ----------
    unit : {"slots", "contracts"}

    Returns
    -------
    touches : array of int64, shape (n,)
    group : array of uint8, shape (n,)
    """
    if unit not in {"slots", "contracts"}:
        raise InputError(f"touches are of 'slots' or 'contracts', not {unit!r}")
    table = profile.table(unit).filter(pl.col("touches") > 0).sort("touches", "group", descending=True)
    rows = table["rows"].to_numpy()
    return np.repeat(table["touches"].to_numpy(), rows), np.repeat(table["group"].to_numpy(), rows)


def hill_of_touches(profile: Profile, k: int, unit: str = "slots") -> float:
    r"""Return Hill's index of the `k` busiest units, :math:`k / \sum_{i \le k} \ln (x_i / x_{k+1})`.

    Raises
    ------
    InputError
        If `k` is not between 1 and the number of units less one, or the k busiest are all alike.
    """
    x, _ = touches(profile, unit)
    if not 1 <= k < len(x):
        raise InputError(f"k={k} must lie between 1 and {len(x) - 1}, one less than the touched {unit}")
    total = np.log(x[:k] / x[k]).sum()
    if total <= 0:
        raise InputError(
            f"the {k + 1} busiest {unit} all have {x[k]} touches: there is no tail to fit; raise k"
        )
    return float(k / total)


def hill_of_gaps(
    profile: Profile, threshold: int, start: int | None = None, stop: int | None = None
) -> tuple[float, int]:
    r"""Return the index of gaps beyond a threshold under censoring and delayed entry, and the events it rests on.

    :math:`\hat\alpha = \sum d / \sum \ln(t / \max(e, u))`, as `rollstate.tails.estimators.hill`, with t and e the means
    of their cells.

    Raises
    ------
    InputError
        If no event lies beyond the threshold.
    """
    rows = between(profile, start, stop, table="sums").filter(
        pl.col("duration") > int(GAPS.index(np.array([threshold]))[0])
    )
    n = rows["rows"].to_numpy()
    events = int(n[rows["event"].to_numpy()].sum())
    if not events:
        raise InputError(f"no gap beyond {threshold} blocks ends with an access; lower the threshold")
    t, e = (rows[f"sum_{name}"].to_numpy() / n for name in ("duration", "entry"))
    low = np.maximum(e, float(GAPS.high(GAPS.index(np.array([threshold])))[0]))
    return events / float((n * np.log(t / low)).sum()), events


def hot_set(profile: Profile, k: int, *, near: bool = True) -> pl.DataFrame:
    """Return how many touches after each border fall on the `k` slots that were best before it.

    Parameters
    ----------
    k : int
        Slots in the set.
    near : bool
        Count over the plan's ``hot_blocks`` on each side; else over all that lies before and after.

    Returns
    -------
    polars.DataFrame
        ``border`` (block), ``frequent`` (share of later touches on the k most frequent slots), ``recent`` (on the k
        touched last), ``best`` (on the k most frequent ones after it: the bound), ``touches`` after. Within a cell that
        the k-th slot falls in, slots count in proportion.
    """
    if k < 1:
        raise InputError(f"a hot set holds at least 1 slot, not {k}")
    out = []
    for border, cells in profile.hot.filter(pl.col("near") == near).group_by("border", maintain_order=True):
        total = int(cells["sum_after"].sum())
        if not total:
            continue
        touched = cells.filter(pl.col("before") > 0)
        frequent = touched.group_by("before").agg(pl.col("rows", "sum_after").sum())
        frequent = frequent.sort("before", descending=True)
        recent = touched.group_by("idle").agg(pl.col("rows", "sum_after").sum()).sort("idle")
        best = cells.group_by("after").agg(pl.col("rows", "sum_after").sum()).sort("after", descending=True)
        shares = [_first(table, k) / total for table in (frequent, recent, best)]
        out.append((profile.plan.borders[border[0]], *shares, total))
    shares_of = dict.fromkeys(("frequent", "recent", "best"), pl.Float64)
    return pl.DataFrame(out, {"border": pl.Int64, **shares_of, "touches": pl.Int64}, orient="row")


def _first(table: pl.DataFrame, k: int) -> float:
    """Sum ``sum_after`` over the first k slots of a table of cells in order."""
    rows = table["rows"].to_numpy()
    before = np.cumsum(rows) - rows
    share = np.clip((k - before) / rows, 0, 1)
    return float((share * table["sum_after"].to_numpy()).sum())


def over_time(profile: Profile) -> pl.DataFrame:
    """Return accesses, visits, written visits and slots first seen per bin of time.

    Returns
    -------
    polars.DataFrame
        ``start`` (first block of the bin), ``accesses``, ``visits``, ``written``, ``first_seen``, ``slots_so_far``.
    """
    plan = profile.plan
    return profile.time.select(
        start=plan.start + pl.col("bin").cast(pl.Int64) * plan.bin_blocks,
        accesses="rows",
        visits="sum_visits",
        written="sum_written",
        first_seen="sum_first",
        slots_so_far=pl.col("sum_first").cum_sum(),
    )
