"""A trace on disk is the trace that was written, and a bad one is never stored."""

from pathlib import Path

import fsspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import TOUCHES, capability, make_trace

from rollstate import profile
from rollstate.errors import InputError
from rollstate.traces import datasets, store
from rollstate.traces.schema import Capability, Trace


def equal(left: Trace, right: Trace) -> bool:
    return left.capability == right.capability and all(
        getattr(left, name).equals(getattr(right, name)) for name in ("accesses", "slots", "blocks")
    )


@given(TOUCHES, st.integers(1, 4))
def test_what_is_read_is_what_was_written(tmp_path_factory, touches, parts):
    trace = make_trace(touches)
    folder = tmp_path_factory.mktemp("store") / "trace"
    store.write_trace(trace, folder, parts=parts)
    assert equal(store.read_trace(folder), trace)
    seen = [set(part.accesses["slot_id"]) for part in store.partitions(folder)]
    assert len(seen) == parts
    assert sum(map(len, seen)) == len(set().union(*seen)), "a slot lies in two parts"


@given(TOUCHES, st.randoms())
def test_order_of_the_input_changes_nothing(touches, random):
    shuffled = list(touches)
    random.shuffle(shuffled)
    assert equal(make_trace(touches), make_trace(shuffled))


def test_same_trace_has_the_same_bytes(tmp_path):
    trace = make_trace([(100, 0, 1, 1, True), (105, 1, 2, 0, False)])
    for folder in ("a", "b"):
        store.write_trace(trace, tmp_path / folder)
    for file in (tmp_path / "a").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


def test_finished_trace_is_not_overwritten_unless_told(tmp_path):
    old, new = make_trace([(100, 0, 1, 1, True)]), make_trace([(101, 0, 1, 1, True)])
    store.write_trace(old, tmp_path / "t")
    with pytest.raises(InputError, match="exists"):
        store.write_trace(new, tmp_path / "t")
    assert equal(store.read_trace(tmp_path / "t"), old)
    store.write_trace(new, tmp_path / "t", overwrite=True)
    assert equal(store.read_trace(tmp_path / "t"), new)


def test_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    old = make_trace([(100, 0, 1, 1, True)])
    store.write_trace(old, tmp_path / "t")
    monkeypatch.setattr(
        "pyarrow.parquet.ParquetWriter.write_table",
        lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")),
    )
    with pytest.raises(OSError, match="disk full"):
        store.write_trace(make_trace([(101, 0, 1, 1, True)]), tmp_path / "t", overwrite=True)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert equal(store.read_trace(tmp_path / "t"), old)


def test_old_trace_comes_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    old, rename = make_trace([(100, 0, 1, 1, True)]), Path.rename
    store.write_trace(old, tmp_path / "t")

    def fail(path, target):
        if ".new-" in path.name:
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no"):
        store.write_trace(make_trace([(101, 0, 1, 1, True)]), tmp_path / "t", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["t"]
    assert equal(store.read_trace(tmp_path / "t"), old)


@pytest.mark.parametrize(
    ("frame", "change", "said"),
    [
        ("accesses", pl.col("block_number") + 1000, "window"),
        ("blocks", pl.lit(None, pl.Int64).alias("block_number"), "block_number must count up"),
        ("accesses", pl.col("block_number").cast(pl.Int32), "columns"),
        ("accesses", pl.lit(None, pl.Boolean).alias("is_write"), "is_write must not be null"),
        ("accesses", pl.lit(-1, pl.Int32).alias("tx_index"), "negative"),
        ("accesses", pl.lit(99, pl.UInt32).alias("slot_id"), "slot_id must be below"),
        ("slots", pl.lit(b"\x01").alias("address"), "20 bytes"),
        ("slots", pl.lit(b"\x00" * 32).alias("slot"), "unique together"),
        ("slots", (pl.col("slot_id") + 1).cast(pl.UInt32), "count up from zero"),
        ("slots", pl.lit(10**9, pl.Int64).alias("created_block"), "created_block"),
        ("blocks", pl.col("block_number") + 1, "count up"),
        ("blocks", (-pl.col("block_number")).alias("timestamp"), "timestamp must not go back"),
    ],
)
def test_each_rule_of_the_schema_is_checked_and_named(frame, change, said):
    trace = make_trace([(100, 0, 1, 1, True), (105, 1, 1, 2, False)])
    broken = {
        "accesses": trace.accesses,
        "slots": trace.slots,
        "blocks": trace.blocks,
    }
    broken[frame] = broken[frame].with_columns(change)
    with pytest.raises(InputError, match=said) as caught:
        store.validate(Trace(**broken, capability=trace.capability))
    assert frame in str(caught.value)


def test_unsorted_or_repeated_rows_are_refused():
    trace = make_trace([(100, 0, 1, 1, True), (105, 1, 1, 2, False)])
    for rows in (trace.accesses.reverse(), pl.concat([trace.accesses, trace.accesses.tail(1)])):
        with pytest.raises(InputError, match="unique and sorted"):
            store.validate(Trace(rows, trace.slots, trace.blocks, trace.capability))


def test_stamp_is_held_to_what_it_says():
    for changes, said in (
        ({"tx_level": "none"}, "tx_level is none"),
        ({"tx_level": "writes"}, "tx_level is writes"),
        ({"observes_reads": False}, "sees none"),
    ):
        with pytest.raises(InputError, match=said):
            make_trace([(100, 0, 1, 1, False)], **changes)


def test_stamp_refuses_what_it_cannot_mean():
    with pytest.raises(InputError, match="tx_level"):
        capability(tx_level="some")
    with pytest.raises(InputError, match="empty"):
        capability(start=5, stop=5)
    with pytest.raises(InputError, match="extra"):
        Capability.from_dict({**capability().as_dict(), "extra": 1})


def test_a_stamp_names_its_chain():
    assert capability().chain == "test"
    assert capability(chain_id=1).chain == "Ethereum mainnet"
    assert capability(chain_id=77).chain == "chain 77"


def test_damaged_folder_is_a_named_error(tmp_path):
    store.write_trace(make_trace([(100, 0, 1, 1, True)]), tmp_path / "t")
    (tmp_path / "t" / "slots.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"slots\.parquet"):
        store.read_trace(tmp_path / "t")
    with pytest.raises(InputError, match="not a trace folder"):
        store.read_trace(tmp_path / "nothing")


@pytest.mark.parametrize("at_once", [2, 3, 1 << 20])
def test_a_trace_without_keys_is_the_whole_one_less_its_keys(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(store, "KEYS_AT_ONCE", at_once)
    trace = make_trace([(100, 0, 1, n, True) for n in range(6)])
    store.write_trace(trace, tmp_path / "t")
    found = store.read_trace(tmp_path / "t", keys=False)
    assert found.slots.equals(trace.without_keys().slots)
    assert found.accesses.equals(trace.accesses)
    # In another order the keys are still good, as none is there twice.
    other = trace.slots.with_columns(trace.slots["slot"].reverse())
    other.write_parquet(tmp_path / "t" / "slots.parquet")
    assert store.read_trace(tmp_path / "t", keys=False).slots.equals(found.slots)


@pytest.mark.parametrize("at_once", [2, 3, 1 << 20])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda slots: slots.with_columns(slot=slots["slot"].gather([0, 1, 2, 3, 4, 4])),
            "unique together; row 4",
        ),
        (
            lambda slots: slots.with_columns(slot=slots["slot"].gather([1, 0, 2, 3, 4, 0])),
            "unique together; row 1",
        ),
        (lambda slots: slots.with_columns(address=pl.lit(b"\x01")), "address must have 20 bytes; row 0"),
        (
            lambda slots: slots.with_columns(slot=pl.when(pl.col("slot_id") != 5).then("slot")),
            "slot must have 32 bytes; row 5",
        ),
        (lambda slots: slots.with_columns(pl.col("slot_id") + 1), "slot_id must count up from zero"),
        (lambda slots: slots.with_columns(extra=1), "columns are"),
        (lambda slots: slots.drop("slot"), "columns are"),
    ],
)
def test_slots_are_checked_when_their_keys_are_not_kept(tmp_path, monkeypatch, change, said, at_once):
    monkeypatch.setattr(store, "KEYS_AT_ONCE", at_once)
    trace = make_trace([(100, 0, 1, n, True) for n in range(6)])
    store.write_trace(trace, tmp_path / "t")
    change(trace.slots).write_parquet(tmp_path / "t" / "slots.parquet")
    for keys in (True, False):
        with pytest.raises(InputError, match=said):
            store.read_trace(tmp_path / "t", keys=keys)


@pytest.fixture
def remote(tmp_path):
    """A stored trace of three parts, here and at an address that fsspec reads."""
    store.write_trace(datasets.load_trace("sample"), tmp_path / "trace", parts=3)
    system = fsspec.filesystem("memory")
    system.put(str(tmp_path / "trace"), "/bucket/trace", recursive=True)
    yield tmp_path / "trace", "memory://bucket/trace"
    system.rm("/bucket", recursive=True)


def test_a_trace_at_an_address_is_read_as_one_in_a_folder(remote):
    folder, address = remote
    here, there = (datasets.load_trace(str(ref)) for ref in remote)
    assert store.content_digest(there) == store.content_digest(here)
    assert datasets.fingerprint(address) == datasets.fingerprint(str(folder))
    heights = list(datasets.over_parts(lambda part: part.accesses.height, address))
    assert len(heights) == 3
    assert sum(heights) == here.accesses.height
    assert profile.load(address, block_s=60.0).equals(profile.load(folder, block_s=60.0))


def test_a_change_at_an_address_changes_its_fingerprint(remote):
    before = datasets.fingerprint(remote[1])
    fsspec.filesystem("memory").pipe("/bucket/trace/blocks.parquet", b"other bytes")
    assert datasets.fingerprint(remote[1]) != before


@pytest.mark.parametrize(
    ("address", "said"),
    [("memory://bucket/nothing", "nothing is there"), ("nowhere://bucket/trace", "fsspec plug-in installed")],
)
def test_an_address_without_a_trace_is_named(address, said):
    with pytest.raises(InputError, match=said):
        datasets.load_trace(address)
