r"""From touches to spells: gap times with right censoring and delayed entry.

A slot's history is its access blocks :math:`t_1 < t_2 < \dots` (several touches in one block are one access; a known
creation inside the trace counts as the first). A *spell* runs from one of them to the next, on the gap clock
:math:`u = t - s` that starts at zero in the block ``start`` :math:`= s`. In an analysis window :math:`[a, b)`

* an access at :math:`t < b` ends the spell with an event at :math:`u = t - s`;
* without one the spell is right-censored at :math:`u = b - 1 - s`: block :math:`b - 1` is the last one seen;
* a spell that began before the window is at risk in it only from block :math:`a` on: it enters late, at
  ``entry`` :math:`= a - 1 - s`, having waited that long unobserved (left truncation).

A spell is at risk at gap times :math:`u` with ``entry`` < u <= ``duration``, which is the convention of R's
``Surv(entry, duration, event)``; a spell without such a time is no row. A slot that was there before the trace and
whose last access is unknown contributes nothing until its first access: taking it as freshly accessed at the start of
the window would be wrong, and `build_peer` shows by how much.

Sources: Andersen, Borgan, Gill and Keiding (1993), Statistical Models Based on Counting Processes, III.3 (left
truncation), https://doi.org/10.1007/978-1-4612-4348-9; Prentice, Williams and Peterson (1981), Biometrika 68:373
(gap times of recurrent events), https://doi.org/10.1093/biomet/68.2.373.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.executors import mapped
from rollstate.traces import store
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import Counts, Visits, shared_counts, visits

ACTIVITY = {"first": 0, "few": 2, "many": 5}
"""Activity classes at the start of a spell, with the least number of accesses so far that each needs."""
COLUMNS = (
    "slot_id", "contract_id", "start", "entry", "duration", "event", "n_accesses", "prev_gap", "rate", "slot_age",
    "contract_age", "co_contract", "co_tx", "wrote", "activity", "contract_type", "slot_type",
)  # fmt: skip
"""What is known of a spell; see `build`."""
_LABELS = ("slot_id", "contract_id", "born", "contract_born", "contract_type", "slot_type")
"""What is known of a slot and its contract."""


@dataclass(frozen=True)
class Context:
    """What a spell's covariates need from slots other than its own; the same for every part of a trace.

    Attributes
    ----------
    contract_blocks, transactions : Counts
        How many slots share each ``contract_key`` and each ``tx_key`` of `Visits`, over all parts.
    contract_born : polars.DataFrame
        ``contract_id``, ``contract_born``: block of the first access or creation within the contract.
    """

    contract_blocks: Counts
    transactions: Counts
    contract_born: pl.DataFrame


def context(parts: Iterable[Trace]) -> Context:
    """Collect the `Context` of a trace in one pass over its parts.

    Parameters
    ----------
    parts : iterable of Trace
        Parts that share no slot, as `rollstate.traces.store.partitions` yields them, or one whole trace.
    """
    by_contract, by_transaction, born = [], [], []
    for part in parts:
        seen = visits(part, part.capability.window_stop)
        by_contract.append(seen.contract_key[seen.is_access])
        by_transaction.append(seen.tx_key[seen.tx_key >= 0])
        born.append(contract_born(seen.slots))
    return Context(
        contract_blocks=Counts.collect(by_contract),
        transactions=Counts.collect(by_transaction),
        contract_born=earliest(born),
    )


def contract_born(slots: pl.DataFrame) -> pl.DataFrame:
    """Return ``contract_id`` and ``contract_born``, the first block known of any of its slots, from `Visits.slots`."""
    return slots.group_by("contract_id").agg(contract_born=pl.col("born").min())


def earliest(born: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return `contract_born` of a trace from that of its parts."""
    return pl.concat(born).group_by("contract_id").agg(pl.col("contract_born").min())


def build(
    trace: Trace,
    *,
    window: tuple[int, int] | None = None,
    history: pl.DataFrame | None = None,
    shared: Context | None = None,
    columns: Sequence[str] = COLUMNS,
) -> pl.DataFrame:
    """Build the spells of a trace, or of one part of it.

    Parameters
    ----------
    trace : Trace
        A trace, or a part of one that has all rows of its slots; rows in any order.
    window : tuple of int, optional
        Analysis window ``[a, b)`` inside the trace; what lies before it is history, which gives true delayed entry
        and earlier accesses as covariates. The whole trace if not given: then no slot has a history.
    history : polars.DataFrame, optional
        ``slot_id`` and ``last_access`` (a block before the trace; null if unknown): the last access of slots that were
        there before the trace, where another source knows it. It gives them delayed entry and counts as one access.
    shared : Context, optional
        `context` of the whole trace; needed when `trace` is a part of it.
    columns : sequence of str
        Which of `COLUMNS` are wanted: the others take no time and no memory.

    Returns
    -------
    polars.DataFrame
        One row per spell, sorted by slot and start:

        ``slot_id``, ``contract_id`` uint32
            Numbers of the slot and of its contract.
        ``start`` int64
            Block of the previous access, or of the slot's creation.
        ``entry``, ``duration`` int64
            Gap times in blocks between which the spell is at risk, ``entry`` < ``duration``.
        ``event`` bool
            Whether an access ended the spell.
        ``n_accesses`` int64
            Blocks with an access so far, that of ``start`` included.
        ``prev_gap`` int64
            Blocks between the two last accesses; null for the first.
        ``rate`` float64
            Accesses per block since the slot was first seen: accessed, created inside the trace, or in `history`.
        ``slot_age``, ``contract_age`` int64
            Blocks since creation where it is known, also from before the trace, else since the first access known.
        ``co_contract`` int64
            Other slots of the contract touched in the block of ``start``; null if that lies before the trace.
        ``co_tx`` int64
            Other slots touched by the transaction at ``start`` (the largest, if several); null if unknown.
        ``wrote`` bool
            Whether the access at ``start`` wrote; null if that lies before the trace.
        ``activity`` enum
            Class of ``n_accesses``, one of `ACTIVITY`.
        ``contract_type``, ``slot_type`` categorical
            As the trace states them; null if unknown.

        All of them are known in the block ``start``: no change of the trace after it changes them.

    Raises
    ------
    InputError
        If the window is empty or does not lie in the trace, an access does not fit its stamp or its slots,
        `history` is not history, or the source did not observe every block: what ended a gap may then be unseen.

    Notes
    -----
    Slot, block, transaction and kind of an access are packed into one integer, so that one sort of a plain column
    orders the trace; what is left are shifts. ``benchmarks/intervals.py`` has it beside a bare sort of the frame.
    """
    trace.capability.require("every_block", "a gap between accesses")
    window = check_window(trace.capability, window)
    seen = visits(trace, window[1], history)
    return spells_of(seen, window, trace.capability.window_start, shared=shared, columns=columns)


def spells_of(
    seen: Visits,
    window: tuple[int, int],
    seen_from: int,
    *,
    shared: Context | None = None,
    columns: Sequence[str] = COLUMNS,
) -> pl.DataFrame:
    """Return the spells between visits, as `build` does of the visits up to the end of its window.

    Parameters
    ----------
    seen : Visits
        Of a trace, or a part of one.
    window : tuple of int
        Analysis window ``[a, b)``.
    seen_from : int
        First block of the trace.
    shared : Context, optional
        As in `build`.
    columns : sequence of str
        As in `build`, and ``visit`` (the row of `seen` that the spell begins with), ``gaps`` (visits of the slot before
        that) and ``first_seen`` (block of the slot's first visit).
    """
    a, b = window
    at = np.flatnonzero(seen.begins)
    length = np.diff(at, append=seen.block.size)
    beside = {"visit": np.arange(seen.block.size)} if {"visit", "gaps"} & set(columns) else {}
    if "gaps" in columns:
        beside["gaps"] = beside["visit"] - np.repeat(at, length)
    if "co_contract" in columns:
        others = shared.contract_blocks if shared else None
        beside["touched"] = shared_counts(seen.contract_key, seen.is_access, others)
    if "co_tx" in columns:
        beside["co_tx"] = seen.largest_transaction(shared.transactions if shared else None)
    # A last access that history knows of is one, though the trace does not show it; a bare creation is none.
    counted = np.cumsum(seen.is_access | (seen.block < seen_from))
    block = pl.col("start")
    same_next = (pl.col("index") == pl.col("index").shift(-1)).fill_null(False)
    spells = (
        pl.LazyFrame(
            {
                "index": seen.index,
                "start": seen.block,
                "n_accesses": counted - np.repeat(np.append(0, counted)[at], length),
                "first_seen": np.repeat(seen.block[at], length),
                "is_access": seen.is_access,
                "wrote": seen.wrote,
                **beside,
            }
        )
        .with_columns(
            event=same_next,
            duration=pl.when(same_next).then(block.shift(-1)).otherwise(b - 1) - block,
            entry=(a - 1 - block).clip(0),
            prev_gap=pl.when(block > pl.col("first_seen")).then(block - block.shift(1)),
        )
        .filter(pl.col("duration") > pl.col("entry"))
        .collect()
    )
    return _with_labels(spells, seen, seen_from, shared, columns)


def _with_labels(
    spells: pl.DataFrame, seen: Visits, seen_from: int, shared: Context | None, columns: Sequence[str]
) -> pl.DataFrame:
    """Add what the slot and its contract know, and return the columns that are wanted, in order."""
    n, block = pl.col("n_accesses"), pl.col("start")
    known = block >= seen_from
    computed = {
        "rate": n / (block - pl.col("first_seen") + 1),
        "slot_age": block - pl.col("born"),
        "contract_age": block - pl.col("contract_born"),
        "co_contract": pl.when(known).then(pl.col("touched") - pl.col("is_access").cast(pl.Int64)),
        "co_tx": pl.when(pl.col("co_tx") >= 0).then("co_tx"),
        "wrote": pl.when(known).then("wrote"),
    }
    wanted = [computed.get(name, pl.col(name)).alias(name) for name in columns]
    if "activity" in columns:
        classes = pl.Series(list(ACTIVITY), dtype=pl.Enum(list(ACTIVITY)))
        rank = np.searchsorted(list(ACTIVITY.values()), spells["n_accesses"].to_numpy(), "right") - 1
        spells = spells.with_columns(activity=classes[rank])
    born = contract_born(seen.slots) if shared is None else shared.contract_born
    used = {name for each in wanted for name in each.meta.root_names()}
    labels = (
        seen.slots.lazy()
        .join(born.lazy(), on="contract_id", how="left", maintain_order="left")
        .select(
            "slot_id",
            "contract_id",
            "born",
            pl.min_horizontal("contract_born", "born"),
            pl.col("contract_type", "slot_type").cast(pl.Categorical),
        )
        .select(name for name in _LABELS if name in used or name == "slot_id")
        .collect()
    )
    kept = spells.select(name for name in spells.columns if name in used)
    return pl.concat([kept, labels[spells["index"]]], how="horizontal").select(wanted)


def build_partitioned(
    folder: Path, *, window: tuple[int, int] | None = None, scheduler: str | None = None
) -> Iterator[pl.DataFrame]:
    """Yield `build` of a stored trace part by part: the same spells, in memory bounded by the largest part.

    With the address of a Dask scheduler its workers, which must see `folder`, build the parts.
    """
    shared = context(store.partitions(folder))
    work = functools.partial(_build_part, folder=folder, window=window, shared=shared)
    yield from mapped(work, range(store.count_parts(folder)), scheduler)


def _build_part(part: int, folder: Path, window: tuple[int, int] | None, shared: Context) -> pl.DataFrame:
    return build(store.read_part(folder, part), window=window, shared=shared)


def check_window(stamp: Capability, window: tuple[int, int] | None) -> tuple[int, int]:
    """Return the analysis window, which must lie in that of the trace."""
    a, b = window or (stamp.window_start, stamp.window_stop)
    if not stamp.window_start <= a < b <= stamp.window_stop:
        raise InputError(
            f"window [{a}, {b}) must be a non-empty part of the trace's [{stamp.window_start}, {stamp.window_stop})"
        )
    return a, b


def build_peer(trace: Trace, *, window: tuple[int, int] | None = None) -> pl.DataFrame:
    """Build intervals as zk-state-prune does, to reproduce its published numbers; wrong under left truncation.

    Every slot created before the window's end restarts, as if just accessed, at the later of its creation and the
    window's start; durations run to the window's end :math:`b` instead of its last block; nothing enters late.

    Parameters
    ----------
    trace : Trace
        A trace whose slots all have ``created_block``.
    window : tuple of int, optional
        Analysis window ``[a, b)``; the whole trace if not given.

    Returns
    -------
    polars.DataFrame
        ``slot_id``, ``start``, ``entry`` (always 0), ``duration``, ``event``, ``n_accesses`` (in the window, before
        the interval), ``slot_age``, ``left_truncated``.

    Raises
    ------
    InputError
        If a creation is unknown, or the window is not part of the trace.

    References
    ----------
    https://github.com/egpivo/zk-state-prune at a93c774, ``internal/analysis/intervals.go``.
    """
    a, b = check_window(trace.capability, window)
    if trace.slots["created_block"].null_count():
        raise InputError("the peer's rule needs created_block for every slot; this trace does not know it")
    slots = trace.slots.filter(pl.col("created_block") < b).select(
        "slot_id",
        pl.max_horizontal(pl.col("created_block"), pl.lit(a)).alias("origin"),
        "created_block",
    )
    visits = (
        trace.accesses.select("slot_id", "block_number")
        .unique()
        .join(slots, on="slot_id")
        .filter(pl.col("block_number").is_between(pl.col("origin"), b, closed="left"))
    )
    starts = pl.concat(
        [
            visits.select("slot_id", "block_number"),
            slots.select("slot_id", pl.col("origin").alias("block_number")),
        ]
    ).unique()
    touched = visits.select("slot_id", "block_number", pl.lit(1).alias("touched"))
    following = pl.col("block_number").shift(-1).over("slot_id")
    return (
        starts.join(touched, on=["slot_id", "block_number"], how="left")
        .join(slots, on="slot_id")
        .sort("slot_id", "block_number")
        .select(
            "slot_id",
            pl.col("block_number").alias("start"),
            pl.lit(0, pl.Int64).alias("entry"),
            (following.fill_null(b) - pl.col("block_number")).alias("duration"),
            following.is_not_null().alias("event"),
            pl.col("touched").fill_null(0).cum_sum().over("slot_id").cast(pl.Int64).alias("n_accesses"),
            (pl.col("block_number") - pl.col("created_block")).alias("slot_age"),
            (pl.col("created_block") < a).alias("left_truncated"),
        )
    )
