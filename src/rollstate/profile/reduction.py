"""From a trace to its profile, in one pass, part by part."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.executors import mapped
from rollstate.profile import kernels
from rollstate.profile.classes import activity
from rollstate.profile.grid import CLASSES, GAPS, LAGS, TOUCHES
from rollstate.profile.plan import BINS, FEW_CONTRACTS, GROUPS, Plan, plan
from rollstate.profile.tables import TABLES, Profile, added, gathered
from rollstate.traces import store
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Capability, Trace
from rollstate.traces.visits import check_inside, in_slot_order

ROWS_PER_BATCH = 1 << 20
MOST_CATEGORIES = (1 << kernels.CATEGORY) - 1


def make(trace: Trace, *, block_s: float | None = None, cut: Plan | None = None) -> Profile:
    """Reduce a trace in memory to its profile.

    Parameters
    ----------
    trace : Trace
        Rows in any order.
    block_s : float, optional
        Seconds per block, where neither timestamps nor the chain say it.
    cut : Plan, optional
        Plan of the whole, where the trace is a part of one.

    Raises
    ------
    InputError
        If there is no access, one does not fit the stamp or the slots, or types are not a few classes.
    """
    cut = cut or plan(trace.capability, trace.blocks, trace.slots["contract_id"].n_unique(), block_s)
    return reduce([trace], cut)


def make_stored(folder: Path, *, block_s: float | None = None, scheduler: str | None = None) -> Profile:
    """Reduce a stored trace part by part, in memory bounded by its largest part and its blocks.

    With the address of a Dask scheduler its workers, which must see `folder`, reduce the parts, and the counts are
    added up here in the order of the parts.
    """
    first = store.read_part(folder, 0)
    cut = plan(first.capability, first.blocks, store.count_contracts(folder), block_s)
    del first
    work = functools.partial(_of_part, folder=folder, cut=cut)
    return _joined(mapped(work, range(store.count_parts(folder)), scheduler)).profile()


def of_parts(parts: Parts, *, block_s: float | None = None) -> Profile:
    """Reduce a window of a stored trace part by part: what `make` does of the window as a trace of its own.

    Parameters
    ----------
    parts : Parts
        The window; the workers of the Dask cluster that the environment names, if it does, reduce its parts.
    block_s : float, optional
        Seconds per block, where neither timestamps nor the chain say it.

    Raises
    ------
    InputError
        If there is no access, one does not fit the stamp or the slots, or types are not a few classes.
    """
    cut = plan(parts.capability, parts.blocks, parts.count_contracts(FEW_CONTRACTS), block_s)
    return _joined(parts.map(functools.partial(_counted, cut=cut))).profile()


def reduce(parts: Iterable[Trace], cut: Plan) -> Profile:
    """Reduce the parts of a trace, which share no slot, to one profile.

    Contracts may lie in several parts: their touches are added up before they are counted.
    """
    return _joined(_counted(part, cut) for part in parts).profile()


def _of_part(part: int, folder: Path, cut: Plan) -> _Total:
    return _counted(store.read_part(folder, part), cut)


def _counted(part: Trace, cut: Plan) -> _Total:
    total = _Total(part.capability, cut)
    total.add(part)
    return total


def _joined(totals: Iterable[_Total]) -> _Total:
    rest = iter(totals)
    first = next(rest, None)
    if first is None:
        raise InputError("profile: there is no trace to reduce")
    return functools.reduce(_Total.join, rest, first)


class _Total:
    """Counts so far."""

    def __init__(self, stamp: Capability, cut: Plan) -> None:
        if (stamp.window_start, stamp.window_stop) != (cut.start, cut.stop):
            raise InputError(
                f"profile: the plan is of blocks [{cut.start}, {cut.stop}), the trace of "
                f"[{stamp.window_start}, {stamp.window_stop})"
            )
        self.stamp, self.cut = stamp, cut
        self.frames: dict[str, list[pl.DataFrame]] = {
            name: [] for name in ("pieces", "sums", "pieces_by_group", "ends_by_class", "slots", "hot")
        }
        self.contracts: list[pl.DataFrame] = []
        self.settled = 0
        bins = int(LAGS.index(np.array([cut.n_blocks - 1]))[0]) + 1
        self.edges = LAGS.low(np.arange(1, bins + 1)) if bins > 1 else np.array([1, 1])
        lags, periods = len(self.edges) - 1, len(cut.periods) - 1
        self.pairs, self.chances = (np.zeros((periods, 32, lags), np.int64) for _ in range(2))
        self.by_group, self.group_chances = (np.zeros((GROUPS, lags), np.int64) for _ in range(2))
        self.time = np.zeros((BINS, 4), np.int64)

    def join(self, other: _Total) -> _Total:
        """Add the counts of another part of the trace."""
        for name, frames in other.frames.items():
            self.frames[name] += frames
        self.contracts += other.contracts
        if self._held() > 2 * self.settled:
            self._settle()
        for name in ("pairs", "chances", "by_group", "group_chances", "time"):
            getattr(self, name).__iadd__(getattr(other, name))
        return self

    def add(self, part: Trace) -> None:
        """Count the accesses of a part."""
        slots = part.slots.sort("slot_id")
        rows = in_slot_order(part.accesses)
        ids, block = rows["slot_id"].to_numpy(), rows["block_number"].to_numpy()
        wrote = rows["is_write"].cast(pl.UInt8).to_numpy()
        self._check(slots, ids, block)
        starts = np.searchsorted(ids, np.append(slots["slot_id"].to_numpy(), np.iinfo(np.uint32).max)).astype(
            np.int64
        )
        starts[-1] = ids.size
        created = slots["created_block"].fill_null(-1).to_numpy()
        of_contract = _groups(slots["address"])
        group = of_contract if self.cut.group_by == "contract" else _groups(slots["slot"], slots["address"])
        labels, category = _categories(slots)
        clock = _Clock.of(part.blocks, self.cut)
        for low, high in _batches(starts):
            batch = starts[low : high + 1]
            self._count(
                clock, block, wrote, batch, created[low:high], group[low:high], category[low:high], labels,
                of_contract[low:high], slots["contract_id"].to_numpy()[low:high],
            )  # fmt: skip
        self._settle()

    def _settle(self) -> None:
        """Add up what is held, cell by cell; done when twice as much is held, it costs the same for each part."""
        for name, frames in self.frames.items():
            self.frames[name] = [added(name, frames)]
        self.contracts = [_by_contract(self.contracts)]
        self.settled = self._held()

    def _held(self) -> int:
        return sum(frame.height for frames in (*self.frames.values(), self.contracts) for frame in frames)

    def _check(self, slots: pl.DataFrame, ids: np.ndarray, block: np.ndarray) -> None:
        check_inside(self.stamp, block, "profile")
        named = ids[np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))] if ids.size else ids
        unknown = np.setdiff1d(named, slots["slot_id"].to_numpy(), assume_unique=True)
        if unknown.size:
            raise InputError(
                f"profile: slot {unknown[0]} is accessed, but `slots` does not describe it; add its row"
            )

    def _count(
        self,
        clock: _Clock,
        block: np.ndarray,
        wrote: np.ndarray,
        starts: np.ndarray,
        created: np.ndarray,
        group: np.ndarray,
        category: np.ndarray,
        labels: Any,
        of_contract: np.ndarray,
        contract: np.ndarray,
    ) -> None:
        cut, window = self.cut, np.array([self.cut.start, self.cut.stop])
        most = int(starts[-1] - starts[0]) + created.size
        at, kind = np.empty(most, np.int64), np.empty(most, np.uint8)
        begins = np.empty(starts.size, np.int64)
        n = kernels.visits(block, wrote, starts, created, window, at, kind, begins)
        at, kind = at[:n], kind[:n]
        cuts, borders = np.array(cut.cuts, np.int64), np.array(cut.borders, np.int64)

        most = kernels.count_pieces(at, begins, cuts)
        key, by_group, entry, duration = (np.empty(most, np.int64) for _ in range(4))
        n = kernels.pieces(
            at, kind, begins, group, category, cuts, GAPS.bits, LAGS.bits, key, by_group, entry, duration
        )
        pieces = _unpacked_pieces(_cells(key[:n], sum_entry=entry[:n], sum_duration=duration[:n]), labels)
        self.frames["pieces"].append(pieces.select(list(TABLES["pieces"])).cast(pl.Schema(TABLES["pieces"])))
        self.frames["sums"].append(added("sums", [pieces]))
        self.frames["pieces_by_group"].append(_unpacked_groups(_cells(by_group[:n])))

        spans = np.array(cut.spans, np.int64)
        key = np.empty(kernels.count_pieces(at, begins, spans), np.int64)
        n = kernels.ends(at, kind, begins, group, spans, CLASSES.bits, key)
        self.frames["ends_by_class"].append(_unpacked_ends(_cells(key[:n]), cut))

        most = 2 * borders.size * (starts.size - 1)
        key, before, after = (np.empty(most, np.int64) for _ in range(3))
        n = kernels.hot(
            at, kind, begins, borders, cut.hot_blocks, window, TOUCHES.bits, LAGS.bits, key, before, after
        )
        cells = _cells(key[:n], sum_before=before[:n], sum_after=after[:n])
        self.frames["hot"].append(_unpacked_hot(cells))

        kernels.reuse(
            at, kind, begins, group, self.edges, LAGS.bits, clock.observed, cut.start, clock.period, self.pairs,
            self.chances, self.by_group, self.group_chances,
        )  # fmt: skip
        kernels.over_time(at, kind, begins, block, starts, cut.start, cut.bin_blocks, self.time)
        per_slot = self._per_slot(kind, begins, group, category, labels)
        self.frames["slots"].append(per_slot)
        # Touches per contract, to be added up over parts.
        touched = _touches(kind, begins)
        self.contracts.append(
            pl.DataFrame({"contract_id": contract, "group": of_contract, "touches": touched, "sum_slots": touched > 0})
        )  # fmt: skip

    def _per_slot(
        self, kind: np.ndarray, begins: np.ndarray, group: np.ndarray, category: np.ndarray, labels: Any
    ) -> pl.DataFrame:
        wrote = _per_run(kind == kernels.WRITE, begins)
        return (
            pl.DataFrame(
                {"group": group, "code": category, "touches": _touches(kind, begins), "sum_written": wrote}
            )
            .group_by("group", "code", "touches")
            .agg(pl.len().cast(pl.Int64).alias("rows"), pl.col("sum_written").sum())
            .join(labels, on="code", how="left")
        )

    def profile(self) -> Profile:
        """Return what was counted."""
        contracts = (
            _by_contract(self.contracts)
            .filter(pl.col("touches") > 0)
            .group_by("group", "touches")
            .agg(pl.len().alias("rows"), pl.col("sum_slots").sum())
        )
        if contracts.is_empty():
            raise InputError(f"profile: {self.stamp.describe()} hold no access; choose a wider window")
        period, accesses, lag = np.nonzero(self.chances)
        pairs = pl.DataFrame(
            {
                "lag": lag + 1,
                "period": period,
                "accesses": accesses,
                "sum_pairs": self.pairs[period, accesses, lag],
                "sum_chances": self.chances[period, accesses, lag],
            }
        )
        group, lag = np.nonzero(self.group_chances)
        by_group = pl.DataFrame(
            {
                "lag": lag + 1,
                "group": group,
                "sum_pairs": self.by_group[group, lag],
                "sum_chances": self.group_chances[group, lag],
            }
        )
        used = np.flatnonzero(self.time[:, 0])
        time = pl.DataFrame(
            {"bin": used, **dict(zip(list(TABLES["time"])[1:], self.time[used].T, strict=True))}
        )
        whole = {"contracts": [contracts], "pairs": [pairs], "pairs_by_group": [by_group], "time": [time]}
        frames: dict[str, Any] = {
            name: gathered(name, found) for name, found in {**self.frames, **whole}.items()
        }
        return Profile(self.stamp, self.cut, **frames)


class _Clock(NamedTuple):
    """Of each block: how many before it were observed, and which period it is in."""

    observed: np.ndarray
    period: np.ndarray

    @classmethod
    def of(cls, blocks: pl.DataFrame, cut: Plan) -> _Clock:
        observed = np.concatenate([[0], np.cumsum(blocks["observed"].to_numpy())]).astype(np.int64)
        period = np.searchsorted(cut.periods, np.arange(cut.start, cut.stop), "right") - 1
        return cls(observed, period.astype(np.uint16))


def _by_contract(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Add up the touches of each contract, and its slots that are touched."""
    schema = {"contract_id": pl.UInt32, "group": pl.Int64, "touches": pl.Int64, "sum_slots": pl.Int64}
    rows = pl.concat([pl.DataFrame(schema=schema), *(one.cast(pl.Schema(schema)) for one in frames)])
    return rows.group_by("contract_id", "group").agg(pl.col("touches", "sum_slots").sum())


def _groups(first: pl.Series, second: pl.Series | None = None) -> np.ndarray:
    """Return a group from 0 to 63 of each row, from the bytes of one or two columns alone.

    The last eight bytes go through the finaliser of splitmix64 (Steele, Lea and Flood 2014,
    https://doi.org/10.1145/2660193.2660195), which spreads neighbours over all groups.
    """
    state = np.zeros(len(first), np.uint64)
    for column in (first, second):
        if column is None:
            continue
        for offset in (8, 16):
            state = _mixed(state + np.uint64(0x9E3779B97F4A7C15) ^ _word(column, offset))
    return (state >> np.uint64(58)).astype(np.int64)


def _word(column: pl.Series, offset: int) -> np.ndarray:
    """Return eight bytes of each value, `offset` from its end, as uint64."""
    values = column.to_list()
    size = len(values[0]) if values else 0
    joined = np.frombuffer(b"".join(values), np.uint8)
    table = joined.reshape(len(column), size) if len(column) else np.zeros((0, 20), np.uint8)
    end = table.shape[1] - offset
    return np.ascontiguousarray(table[:, end : end + 8]).view(">u8").ravel().astype(np.uint64)


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _categories(slots: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """Return the pairs of contract type and slot type with a code each, and the code of each slot."""
    names = ["contract_type", "slot_type"]
    labels = slots.select(names).unique().sort(names).with_row_index("code").cast({"code": pl.Int64})
    if labels.height > MOST_CATEGORIES:
        raise InputError(
            f"profile: {labels.height} pairs of contract_type and slot_type; types are classes, "
            f"at most {MOST_CATEGORIES} pairs of them: join the rare ones"
        )
    codes = slots.select(names).join(labels, on=names, how="left", nulls_equal=True, maintain_order="left")
    return labels, codes["code"].to_numpy()


def _batches(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield ranges of slots with about `ROWS_PER_BATCH` rows or slots each."""
    weight = starts - starts[0] + np.arange(starts.size)
    low = 0
    while low < starts.size - 1:
        high = int(np.searchsorted(weight, weight[low] + 2 * ROWS_PER_BATCH, "right")) - 1
        high = max(low + 1, min(high, starts.size - 1))
        yield low, high
        low = high


def _per_run(flags: np.ndarray, begins: np.ndarray) -> np.ndarray:
    total = np.append(0, np.cumsum(flags))
    return total[begins[1:]] - total[begins[:-1]]


def _touches(kind: np.ndarray, begins: np.ndarray) -> np.ndarray:
    return _per_run(kind != kernels.CREATED, begins)


def _cells(key: np.ndarray, **values: np.ndarray) -> pl.DataFrame:
    """Count and sum by key."""
    return (
        pl.DataFrame({"key": key, **values})
        .group_by("key")
        .agg(pl.len().cast(pl.Int64).alias("rows"), pl.col(list(values)).sum())
    )


def _fields(cells: pl.DataFrame, widths: dict[str, int]) -> pl.DataFrame:
    """Take packed keys apart; `widths` in bits, from the top."""
    key, columns = cells["key"].to_numpy(), {}
    for name in reversed(list(widths)):
        columns[name] = key & ((1 << widths[name]) - 1)
        key = key >> widths[name]
    return pl.DataFrame({name: columns[name] for name in widths}).hstack(cells.drop("key"))


def _unpacked_pieces(cells: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    k = kernels
    widths = {
        "fold": k.FOLD,
        "start_fold": k.FOLD,
        "accesses": k.ACCESSES,
        "gap": k.OCTAVE,
        "pace": k.OCTAVE,
        "kind": k.KIND,
        "code": k.CATEGORY,
        "entry": k.GAP,
        "duration": k.GAP,
        "event": 1,
    }
    frame = _fields(cells, widths).with_columns(pl.col("event").cast(pl.Boolean))
    return frame.join(labels, on="code", how="left")


def _unpacked_groups(cells: pl.DataFrame) -> pl.DataFrame:
    k = kernels
    widths = {
        "fold": k.FOLD,
        "accesses": k.ACCESSES,
        "entry": k.GAP,
        "duration": k.GAP,
        "event": 1,
        "group": k.GROUP,
    }
    frame = _fields(cells, widths).with_columns(
        pl.col("event").cast(pl.Boolean), activity=activity(pl.col("accesses"))
    )
    return added("pieces_by_group", [frame])


def _unpacked_ends(cells: pl.DataFrame, cut: Plan) -> pl.DataFrame:
    k = kernels
    widths = {
        "span": k.FOLD,
        "accesses": k.ACCESSES,
        "gap": k.OCTAVE,
        "duration": k.GAP,
        "event": 1,
        "group": k.GROUP,
    }
    frame = _fields(cells, widths)
    fold = np.array([cut.fold_from(at) for at in cut.spans[:-1]])[frame["span"].to_numpy()]
    frame = frame.with_columns(pl.col("event").cast(pl.Boolean), fold=pl.Series(fold))
    return added("ends_by_class", [frame])


def _unpacked_hot(cells: pl.DataFrame) -> pl.DataFrame:
    k = kernels
    widths = {"border": 4, "near": 1, "before": k.GAP, "idle": k.GAP, "after": k.GAP}
    return _fields(cells, widths).cast(pl.Schema(TABLES["hot"]))
