"""Files of the usual tools made a trace: the format recognised, the stamp derived, what could not be seen said.

===================  =====================================================================================
cryo, Xatu           `rollstate.traces.formats.state_diffs`
EIP-7928             `rollstate.traces.formats.access_lists`: RLP of both layouts, JSON of two spellings
prestate answers     `rollstate.traces.formats.tracer_answers`
ethereum-etl         `rollstate.traces.formats.ethereum_etl`
any other table      `rollstate.traces.formats.table`
===================  =====================================================================================

`rollstate.traces.import_ranges` keeps memory bounded, and what is finished when an import is cut off.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from tqdm import tqdm

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces import endpoint_errors, import_ranges, import_stamp, rules, store, stray_blocks, tables
from rollstate.traces.formats import (
    access_lists,
    ethereum_etl,
    files,
    listing,
    state_diffs,
    table,
    tracer_answers,
)
from rollstate.traces.formats.rows import BLOCKS_INFO_SCHEMA, VERSIONED_SCHEMA, Options, Source
from rollstate.traces.import_ranges import Runs
from rollstate.traces.schema import BLOCKS_SCHEMA, Capability, Trace

_LISTS, _ANSWERS, _EMPTY = "block access lists", "tracer answers", "empty"
MOST_BLOCKS = 200_000_000
"""Longest window that is written; no chain has so many blocks in a file, and a wrong column soon has."""


@dataclass(frozen=True)
class Imported:
    """What an import made: the stamp, rows read, touches and slots written, and what could not be seen."""

    folder: Path
    format: str
    capability: Capability
    rows: int
    touches: int
    slots: int
    notes: tuple[str, ...]


def recognise(sources: Sequence[str], options: Options | None = None) -> Source:
    """Return the source that some files, folders and patterns make, by their content.

    Raises
    ------
    InputError
        If they are of no known format, or of several; says what was found and what is known.
    """
    options = options or Options()
    paths = listing.expand(sources)
    parsed = functools.lru_cache(maxsize=8)(_json)
    groups: dict[str, list[Any]] = {}
    for path in paths:
        kind, found = _kind(path, parsed, options)
        if kind:
            groups.setdefault(kind, []).append(found)
    # A block in which nothing happened looks the same as a list and as an answer.
    empty = groups.pop(_EMPTY, [])
    if empty and not groups:
        raise InputError(f"{empty[0]} is empty, as are all files: nothing tells what they are of")
    for kind in groups.keys() & {_LISTS, _ANSWERS}:
        groups[kind] += empty
    if not groups:
        raise InputError(
            f"{paths[0]} is of no format that can be imported: tables end in {', '.join(files.KINDS)} "
            f"({', '.join(files.PACKED)} after it), block access lists in .rlp or .json, tracer answers in .json"
        )
    if len(groups) > 1:
        said = "; ".join(f"{kind}: {_name(found[0])}" for kind, found in sorted(groups.items()))
        raise InputError(
            f"several formats at once ({said}); import each by itself: name its files, for example with a pattern"
        )
    ((kind, found),) = groups.items()
    make: dict[str, Callable[[], Source]] = {
        "state diffs": lambda: state_diffs.source(found, options),
        "ethereum-etl": lambda: ethereum_etl.source(found),
        "table": lambda: table.source(found, options),
        _LISTS: lambda: access_lists.source(found, parsed, options),
        _ANSWERS: lambda: tracer_answers.source(found, parsed, options),
    }
    return make[kind]()


def recognised_as(path: str) -> str | None:
    """Return the name of the format of one file, None if it is of none that is known."""
    return _kind(path, _json, Options())[0]


def _kind(path: str, parsed: Callable[[str], Any], options: Options) -> tuple[str | None, Any]:
    """Return the format of one file, and what its reader takes; None for a file that is no data."""
    if one := files.table(path):
        if options.columns:
            return "table", one
        if state_diffs.kind(one):
            return "state diffs", one
        return ("ethereum-etl" if ethereum_etl.kind(one) else "table"), one
    last = files.ending(path)[0]
    if last == ".rlp":
        return _LISTS, path
    if last != ".json":
        return None, path
    found = parsed(path)
    if isinstance(found, dict) and found.get("error") is not None:
        said = endpoint_errors.message(found["error"])[1]
        raise InputError(f"{path} is an endpoint's error, not an answer ({said[:120]}); ask for it again")
    if access_lists.is_json(found):
        return (_LISTS if access_lists.listed(found) else _EMPTY), path
    return (_ANSWERS if tracer_answers.answers(found) else None), path


def _name(found: Any) -> str:
    return found if isinstance(found, str) else found.path


def _json(path: str) -> Any:
    try:
        return json.loads(files.read_bytes(path))
    except (ValueError, RecursionError, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is no JSON ({error})") from error


def import_trace(
    sources: Sequence[str],
    out: Path,
    options: Options | None = None,
    *,
    overwrite: bool = False,
    progress: bool = False,
) -> Imported:
    """Make a trace of some files; run it again to go on where it was cut off.

    Parameters
    ----------
    sources : sequence of str
        Files, folders, patterns, or addresses that fsspec reads.
    out : Path
        Folder of the trace.
    options : Options, optional
        What the files do not say.
    overwrite : bool
        Replace a trace that is there; it stays whole until the new one is.
    progress : bool
        Show a bar.

    Raises
    ------
    InputError
        Naming the file, and the row as the file numbers it, that cannot be read; or what the reader has to say.
    StorageError
        If there is no room.
    """
    options = options or Options()
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; choose another folder, or say --overwrite to replace it")
    source = recognise(sources, options)
    work = out.parent / f".{out.name}.importing"
    runs = Runs(work / "runs", import_ranges.sort_columns(source.schema))
    _same_job(work, source, options)
    _read(source, runs, progress)
    if source.schema == VERSIONED_SCHEMA:
        shutil.rmtree(work / "newest", ignore_errors=True)
        runs = import_ranges.without_versions(runs, work / "newest")
    made = _write(source, options, runs, out, overwrite=overwrite, progress=progress)
    shutil.rmtree(work)
    return made


def read(sources: Sequence[str], options: Options | None = None) -> Trace:
    """Return a trace of some files, in memory; see `import_trace`."""
    with tempfile.TemporaryDirectory(prefix="rollstate-import-") as folder:
        import_trace(sources, Path(folder) / "trace", options)
        return store.read_trace(Path(folder) / "trace")


def _same_job(work: Path, source: Source, options: Options) -> None:
    """Refuse to go on with what was read of other files, or of these ones as they were before."""
    wanted = {
        "format": source.format,
        "options": asdict(options),
        "units": [[unit.name, unit.size, _changed(unit.name)] for unit in source.units],
        "version": __version__,
    }
    text = json.dumps(wanted, indent=1, sort_keys=True)
    path = work / "job.json"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{work} holds what was read of other files, or with other options; delete it to start anew"
        )
    path.write_text(text, encoding="utf-8")


def _changed(path: str) -> int:
    return 0 if listing.is_remote(path) else Path(path).stat().st_mtime_ns


def _read(source: Source, runs: Runs, progress: bool) -> None:
    total = sum(unit.size for unit in source.units)
    rows = 0
    with tqdm(total=total, unit="B", unit_scale=True, disable=not progress, desc="read") as bar:
        for at, unit in enumerate(source.units):
            done = runs.folder / f"{at:06d}.done"
            if not done.exists():

                def kept(number: int, at: int = at) -> bool:
                    return runs.has(f"{at:06d}-{number:06d}")

                for number, batch in unit.batches(kept):
                    runs.keep(f"{at:06d}-{number:06d}", batch)
                    rows += batch.rows.height
                    bar.set_postfix_str(f"{rows:,} rows")
                done.touch()
            bar.update(unit.size)


def _write(
    source: Source, options: Options, runs: Runs, out: Path, *, overwrite: bool, progress: bool
) -> Imported:
    found = [run.facts for run in runs.all()]
    rows = sum(one["rows"] for one in found)
    if not rows and not (source.span or options.blocks):
        raise InputError(f"{source.units[0].name} holds no rows")
    info = pl.concat([BLOCKS_INFO_SCHEMA.to_frame(), *runs.side("blocks")])
    given, given_blocks = _beside(source)
    if given and not options.blocks:
        start, stop = given.window_start, given.window_stop
        _require_inside(found, start, stop, "the stamp beside the table")
    else:
        start, stop = _window(source, options, runs, found)
    stamp = import_stamp.stamp_of(source, options, found, start, stop)
    if given:
        stamp = dataclasses.replace(given, window_start=start, window_stop=stop, unobserved_blocks=0)
    # Steps of the clock and lists may name a block twice: in two batches of one file.
    info = info.unique("block_number", keep="any").filter(_inside(start, stop))
    blocks = pl.DataFrame({"block_number": pl.int_range(start, stop, eager=True)}).join(
        info, on="block_number", how="left", maintain_order="left"
    )
    if options.seconds:
        blocks = blocks.with_columns(timestamp=pl.col("block_number") * options.seconds)
    if given_blocks is not None:
        blocks = blocks.select("block_number").join(
            given_blocks, on="block_number", how="left", maintain_order="left"
        )
    blocks = store.conform(blocks, BLOCKS_SCHEMA)
    unseen = blocks.filter(~pl.col("observed"))["block_number"]
    stamp = dataclasses.replace(stamp, unobserved_blocks=len(unseen))
    wanted = rules.access_rules(stamp, 1 << 32, unseen)
    counted = {"touches": 0, "slots": 0}

    def pieces() -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        found = import_ranges.chunks(runs, keep_reads=stamp.observes_reads, inside=_inside(start, stop))
        with tqdm(unit=" touches", unit_scale=True, disable=not progress, desc="write") as bar:
            for accesses, slots in found:
                for said, count, row in rules.broken(accesses, wanted):
                    raise InputError(
                        f"{source.units[0].name}: {said}, as the stamp has it; {count:,} rows do not: {row}"
                    )
                counted["touches"] += accesses.height
                counted["slots"] += slots.height
                bar.update(accesses.height)
                yield accesses, slots

    accounts = (rules.in_order(part.filter(_inside(start, stop))) for part in runs.side("accounts"))
    store.write_chunks(
        pieces(),
        blocks,
        stamp,
        out,
        parts=max(1, -(-rows // store.ROWS_PER_PART)),
        overwrite=overwrite,
        accounts=accounts if stamp.account_changes else None,
    )
    return Imported(
        out, source.format, stamp, rows, **counted, notes=import_stamp.notes(source, stamp, found)
    )


def _beside(source: Source) -> tuple[Capability | None, pl.DataFrame | None]:
    """Return the stamp that lies beside a single table, and what is known of its blocks."""
    if source.format != "table" or len(source.units) != 1 or listing.is_remote(source.units[0].name):
        return None, None
    path = Path(source.units[0].name)
    return tables.read_stamp(path), tables.read_blocks(path)


def _inside(start: int, stop: int) -> pl.Expr:
    return pl.col("block_number").is_between(start, stop, closed="left")


def _window(source: Source, options: Options, runs: Runs, found: list[dict[str, Any]]) -> tuple[int, int]:
    """Return the half-open window of the trace; a block far away from all others is refused."""
    if options.blocks:
        if source.span and not source.span[0] <= options.blocks[0] < options.blocks[1] <= source.span[1]:
            raise InputError(
                f"--blocks {options.blocks[0]}:{options.blocks[1]} is not a part of the blocks "
                f"[{source.span[0]}, {source.span[1]}) that the files hold"
            )
        return options.blocks
    firsts = [one["first"] for one in found if one["rows"]]
    lasts = [one["last"] for one in found if one["rows"]]
    if source.span:
        start, stop = source.span
        _require_inside(found, start, stop, "the names of the files")
        return start, stop
    start, stop = min(firsts), max(lasts) + 1
    if stop - start > MOST_BLOCKS // 100:
        _refuse_outliers(runs, start, stop)
    return start, stop


def _require_inside(found: list[dict[str, Any]], start: int, stop: int, who: str) -> None:
    ends = [one[end] for one in found if one["rows"] for end in ("first", "last")]
    outside = [block for block in ends if not start <= block < stop]
    if outside:
        raise InputError(f"block {outside[0]} is not one of [{start}, {stop}), as {who} would have it")


def _refuse_outliers(runs: Runs, start: int, stop: int) -> None:
    """Refuse a window that a few stray rows make long; asked only where it is long."""
    paths = [run.path for run in runs.all() if run.keys]
    seen = pl.scan_ipc(paths).select("block_number").unique().collect(engine="streaming")
    numbers = seen["block_number"].sort()
    hint = "; if this is what you mean, choose the window with --blocks A:B"
    if far := stray_blocks.describe(numbers):
        raise InputError(f"{far}{hint}")
    if stop - start > MOST_BLOCKS:
        raise InputError(
            f"the blocks span [{start}, {stop}), more than {MOST_BLOCKS}: is this column a time?{hint}"
        )
