"""Files, here or remote, packed or not, as batches of rows.

Tables are read a batch at a time, with PyArrow, so that memory does not grow with the file: Parquet, CSV with any of
the usual separators, Arrow (file or stream), and JSON lines; text also as ``.gz`` or ``.zst``. A path with ``://`` is
read by fsspec (`rollstate.traces.formats.listing`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from rollstate.errors import InputError
from rollstate.traces.formats.columns import Place
from rollstate.traces.formats.listing import is_remote

KINDS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
PACKED = {".gz": "gzip", ".zst": "zstd"}
BATCH_ROWS = 500_000
LINES = 100_000
_SEPARATORS = ",;\t|"
_WRONG = (OSError, pa.ArrowException, pl.exceptions.PolarsError, UnicodeError, csv.Error, EOFError)


def ending(path: str) -> tuple[str, str | None]:
    """Return the ending that says the format, and how the file is packed."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    packed = PACKED.get(suffixes[-1]) if suffixes else None
    rest = suffixes[:-1] if packed else suffixes
    return (rest[-1] if rest else ""), packed


def size(path: str) -> int:
    """Return the size in bytes."""
    if not is_remote(path):
        return Path(path).stat().st_size
    import fsspec

    system, root = fsspec.core.url_to_fs(path)
    return int(system.size(root) or 0)


def read_bytes(path: str) -> bytes:
    """Return a whole small file, unpacked."""
    try:
        with _open(path) as stream:
            return stream.read()
    except _WRONG as error:
        raise InputError(
            f"{path} cannot be read: {error}; if it is cut short or damaged, copy or write it again"
        ) from error


def _open(path: str) -> Any:
    """Return an open PyArrow stream of a file, unpacked."""
    packed = ending(path)[1]
    if not is_remote(path):
        return pa.input_stream(path, compression=packed)
    import fsspec

    stream = pa.PythonFile(fsspec.open(path, "rb").open(), mode="r")
    return pa.CompressedInputStream(stream, packed) if packed else stream


@dataclass(frozen=True)
class Table:
    """A file of rows.

    Attributes
    ----------
    path : str
        The file.
    kind : str
        One of the values of `KINDS`.
    columns : tuple of str
        Its columns, those from ``name=value`` folders of its path last.
    separator : str
        Of a CSV.
    """

    path: str
    kind: str
    columns: tuple[str, ...]
    separator: str = ","

    @property
    def constants(self) -> dict[str, str]:
        """Columns that the path says, as Hive writes them: ``chain_id=1/``."""
        parts = PurePosixPath(self.path).parts[:-1]
        return {name: value for name, mark, value in (part.partition("=") for part in parts) if mark and name}

    def batches(
        self, wanted: Sequence[str], needless: Callable[[int], bool] = lambda number: False
    ) -> Iterator[tuple[int, Place, pl.DataFrame]]:
        """Yield number, place and rows of each batch with the wanted columns; text stays text.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        constants = {name: value for name, value in self.constants.items() if name in wanted}
        own = [name for name in wanted if name not in constants]
        first = 0
        read = {"parquet": self._parquet, "csv": self._csv, "arrow": self._arrow, "ndjson": self._ndjson}
        lines = self.kind in {"csv", "ndjson"}
        try:
            for number, frame in enumerate(_rebatched(read[self.kind](own))):
                if not needless(number):
                    place = Place(self.path, first, lines, header=self.kind == "csv")
                    yield number, place, frame.with_columns(pl.lit(v).alias(k) for k, v in constants.items())
                first += frame.height
        except InputError:
            raise
        except _WRONG as error:
            where = self._ragged_line() if self.kind == "csv" else ""
            raise InputError(f"{self.path} cannot be read: {where}{str(error)[:300]}") from error

    def _ragged_line(self) -> str:
        """Name the first line of a CSV that has another number of fields than its header; empty if none has."""
        width = len(self.columns) - len(self.constants)
        try:
            with io.TextIOWrapper(
                io.BufferedReader(_open(self.path)), "utf-8", "replace", newline=""
            ) as text:
                reader = csv.reader(text, delimiter=self.separator)
                wrong = next((row for row in reader if row and len(row) != width), None)
                return "" if wrong is None else f"line {reader.line_num}: "
        except _WRONG:
            return ""

    def _parquet(self, wanted: list[str]) -> Iterator[pl.DataFrame]:
        with pq.ParquetFile(self._seekable()) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
                yield _plain(batch)

    def _arrow(self, wanted: list[str]) -> Iterator[pl.DataFrame]:
        for batch in _arrow_batches(self._seekable()):
            yield _plain(batch.select(wanted))

    def _csv(self, wanted: list[str]) -> Iterator[pl.DataFrame]:
        reader = pyarrow.csv.open_csv(
            _open(self.path),
            read_options=pyarrow.csv.ReadOptions(block_size=1 << 24),
            parse_options=pyarrow.csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
            # Text first: an address that looks like a number must not become one, nor nothing a null.
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(self.columns, pa.string()),
                strings_can_be_null=False,
                include_columns=wanted,
            ),
        )
        for batch in reader:
            yield _plain(batch)

    def _ndjson(self, wanted: list[str]) -> Iterator[pl.DataFrame]:
        with io.BufferedReader(_open(self.path)) as stream:
            while lines := b"".join(islice(stream, LINES)):
                frame = pl.read_ndjson(io.BytesIO(lines), infer_schema_length=None)
                missing = [name for name in wanted if name not in frame.columns]
                yield frame.with_columns(pl.lit(None).alias(name) for name in missing).select(wanted)

    def _seekable(self) -> Any:
        if not is_remote(self.path):
            return self.path
        import fsspec

        return fsspec.open(self.path, "rb").open()


def _plain(batch: pa.RecordBatch) -> pl.DataFrame:
    """Return a batch with dictionaries unpacked; a damaged one, whose offsets or text are wrong, is an error."""
    batch.validate(full=True)
    # Without the metadata of the schema, which may be anything.
    batch = pa.RecordBatch.from_arrays(list(map(_text, batch.columns)), names=batch.schema.names)
    frame = pl.DataFrame(pl.from_arrow(batch))
    coded = [name for name, dtype in frame.schema.items() if dtype in (pl.Categorical, pl.Enum)]
    return frame.with_columns(pl.col(name).cast(pl.String) for name in coded)


def _text(values: pa.Array) -> pa.Array:
    """Return decimals as text: they hold what no integer type does, and polars takes them up to 128 bits only."""
    return values.cast(pa.string()) if pa.types.is_decimal(values.type) else values


def _arrow_batches(source: Any) -> Iterator[pa.RecordBatch]:
    file = pa.memory_map(source) if isinstance(source, str) else source
    try:
        reader = pa.ipc.open_file(file)
        for at in range(reader.num_record_batches):
            yield reader.get_batch(at)
    except pa.ArrowInvalid:
        file.seek(0)
        yield from pa.ipc.open_stream(file)


def _rebatched(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield frames of at least `BATCH_ROWS` rows, the last one aside; and one without rows if there is none."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        # Parts of JSON lines may differ in type.
        if held and held[0].schema != frame.schema:
            yield pl.concat(held)
            held = []
        held.append(frame)
        if sum(map(len, held)) >= BATCH_ROWS:
            yield pl.concat(held)
            held = []
    if held:
        yield pl.concat(held)


def table(path: str) -> Table | None:
    """Return the table in a file, with its columns; None if the ending is not one of a table.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    kind = KINDS.get(ending(path)[0])
    if kind is None:
        return None
    one = Table(path, kind, ())
    separator = ","
    try:
        if kind == "csv":
            names, separator = _header(path)
        elif kind == "parquet":
            names = pq.read_schema(one._seekable()).names
        elif kind == "arrow":
            names = _arrow_names(one._seekable())
        else:
            with io.BufferedReader(_open(path)) as stream:
                lines = b"".join(islice(stream, 1000))
            names = pl.read_ndjson(io.BytesIO(lines), infer_schema_length=None).columns if lines else []
    except _WRONG as error:
        raise InputError(
            f"{path} cannot be read: {str(error)[:300]}; if it is cut short or damaged, copy or write it again"
        ) from error
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(f"{path}: column {', '.join(double)} is there twice")
    extra = [name for name in one.constants if name not in names]
    return Table(path, kind, (*names, *extra), separator)


def _arrow_names(source: Any) -> list[str]:
    file = pa.memory_map(source) if isinstance(source, str) else source
    try:
        return pa.ipc.open_file(file).schema.names
    except pa.ArrowInvalid:
        file.seek(0)
        return pa.ipc.open_stream(file).schema.names


def _header(path: str) -> tuple[list[str], str]:
    with _open(path) as stream:
        top = stream.read(1 << 16).decode("utf-8-sig", errors="replace")
    line = top.splitlines()[0] if top.strip() else ""
    if not line:
        raise InputError(f"{path} is empty: it has not even a header; write it again")
    separator = max(_SEPARATORS, key=line.count)
    return next(csv.reader([line], delimiter=separator)), separator
