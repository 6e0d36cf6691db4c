"""All that is wrong with a trace, or with the files it is to be made of, in one reading and in bounded memory.

A finding names the file and the row as the file numbers it. Reading goes on behind each defect, so that one reading
finds them all; of each file `MOST` are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import import_ranges, import_stamp, importing, rules, store, stray_blocks, tables
from rollstate.traces.formats.rows import Options, Source, Unit
from rollstate.traces.schema import Capability

MOST = 20
HOLDER_SHARE = 0.9
"""Share of keys that look like addresses from which on keys that are called slots are doubtful."""
_LEVELS = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing to know: an ``error`` makes the trace unusable, a ``warning`` doubtful; a ``note`` is said."""

    level: str
    text: str


@dataclass
class Report:
    """What a check found.

    Attributes
    ----------
    format : str
        ``"trace"``, or the format of the files.
    capability : Capability or None
        The stamp, or the one that an import would write; None where it cannot be told.
    counts : dict of str to int
        Rows, reads, writes, blocks, and for a trace slots and contracts.
    findings : list of Finding
        In the order of the files.
    """

    format: str
    capability: Capability | None = None
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """Whether there is no error."""
        return all(finding.level != "error" for finding in self.findings)

    def add(self, level: str, text: str) -> None:
        """Add a finding to the report."""
        self.findings.append(Finding(level, text))


@dataclass
class _Seen:
    """What the rows of all files hold."""

    total: Counter[str] = field(default_factory=Counter)
    blocks: list[pl.Series] = field(default_factory=list)

    def take(self, rows: pl.DataFrame) -> None:
        found = import_ranges.facts(rows)
        self.total.update({name: found[name] for name in found if name not in {"first", "last"}})
        self.blocks.append(rows["block_number"].drop_nulls().unique())
        if len(self.blocks) > 64:
            self.blocks = [pl.concat(self.blocks).unique()]

    def numbers(self) -> pl.Series:
        """Return the blocks that have touches, ascending."""
        return pl.concat([pl.Series([], dtype=pl.Int64), *self.blocks]).unique().sort()


def check(sources: Sequence[str], options: Options | None = None) -> Report:
    """Return what is wrong with a trace folder, or with files that a trace is to be made of.

    Parameters
    ----------
    sources : sequence of str
        One trace folder, or what `rollstate.traces.importing.import_trace` takes.
    options : Options, optional
        As for an import.
    """
    if len(sources) == 1 and _is_trace(Path(sources[0])):
        return _check_trace(Path(sources[0]))
    return _check_files(sources, options or Options())


def _is_trace(folder: Path) -> bool:
    return (folder / store.CAPABILITY_FILE).exists() or (folder / "accesses").is_dir()


def _check_trace(folder: Path) -> Report:
    report = Report("trace")
    try:
        stamp = report.capability = store.read_capability(folder)
        parts = store.count_parts(folder)
    except InputError as error:
        report.add("error", str(error))
        return report
    frames = {name: _frame(folder / f"{name}.parquet", name, report) for name in ("slots", "blocks")}
    blocks, slots = frames["blocks"], frames["slots"]
    unseen = pl.Series([], dtype=pl.Int64)
    if blocks is not None:
        if said := rules.of_blocks(blocks, stamp):
            report.add("error", f"blocks.parquet: {said}")
        _rows(blocks, "blocks.parquet", rules.block_rules(stamp), report)
        unseen = blocks.filter(~pl.col("observed"))["block_number"]
    if slots is not None:
        _rows(
            slots,
            "slots.parquet",
            [*rules.slot_rules(stamp), *rules.key_rules(in_order=rules.keys_ascend(slots))],
            report,
        )
    if stamp.account_changes:
        accounts = _frame(folder / store.ACCOUNTS_FILE, "accounts", report)
        if accounts is not None:
            _rows(accounts, store.ACCOUNTS_FILE, rules.account_rules(stamp), report)
            if said := rules.of_accounts(accounts, stamp):
                report.add("error", f"{store.ACCOUNTS_FILE}: {said}")
    seen, n_slots = _Seen(), 0 if slots is None else slots.height
    for part in range(parts):
        name = f"accesses/part-{part:05d}.parquet"
        accesses = _frame(folder / name, "accesses", report)
        if accesses is None:
            continue
        _rows(accesses, name, rules.access_rules(stamp, n_slots, unseen), report)
        if said := rules.order_of_accesses(accesses):
            report.add("error", f"{name}: {said}")
        if accesses.filter(pl.col("slot_id") % parts != part).height:
            report.add("error", f"{name}: holds slots of another part; slot_id modulo {parts} must be {part}")
        seen.take(accesses)
    report.counts = _counts(seen)
    if slots is not None:
        report.counts |= {"slots": slots.height, "contracts": slots["contract_id"].n_unique()}
        _doubt_keys(slots["slot"], stamp, report)
    _contradictions(stamp, seen, report)
    return report


def _frame(path: Path, name: str, report: Report) -> pl.DataFrame | None:
    """Return a frame of a trace in its schema, None if it has not; an earlier version wrote no column ``observed``."""
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        report.add("error", f"{path.name} cannot be read: {str(error)[:200]}")
        return None
    if name == "blocks" and "observed" not in frame.columns:
        frame = frame.with_columns(observed=pl.lit(True))
    if said := rules.shape(name, frame):
        report.add("error", f"{path.name}: {said}")
        return None
    return frame


def _rows(frame: pl.DataFrame, name: str, wanted: list[rules.Rule], report: Report) -> None:
    for said, count, row in rules.broken(frame, wanted):
        at = row.pop("row")
        report.add("error", f"{name}: {said}; {count:,} rows do not, the first is row {at}: {row}")


def _check_files(sources: Sequence[str], options: Options) -> Report:
    report = Report("files")
    try:
        source = importing.recognise(sources, options)
    except InputError as error:
        report.add("error", str(error))
        return report
    report.format = source.format
    seen = _Seen()
    for unit in source.units:
        for rows in _readable(unit, report):
            seen.take(rows)
    report.counts = _counts(seen)
    stamp = report.capability = _stamp(source, options, seen, report)
    for note in source.notes:
        report.add("note", note)
    if stamp:
        _contradictions(stamp, seen, report)
    return report


def _readable(unit: Unit, report: Report) -> Iterator[pl.DataFrame]:
    """Yield the rows of a unit that can be read, and report the others."""
    told = 0

    def on_bad(error: InputError) -> None:
        nonlocal told
        if told == MOST:
            raise InputError(f"{unit.name} has more than {MOST} defects; the rest of it is not read")
        told += 1
        report.add("error", str(error))

    try:
        for _, batch in unit.batches(lambda number: False, on_bad):
            yield batch.rows
    except InputError as error:
        report.add("error", str(error))


def _stamp(source: Source, options: Options, seen: _Seen, report: Report) -> Capability | None:
    """Return the stamp beside a table, or the one that an import would write."""
    numbers = seen.numbers()
    try:
        path = Path(source.units[0].name)
        if source.format == "table" and len(source.units) == 1 and (given := tables.read_stamp(path)):
            return given
        if not len(numbers) and not source.span:
            report.add("error", f"{source.units[0].name} holds no rows that can be read")
            return None
        start, stop = options.blocks or source.span or (int(numbers[0]), int(numbers[-1]) + 1)
        return import_stamp.stamp_of(source, options, [dict(seen.total)], start, stop)
    except InputError as error:
        report.add("error", str(error))
        return None


def _counts(seen: _Seen) -> dict[str, int]:
    return {
        "rows": seen.total["rows"],
        "writes": seen.total["writes"],
        "reads": seen.total["reads"],
        "blocks with a touch": len(seen.numbers()),
    }


def _contradictions(stamp: Capability, seen: _Seen, report: Report) -> None:
    """Report what the stamp says and the rows do not."""
    total, numbers = seen.total, seen.numbers()
    without = total["writes_without_tx"] + total["reads_without_tx"]
    if stamp.tx_level == "all" and without:
        share = without / max(total["rows"], 1)
        report.add(
            "error" if share == 1 else "warning",
            f"the stamp says tx_level all, {without:,} rows ({share:.1%}) have no transaction index: they count as "
            "outside of transactions; if they are not, say tx_level none, or writes",
        )
    if stamp.tx_level == "writes" and total["writes"] and total["writes_without_tx"] == total["writes"]:
        report.add("error", "the stamp says tx_level writes, no write has a transaction index")
    if stamp.tx_level == "none" and without < total["rows"]:
        report.add(
            "error",
            f"the stamp says tx_level none, {total['rows'] - without:,} rows have a transaction index",
        )
    if stamp.observes_reads and not total["reads"] and total["rows"]:
        report.add("warning", "the stamp says that the source sees reads, there is none")
    if not stamp.observes_reads and total["reads"]:
        report.add("error", f"the stamp says that the source sees no reads, there are {total['reads']:,}")
    if stamp.observes_all_writes and not total["writes"] and total["rows"]:
        report.add("warning", "the stamp says that the source sees every write, there is none")
    outside = numbers.filter((numbers < stamp.window_start) | (numbers >= stamp.window_stop))
    if len(outside):
        report.add(
            "error",
            f"{len(outside):,} blocks with touches, the first is {outside[0]}, lie outside of the window "
            f"[{stamp.window_start}, {stamp.window_stop}) of the stamp",
        )
    if far := stray_blocks.describe(numbers):
        report.add("error", f"{far}: are these rows of this chain?")
    if len(numbers) and stamp.n_blocks > 1000 * len(numbers):
        report.add("warning", f"only {len(numbers):,} of {stamp.n_blocks:,} blocks have a touch")
    if not stamp.account_changes:
        report.add(
            "note",
            "changes of balances, nonces and code are not seen: conflicts of transactions are those of storage",
        )
    if stamp.chain_id is None:
        report.add("note", "the chain is not known")


def _doubt_keys(keys: pl.Series, stamp: Capability, report: Report) -> None:
    """Warn of keys called slots that look like padded addresses."""
    if stamp.key_form != "slot" or not len(keys):
        return
    text = keys.bin.encode("hex")
    # Slots of fixed variables are small numbers, hashed ones have no zeros in front.
    padded = text.str.starts_with("0" * 24) & ~text.str.starts_with("0" * 40)
    share = float(padded.mean() or 0.0)  # type: ignore[arg-type]
    if share > HOLDER_SHARE:
        report.add(
            "warning",
            f"{share:.0%} of the keys look like addresses, not like storage slots: should key_form be holder?",
        )


def levels(report: Report) -> dict[str, list[str]]:
    """Return the findings by level, the gravest first."""
    out: dict[str, Any] = {level: [f.text for f in report.findings if f.level == level] for level in _LEVELS}
    return {level: texts for level, texts in out.items() if texts}
