"""Grouped rows of a profile: what models with weights are fitted on, and what every other statistic starts from."""

from __future__ import annotations

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.profile.classes import access_bounds, activity, octave_bounds
from rollstate.profile.grid import CLASSES, GAPS, LAGS
from rollstate.profile.tables import MERGED, Profile


def between(
    profile: Profile,
    start: int | None = None,
    stop: int | None = None,
    *,
    inside: bool = False,
    table: str = "pieces",
    where: pl.Expr | None = None,
) -> pl.DataFrame:
    """Return the pieces between two cuts: the spells as seen there, idle time carried over.

    Parameters
    ----------
    profile : Profile
    start, stop : int, optional
        Cuts of the plan; from its first to its last if not given.
    inside : bool
        Only spells that start between the cuts, as a trace of these blocks alone would show them.
    table : {"pieces", "sums", "pieces_by_group"}
        The last knows neither spells by their start nor classes.
    where : polars.Expr, optional
        Which pieces, by columns of the table.

    Returns
    -------
    polars.DataFrame
        The table's columns; ``entry`` and ``duration`` are bins. A spell that enters late is at risk in the bin of its
        end at least (in ``sums`` the bins stay); one that only goes on from fold to fold is not counted twice.

    Raises
    ------
    InputError
        If a block is no cut.
    """
    plan = profile.plan
    first = plan.fold_from(plan.start if start is None else start)
    last = plan.fold_from(plan.stop if stop is None else stop)
    rows = profile.table(table).filter(pl.col("fold").is_between(first, last, closed="left"))
    if inside:
        rows = rows.filter(pl.col("start_fold") >= first)
    if where is not None:
        for column in where.meta.root_names():
            profile.require(table, column)
        rows = rows.filter(where)
    if table == "sums":
        return rows
    late = (pl.col("fold") == first) & (pl.col("entry") == pl.col("duration"))
    return rows.with_columns(entry=pl.when(late).then(pl.col("duration") - 1).otherwise("entry"))


def ended(profile: Profile, start: int | None = None, stop: int | None = None) -> pl.DataFrame:
    """Return the ends of spells between two borders by class and group, and what had been waited there before.

    Parameters
    ----------
    profile : Profile
    start, stop : int, optional
        Borders of the plan; from its first block to its last if not given.

    Returns
    -------
    polars.DataFrame
        ``event``, ``fold`` (the first of those between the two borders that it ended between, or before whose second
        it was open), ``accesses``, ``gap``, ``duration`` (bin of `rollstate.profile.grid.CLASSES`), ``group``,
        ``rows``,
        ``mean`` (idle time in blocks of all spells of the bin that ended there, or were open there, exact). A
        spell that was open at `start` has a row of its idle time there with ``rows`` below zero: a function of the idle
        time that is summed with them is what accrued between the borders.

    Raises
    ------
    InputError
        If a block is no border.
    """
    plan, spans = profile.plan, profile.plan.spans
    for block in (start, stop):
        if block is not None and block not in spans:
            raise InputError(f"profile: block {block} is no border of the profile; choose one of {spans}")
    folds = np.array([plan.fold_from(at) for at in spans])
    table = profile.ends_by_class.join(
        _means(profile), on=["event", "fold", "duration"], how="left", maintain_order="left"
    )
    first = 0 if start is None else spans.index(start)
    last = len(spans) - 1 if stop is None else spans.index(stop)

    def still_open(border: int) -> pl.DataFrame:
        return table.filter(pl.col("fold") == (folds[border - 1] if border else -1), ~pl.col("event"))

    events = table.filter("event", pl.col("fold").is_between(folds[first], folds[last], closed="left"))
    return pl.concat([events, still_open(last), still_open(first).with_columns(rows=-pl.col("rows"))])


def shares(profile: Profile, pieces: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return how ends of spells part by a column that groups are not counted by.

    Parameters
    ----------
    profile : Profile
    pieces : polars.DataFrame
        All pieces of the profile, with the column.
    column : str
        What a spell was known by when it started.

    Returns
    -------
    polars.DataFrame
        The columns of a cell of ``ends_by_class`` that the pieces know too, without the group; `column`; ``share`` (of
        all spells of the cell, adding up to one).
    """
    known = [name for name in ("accesses", "gap") if profile.tells("pieces", name)]
    cell = ["event", "fold", *known, "duration"]
    counted = _cells_of_ends(profile, pieces).group_by(*cell, column).agg(pl.col("rows").sum())
    return counted.sort(*cell, column).select(
        *cell, column, share=pl.col("rows") / pl.col("rows").sum().over(cell)
    )


def parted_by(ends: pl.DataFrame, part: pl.DataFrame) -> pl.DataFrame:
    """Part `ended` in the same `shares` in every group: ``rows`` add up to what they were, no longer whole numbers."""
    cell = [name for name in part.columns if name in ends.columns]
    joined = ends.join(part, on=cell, how="left", maintain_order="left")
    return joined.with_columns(rows=pl.col("rows") * pl.col("share")).drop("share")


def _means(profile: Profile) -> pl.DataFrame:
    """Return the mean idle time of the bins of ``ends_by_class``: ``event``, ``fold``, ``duration``, ``mean``.

    Over all classes and groups, from the exact totals of ``sums``.
    """
    sums = _cells_of_ends(profile, profile.sums)
    return sums.group_by("event", "fold", "duration").agg(
        mean=pl.col("sum_duration").sum() / pl.col("rows").sum()
    )


def _cells_of_ends(profile: Profile, pieces: pl.DataFrame) -> pl.DataFrame:
    """Return the pieces that ``ends_by_class`` counts, with its ``fold`` and ``duration``.

    They are what ended between two borders, and what was open in the last fold before the second.
    """
    folds = np.array([profile.plan.fold_from(at) for at in profile.plan.spans])
    fold, bins = pieces["fold"].to_numpy(), GAPS.low(pieces["duration"].to_numpy())
    span = np.searchsorted(folds, fold, "right") - 1
    return pieces.with_columns(
        fold=pl.Series(folds[span]).cast(pl.UInt8),
        duration=pl.Series(CLASSES.index(bins)).cast(pl.UInt16),
    ).filter(pl.col("event") | pl.Series(fold == folds[span + 1] - 1))


def regression_rows(profile: Profile, start: int | None = None, stop: int | None = None) -> pl.DataFrame:
    """Return grouped spells with numbers in the place of bins and classes, for models that take weights.

    Returns
    -------
    polars.DataFrame
        ``entry``, ``duration`` (middle of the bin, in blocks, ``entry`` < ``duration``), ``event``, ``weight`` (spells
        alike), ``log_accesses`` (log of 1 + the geometric middle of the class), ``log_gap`` and ``log_pace`` (log of
        the middle of the octave, 0 if none), ``has_gap``, ``wrote``, ``contract_type``, ``slot_type``. A piece that
        goes on within a bin and ends there is taken as at risk in that bin; one that does not end is left out.
    """
    for column in ("gap", "pace", "kind", "accesses"):
        profile.require("pieces", column)
    pieces = between(profile, start, stop)
    same = (pl.col("entry") == pl.col("duration")).alias("same")
    pieces = pieces.filter(~same | pl.col("event")).with_columns(
        entry=pl.when(same).then(pl.col("duration") - 1).otherwise("entry")
    )
    low, high = access_bounds(pieces["accesses"].to_numpy())
    return pl.DataFrame(
        {
            "entry": np.where(pieces["entry"] == 0, 0.0, GAPS.middle(pieces["entry"].to_numpy())),
            "duration": GAPS.middle(pieces["duration"].to_numpy()),
            "event": pieces["event"],
            "weight": pieces["rows"],
            "log_accesses": np.log1p(np.sqrt(low * high)),
            "log_gap": _log_octave(pieces["gap"].to_numpy()),
            "log_pace": _log_octave(pieces["pace"].to_numpy()),
            "has_gap": pieces["gap"] > 0,
            "wrote": pieces["kind"] == 1,
            "contract_type": pieces["contract_type"],
            "slot_type": pieces["slot_type"],
        }
    )


def _log_octave(index: np.ndarray) -> np.ndarray:
    low, high = octave_bounds(index)
    return np.where(index > 0, np.log(np.maximum((low + high) / 2, 1)), 0.0)


def whole_spells(profile: Profile, *, by_group: bool = False) -> pl.DataFrame:
    """Return the spells of the whole window, their pieces put together again.

    A piece that ends at a cut without an access goes on behind it, in the same group and class and at the same idle
    time; the two cancel, and what is left are spells from their start.

    Parameters
    ----------
    profile : Profile
    by_group : bool
        On the coarser grid of ``pieces_by_group``, for intervals.

    Returns
    -------
    polars.DataFrame
        ``group`` (0 without groups), ``activity`` (0 first, 1 few, 2 many, `MERGED` where the profile does not tell),
        ``duration`` (middle of the bin, whole blocks), ``event``, ``count``, in that order.
    """
    if by_group:
        rows, grid = profile.pieces_by_group, LAGS
    else:
        told = profile.tells("pieces", "accesses")
        classes = activity(pl.col("accesses")).cast(pl.UInt8) if told else pl.lit(MERGED, pl.UInt8)
        rows, grid = profile.pieces.with_columns(activity=classes, group=pl.lit(0, pl.UInt8)), GAPS
    cell = ["group", "activity", "duration", "event"]
    ended = rows.group_by(cell).agg(pl.col("rows").sum())
    resumed = rows.filter(pl.col("entry") > 0).select(
        "group", "activity", pl.col("entry").alias("duration"), event=pl.lit(False), rows=-pl.col("rows")
    )
    whole = (
        pl.concat([ended, resumed])
        .group_by(cell)
        .agg(pl.col("rows").sum().alias("count"))
        .filter(pl.col("count") > 0)
        .sort(cell)
    )
    middle = grid.middle(whole["duration"].to_numpy()).astype(np.int64)
    return whole.with_columns(pl.Series("duration", middle))


def risk(rows: pl.DataFrame, by: str | None = None, groups: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Count events and spells at risk per bin of gap time.

    Parameters
    ----------
    rows : polars.DataFrame
        As `between` returns them.
    by : str, optional
        Column with codes from 0 to ``groups - 1``.

    Returns
    -------
    events, at_risk : array of int64, shape (groups, bins)
    """
    entry, duration = (rows[name].to_numpy().astype(np.int64) for name in ("entry", "duration"))
    weight = rows["rows"].to_numpy()
    code = np.zeros(len(rows), np.int64) if by is None else rows[by].to_numpy().astype(np.int64)
    bins = int(duration.max(initial=0)) + 2
    event = rows["event"].to_numpy()

    def counted(at: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        flat = np.bincount(code[chosen] * bins + at[chosen], weight[chosen], groups * bins)
        return np.round(flat).astype(np.int64).reshape(groups, bins)

    events = counted(duration, event)
    # At risk in a bin: entered in an earlier one, not ended in an earlier one.
    entered, ended = counted(entry), counted(duration)
    at_risk = np.cumsum(entered, axis=1) - entered - (np.cumsum(ended, axis=1) - ended)
    return events, at_risk


def upper(bins: int, *, coarse: bool = False) -> np.ndarray:
    """Return the greatest gap of each bin, int64; `coarse` for the grid of ``pieces_by_group``."""
    return (LAGS if coarse else GAPS).high(np.arange(bins))
