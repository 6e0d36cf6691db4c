"""Logs and token transfers as ethereum-etl writes them: the surrogate for storage writes of `transfer_logs`.

``logs.csv``: ``log_index, transaction_hash, transaction_index, block_hash, block_number, address, data, topics`` with
the topics parted by commas. ``token_transfers.csv``: ``token_address, from_address, to_address, value,
transaction_hash, log_index, block_number``, without the index of the transaction and without the standard of the token.
Either lets one presume that balances were written, under pseudo slots that name the holder: some writes, no reads.

Source: https://ethereum-etl.readthedocs.io/en/latest/schema/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import transfer_logs
from rollstate.traces.formats import columns, files
from rollstate.traces.formats.columns import BadRowError, OnBad, Place
from rollstate.traces.formats.files import Table
from rollstate.traces.formats.rows import ROWS_SCHEMA, Batch, Source, Unit
from rollstate.traces.json_values import ResponseError, octets
from rollstate.traces.transfer_logs import Log

LOGS = ("log_index", "transaction_index", "block_number", "address", "data", "topics")
TRANSFERS = ("token_address", "from_address", "to_address", "log_index", "block_number")
_TOPIC_BYTES = 32


def kind(table: Table) -> str | None:
    """Return ``"logs"`` or ``"transfers"``; None for a table of another format."""
    have = set(table.columns)
    if have >= set(LOGS):
        return "logs"
    return "transfers" if have >= set(TRANSFERS) else None


def source(tables: Sequence[Table]) -> Source:
    """Return the source that tables of logs, or tables of token transfers, make.

    Raises
    ------
    InputError
        If both kinds are given: they are two accounts of the same transfers.
    """
    kinds = {kind(table) for table in tables}
    if len(kinds) > 1:
        raise InputError(
            "logs and token transfers are two accounts of the same transfers; import one of them"
        )
    logs = kinds == {"logs"}
    notes = [
        "Writes are presumed from token transfers, with the holder in the place of the slot; reads are not seen."
    ]
    if not logs:
        notes.append(
            "token_transfers has no transaction index, and no ERC-721 owners: its standard is not known."
        )
    return Source(
        format="ethereum_etl",
        schema=ROWS_SCHEMA,
        units=tuple(
            _unit(table, LOGS if logs else TRANSFERS, _logs if logs else _transfers) for table in tables
        ),
        observes_reads=False,
        observes_all_writes=False,
        tx_level="all" if logs else "none",
        key_form="holder",
        notes=tuple(notes),
    )


def _unit(table: Table, wanted: Sequence[str], read: Callable[[pl.DataFrame, Place], pl.DataFrame]) -> Unit:
    def batches(needless: Callable[[int], bool], on_bad: OnBad | None = None) -> Iterator[tuple[int, Batch]]:
        for number, place, frame in table.batches(wanted, needless):
            yield number, columns.convert(frame, place, lambda rows, at: Batch(read(rows, at)), on_bad)

    return Unit(table.path, files.size(table.path), batches)


def _transfers(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    numbers = columns.integers(frame["block_number"], "block_number", place)
    tokens = columns.addresses(frame["token_address"], "token_address", place)
    sides = []
    for name in ("from_address", "to_address"):
        holder = columns.addresses(frame[name], name, place)
        side = pl.DataFrame({"block_number": numbers, "address": tokens, "holder": holder})
        sides.append(side.filter(pl.col("holder") != transfer_logs.ZERO_ADDRESS))
    padded = (pl.lit("00" * 12) + pl.col("holder").bin.encode("hex")).str.decode("hex")
    return pl.concat(sides).select(
        "block_number",
        pl.lit(None, pl.Int32).alias("tx_index"),
        "address",
        padded.alias("slot"),
        pl.lit(True).alias("is_write"),
    )


def _logs(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    frame = frame.with_row_index("row").with_columns(
        block_number=columns.integers(frame["block_number"], "block_number", place),
        transaction_index=columns.integers(frame["transaction_index"], "transaction_index", place, pl.Int32),
        log_index=columns.integers(frame["log_index"], "log_index", place, pl.Int32),
        address=columns.addresses(frame["address"], "address", place),
        topics=_topics(frame["topics"], place),
    )
    signatures = ["0x" + signature.hex() for signature in transfer_logs.SIGNATURES]
    moved = frame.filter(pl.col("topics").list.first().is_in(signatures))
    logs = [
        Log(
            row["block_number"],
            row["log_index"],
            row["transaction_index"],
            b"",
            row["address"],
            tuple(_octets(text, "topics", place, row["row"], _TOPIC_BYTES) for text in row["topics"]),
            _octets(row["data"], "data", place, row["row"]),
        )
        for row in moved.iter_rows(named=True)
    ]
    return transfer_logs.touches(transfer_logs.transfers(logs)).select(ROWS_SCHEMA.names())


def _topics(values: pl.Series, place: Place) -> pl.Series:
    """Return lists of topics in lower case, from lists or from text parted by commas."""
    if values.dtype == pl.String:
        values = values.str.replace_all(r"[\[\]'\"\s]", "").str.to_lowercase().str.split(",")
    if values.dtype != pl.List(pl.String):
        raise InputError(f"{place.path}: topics must be text, or lists of text, not {values.dtype}")
    values = values.list.eval(pl.element().str.to_lowercase())
    most = values.list.len() > transfer_logs.MAX_TOPICS
    if most.fill_null(False).any():
        raise place.fail("topics", f"be at most {transfer_logs.MAX_TOPICS}", most, values)
    return values


def _octets(text: object, name: str, place: Place, row: int, length: int | None = None) -> bytes:
    try:
        return octets(text, name, length)
    except ResponseError as error:
        raise BadRowError(f"{place.path}, {place.row(row)}: {error}", row) from error
