"""Storage differences and reads of cryo and Xatu: two tables from which writes and reads follow together.

The *diffs* table has the value of a slot before and after, the *reads* table the value of every slot that a transaction
found, the ones it wrote included. So a slot whose first value differs from its last one is written, and any other that
appears in either table is read: the convention of EIP-7928 and of `rollstate.traces.prestate`.

cryo
    ``storage_diffs`` or ``geth_storage_diffs`` (``block_number, transaction_index, transaction_hash, address, slot,
    from_value, to_value, chain_id``) and ``storage_reads`` (``contract_address`` and ``value`` in their place), binary
    or text; files ``<network>__<table>__<first>_to_<last>``, both ends included.
    https://github.com/paradigmxyz/cryo
Xatu
    ``canonical_execution_storage_diffs`` and ``_reads``, hexadecimal text, with ``internal_index``,
    ``meta_network_name`` and ``updated_date_time``: a row with a later date replaces an earlier one of the same block,
    transaction and internal index. Files ``1000/<first>.parquet`` hold a thousand blocks.
    `<https://ethpandaops.io/data/xatu/schema/canonical_execution_/>`__
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import polars as pl

from rollstate.errors import InputError
from rollstate.traces.formats import columns, files
from rollstate.traces.formats.columns import OnBad, Place
from rollstate.traces.formats.files import Table
from rollstate.traces.formats.rows import DIFFS_SCHEMA, VERSIONED_SCHEMA, Batch, Options, Source, Unit

NETWORKS = {"mainnet": 1, "holesky": 17000, "sepolia": 11155111, "hoodi": 560048}
"""Chain ids of the networks that Xatu names."""
DIFFS = ("block_number", "transaction_index", "address", "slot", "from_value", "to_value")
READS = ("block_number", "transaction_index", "contract_address", "slot", "value")
VERSIONED = ("transaction_hash", "internal_index", "updated_date_time", "meta_network_name")
_CRYO_SPAN = re.compile(r"__(\d+)_to_(\d+)\.")
_XATU_SPAN = re.compile(r"(?:^|/)1000/(\d+)\.parquet$")


def kind(table: Table) -> str | None:
    """Return ``"diffs"`` or ``"reads"``; None for a table of another format."""
    have = set(table.columns)
    if have >= set(DIFFS):
        return "diffs"
    return "reads" if have >= set(READS) else None


def is_versioned(table: Table) -> bool:
    """Say whether a table is one of Xatu's."""
    return {"updated_date_time", "internal_index"} <= set(table.columns)


def source(tables: Sequence[Table], options: Options) -> Source:
    """Return the source that some tables of one of the two tools make.

    Raises
    ------
    InputError
        If tables of both tools are mixed, several chains are, or files in between are missing.
    """
    versioned = {is_versioned(table) for table in tables}
    if len(versioned) > 1:
        raise InputError("tables of cryo and of Xatu are mixed; import those of one tool at a time")
    xatu = versioned.pop()
    kinds = {table.path: kind(table) for table in tables}
    spans = {
        which: _covered([table.path for table in tables if kinds[table.path] == which], xatu)
        for which in ("diffs", "reads")
        if which in kinds.values()
    }
    known = {span for span in spans.values() if span}
    if len(known) > 1 and options.blocks is None:
        said = ", ".join(
            f"{which} cover blocks [{a}, {b})" for which, span in spans.items() if span for a, b in [span]
        )
        raise InputError(f"{said}: give the same blocks of both, or choose a window with --blocks A:B")
    notes = []
    if "reads" not in spans:
        notes.append("There is no table of reads: slots that were only read are not in the trace.")
    if "diffs" not in spans:
        notes.append(
            "There is no table of diffs: every touch counts as a read, and which ones were writes is not known."
        )
    return Source(
        format="xatu" if xatu else "cryo",
        schema=VERSIONED_SCHEMA if xatu else DIFFS_SCHEMA,
        units=tuple(_unit(table, kinds[table.path] or "", xatu) for table in tables),
        observes_reads="reads" in spans,
        observes_all_writes="diffs" in spans,
        tx_level="all",
        chain_id=_chain(tables, xatu),
        span=next(iter(known), None) if len(known) == 1 and all(spans.values()) else None,
        notes=tuple(notes),
    )


def _covered(paths: Sequence[str], xatu: bool) -> tuple[int, int] | None:
    """Return the half-open window that the names of some files promise, None if any name does not say."""
    spans = []
    for path in paths:
        if match := _CRYO_SPAN.search(path):
            spans.append((int(match[1]), int(match[2]) + 1))
        elif xatu and (match := _XATU_SPAN.search(path)):
            spans.append((int(match[1]), int(match[1]) + 1000))
        else:
            return None
    spans.sort()
    for (_, stop), (start, _) in pairwise(spans):
        if start > stop:
            raise InputError(
                f"no file holds blocks {stop} to {start - 1}; add it, or import each run of blocks by itself"
            )
    return spans[0][0], max(stop for _, stop in spans)


def _chain(tables: Sequence[Table], xatu: bool) -> int | None:
    """Return the one chain of all tables, None if none says it."""
    name = "meta_network_name" if xatu else "chain_id"
    found: dict[str, str] = {}
    for table in tables:
        if name in table.columns:
            for _, _, frame in table.batches([name]):
                found |= dict.fromkeys(map(str, frame[name].drop_nulls().unique().to_list()), table.path)
    if len(found) > 1:
        raise InputError(
            f"the tables are of several chains ({', '.join(sorted(found))}); import one at a time"
        )
    for value, path in found.items():
        if xatu:
            return NETWORKS.get(value)
        number = columns.integers(pl.Series([value]), "chain_id", Place(path))
        return int(number[0])
    return None


def _unit(table: Table, which: str, xatu: bool) -> Unit:
    wanted = list(DIFFS if which == "diffs" else READS)
    wanted += [name for name in VERSIONED if xatu and name in table.columns]

    def read(frame: pl.DataFrame, place: Place) -> Batch:
        return Batch(_rows(frame, which, place, xatu))

    def batches(needless: Callable[[int], bool], on_bad: OnBad | None = None) -> Iterator[tuple[int, Batch]]:
        for number, place, frame in table.batches(wanted, needless):
            yield number, columns.convert(frame, place, read, on_bad)

    return Unit(table.path, files.size(table.path), batches)


def _rows(frame: pl.DataFrame, which: str, place: Place, xatu: bool) -> pl.DataFrame:
    diffs = which == "diffs"
    name = "address" if diffs else "contract_address"
    nothing = pl.repeat(None, frame.height, dtype=pl.Binary, eager=True)
    out = {
        "block_number": columns.integers(frame["block_number"], "block_number", place),
        "tx_index": columns.integers(
            frame["transaction_index"], "transaction_index", place, pl.Int32, empty=True
        ),
        "address": columns.addresses(frame[name], name, place),
        "slot": _word(frame, "slot", place),
        "is_write": pl.repeat(diffs, frame.height, dtype=pl.Boolean, eager=True),
        "place": pl.int_range(place.first, place.first + frame.height, eager=True),
        "before": _word(frame, "from_value", place) if diffs else nothing,
        "after": _word(frame, "to_value", place) if diffs else nothing,
    }
    if xatu:
        out["place"] = columns.integers(frame["internal_index"], "internal_index", place)
        out["version"] = _moment(frame["updated_date_time"], place)
        by = "transaction_hash" if "transaction_hash" in frame.columns else "transaction_index"
        # Only compared with that of the same block.
        out["tx_hash"] = frame[by].hash()
    return pl.DataFrame(out, VERSIONED_SCHEMA if xatu else DIFFS_SCHEMA)


def _word(frame: pl.DataFrame, name: str, place: Place) -> pl.Series:
    values = frame[name]
    if values.dtype.is_integer() or columns.spelling(values, place).base(name, place.path) == 10:
        raise InputError(f"{place.path}: {name} must be 32 bytes or hexadecimal with 0x, not decimal numbers")
    return columns.words(values, name, place)


def _moment(values: pl.Series, place: Place) -> pl.Series:
    """Return a date and time as a number that grows with it."""
    if values.dtype == pl.String:
        numbers = values.cast(pl.Int64, strict=False)
        if not numbers.null_count():
            return numbers
        values = values.str.to_datetime(strict=False, time_unit="us")
        if values.null_count():
            raise InputError(f"{place.path}: updated_date_time must be a date and time or seconds")
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.epoch("us")
    return columns.integers(values, "updated_date_time", place)
