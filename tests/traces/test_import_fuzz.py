"""Damaged files are read, or refused with a reason: never a crash that has no name.

A hundred mutations of the files of each reader; ten thousand each with ``-m nightly`` and ``ROLLSTATE_NIGHTLY=1``.
"""

import os
import random
import shutil
from pathlib import Path

import polars as pl
import pytest
from tests.traces import activity
from tests.traces.test_importing import BUSY

from rollstate.errors import RollstateError
from rollstate.traces import check, importing
from rollstate.traces.formats.rows import Options

FEW, MANY = 100, 10_000
READERS = {
    "cryo as text": lambda touches, folder: activity.cryo(touches, folder),
    "cryo as bytes": lambda touches, folder: activity.cryo(touches, folder, "parquet"),
    "xatu": activity.xatu,
    "tracer answers": activity.answers,
    "draft lists": lambda touches, folder: activity.rlp(touches, folder, "draft"),
    "final lists": lambda touches, folder: activity.rlp(touches, folder, "final"),
    "lists of nodes": lambda touches, folder: activity.list_json(touches, folder),
    "lists of fixtures": lambda touches, folder: activity.list_json(touches, folder, "fixtures"),
    "table": lambda touches, folder: activity.table(touches, folder),
    "plain table": lambda touches, folder: _unpacked(activity.table(touches, folder)),
    "arrow": lambda touches, folder: _arrow(activity.table(touches, folder)),
    "logs": lambda touches, folder: _logs(folder),
}
WORDS = [
    b"0x",
    b"",
    b"null",
    b"-1",
    b'"',
    b",",
    b";",
    b"\n",
    b"\xff\xfe",
    b"\0",
    b"9" * 90,
    b"1e9",
    b"{}",
    b"[",
]


def _unpacked(paths):
    import gzip

    (path,) = map(Path, paths)
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    return [str(path.with_suffix(""))]


def _arrow(paths):
    (path,) = map(Path, paths)
    frame = pl.read_csv(path, separator=";", infer_schema=False).with_columns(pl.col("blk").cast(pl.Int64))
    frame.write_ipc(path.with_name("mine.arrow"))
    path.unlink()
    return [str(path.with_name("mine.arrow"))]


def _logs(folder):
    topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    ends = ",".join("0x" + "00" * 12 + f"{n:02x}" * 20 for n in (1, 2))
    lines = ["log_index,transaction_hash,transaction_index,block_hash,block_number,address,data,topics"]
    data, token = activity.hexed(activity.word(1)), "0x" + "ab" * 20
    lines += [
        f'{n},{activity.HASH},3,{activity.HASH},{100 + n},{token},{data},"{topic},{ends}"' for n in range(6)
    ]
    (folder / "logs.csv").write_text("\n".join(lines) + "\n")
    return [str(folder / "logs.csv")]


def mutated(data, rng):
    """Return bytes with one to three changes."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice([1, 1, 2, 8, 40]))
        change = rng.randrange(6)
        if change == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            del data[at:end]
        elif change == 2:
            data[at:at] = rng.choice(WORDS)
        elif change == 3:
            data[at:end] = rng.choice(WORDS)
        elif change == 4:
            data[at:at] = data[at:end]
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def survive(reader, count, folder):
    """Read damaged files; return how often they were read and how often refused."""
    good = folder / "good"
    good.mkdir()
    sources = READERS[reader](activity.run(BUSY), good)
    outcomes = {"read": 0, "refused": 0}
    for number in range(count):
        rng = random.Random(f"{reader} {number}")
        bad = folder / "bad"
        shutil.copytree(good, bad)
        path = rng.choice(sorted(file for file in bad.iterdir()))
        path.write_bytes(mutated(path.read_bytes(), rng))
        named = [source.replace(str(good), str(bad)) for source in sources]
        try:
            importing.read(
                named, Options(columns={"block": "blk"} if {"table", "arrow"} & set(reader.split()) else {})
            )
            outcomes["read"] += 1
        except RollstateError as error:
            assert str(error)
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(
                f"{reader}, mutation {number} of {path.name}: {type(error).__name__}"
            ) from error
        if number % 5 == 0:
            check.check(named)
        shutil.rmtree(bad)
    return outcomes


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.thorough
def test_damaged_files_are_read_or_refused(tmp_path, reader):
    outcomes = survive(reader, FEW, tmp_path)
    assert outcomes["refused"] > FEW // 10


@pytest.mark.nightly
@pytest.mark.skipif("ROLLSTATE_NIGHTLY" not in os.environ, reason="hours: set ROLLSTATE_NIGHTLY=1")
@pytest.mark.parametrize("reader", READERS)
def test_ten_thousand_damaged_files_are_read_or_refused(tmp_path, reader):
    survive(reader, int(os.environ.get("ROLLSTATE_MUTATIONS", MANY)), tmp_path)
