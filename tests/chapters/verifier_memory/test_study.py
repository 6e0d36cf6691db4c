"""The frames of the chapter on verifier memory: by hand, against the layout, and the audit row by row."""

import re
from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.strategies import make_trace

from rollstate.chapters.verifier_memory import audit, figures, study
from rollstate.chapters.verifier_memory.parameters import VerifierMemory
from rollstate.compendium import bundles
from rollstate.traces import datasets, parts, store
from rollstate.worlddiff import layout

P = VerifierMemory(counts="sample", sizes=(300, 3_000))
SMALL = VerifierMemory(
    counts="sample", refunds=12_600, costs=28_000, transactions=100, slots=1_000, sizes=(300, 3_000)
)
CLAIMED = study.claimed(P)
MIB = 2**20


def test_the_published_counts_are_divided_into_kinds_that_add_up():
    assert CLAIMED.refunds == P.refunds
    assert CLAIMED.costs == P.costs
    assert CLAIMED.writes == 152_212
    assert CLAIMED.transients == 39_877


def test_the_timeline_is_the_one_written_by_hand():
    table = study.timeline()

    def series(name):
        return table.filter(pl.col("series") == name).select("step", "value").rows()

    assert [value for _, value in series("pending writes")] == [0, 0, 1, 1, 1, 2, 1, 1, 0, 0, 1]
    assert [value for _, value in series("open frames")] == [0, 1, 1, 2, 2, 2, 1, 1, 0, 0, 0]
    assert [value for _, value in series("length of the trace")] == [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [step for step, _ in series("protective read")] == [1, 10]


def test_what_is_undone_is_found_by_doing_it():
    kept_by_frames = {"flags of slots", "refunds", "pubdata costs", "decommits and their outcome", "trace"}
    for name, frame, transaction in study.undone().iter_rows():
        assert frame == ("kept" if name in kept_by_frames | {"initial values"} else "undone"), name
        assert transaction == ("kept" if name == "initial values" else "undone"), name


@pytest.mark.thorough
def test_every_block_of_a_trace_gives_the_same_set_both_ways():
    touches = [(block, 0, 1, slot, slot % 2 == 0) for block in (100, 101) for slot in range(4)]
    assert study.same_sets(make_trace(touches, stop=102), P) == {"tried": 2, "equal": 2}


def test_sizes_are_those_of_the_layout():
    found = study.sizes(CLAIMED)
    before = layout.live(layout.structures(CLAIMED, "before", recording=True))
    gate = layout.live(layout.structures(CLAIMED, "gate", recording=False))
    assert found["before"] * MIB == pytest.approx(before)
    assert found["gate"] * MIB == pytest.approx(before - gate)
    assert found["original_per_access"] == pytest.approx(before / CLAIMED.forward)
    assert found["trace_length"] * MIB == 128 * CLAIMED.trace
    assert found["coincidence"] * MIB == 128 * (P.costs + P.refunds)
    at_that_many = replace(CLAIMED, slots=found["slots_needed"], slots_written=found["slots_needed"])
    assert layout.saving(at_that_many)[1] / MIB == pytest.approx(200, rel=1e-4)


def test_lists_reserved_exactly_hold_what_the_maps_and_the_counts_say():
    maps = sum(
        item.bytes
        for item in layout.structures(CLAIMED, "merged", recording=False)
        if item.name not in ("refunds", "pubdata costs")
    )
    assert study.sizes(CLAIMED)["reserved"] * MIB == pytest.approx(maps + 4 * (P.costs + P.refunds))


@pytest.mark.thorough
def test_measured_bytes_are_those_of_a_stream_with_the_published_shape():
    found = study.measured(SMALL)
    counts = study.claimed(SMALL)
    assert found["measured_accesses"] == pytest.approx(counts.forward, rel=0.02)
    assert 4 <= found["bytes_per_access"] < found["held_per_access"]
    # A log of 4 bytes, 8 more for a write; a small batch leaves most of its last chunk empty.
    whole = 4 + 8 * counts.writes / counts.forward
    assert found["bytes_per_access"] == pytest.approx(whole, abs=(4 + 8) * 16_384 / counts.forward)


def test_structures_lose_nothing_when_they_are_put_together():
    table = study.structures(CLAIMED)
    assert set(table["structure"]) == set(study.PARTS)
    totals = dict(table.group_by("version").agg(pl.col("mib").sum()).iter_rows())
    for name, (version, on) in study.STAGES.items():
        whole = layout.live(layout.structures(CLAIMED, version, recording=on))
        assert totals[name] * MIB == pytest.approx(whole)
    assert totals["columns,\ntrace on"] * MIB == pytest.approx(layout.live(study.columns_of(CLAIMED)))


def test_growth_ends_at_what_is_held():
    table = study.growth(CLAIMED, P.transactions)
    for name, (version, on, reserve) in study.VERSIONS.items():
        last = table.filter(pl.col("version") == name).sort("transactions").row(-1, named=True)
        whole = layout.live(layout.structures(CLAIMED, version, recording=on, reserve=reserve))
        assert (last["transactions"], last["mib"] * MIB) == (P.transactions, pytest.approx(whole))


def test_savings_are_those_of_each_batch_and_the_model_grows_with_accesses_per_slot():
    batches, kind = study.batches(P)
    table = study.savings(CLAIMED, batches)
    assert kind == "invented batches"
    real = table.filter(pl.col("series") == "batches")
    assert real.height == len(batches)
    gate, merging = layout.saving(layout.counts_of(batches.to_dict("records")[3]))
    assert real.row(3, named=True)["ratio"] == pytest.approx(gate / merging)
    model = table.filter(pl.col("series") == "model").group_by("per_slot").agg(pl.col("ratio").median())
    assert model.sort("per_slot")["ratio"].is_sorted()
    assert study.median_ratio(table) == real["ratio"].median()


def test_work_is_larger_for_the_trace_than_for_its_slots():
    table = study.work(P)
    assert table["accesses"].n_unique() == 2
    trace, slots = table.tail(2)["comparisons"]
    assert study.work_ratio(table) == trace / slots > 10


def row(table, start):
    """Return the one row of the audit whose claim begins so."""
    return table.filter(pl.col("claim").str.starts_with(start)).row(0, named=True)


def test_every_claim_has_its_source_what_the_layout_gives_and_what_is_left():
    table = study.claims(P, {"tried": 50, "equal": 50})
    assert table.columns == ["claim", "stated in", "what the layout gives", "what it does not explain"]
    assert table.height == table["claim"].n_unique() == 12
    for line in table.rows():
        assert min(map(len, line)) > 5, line
    for source in table["stated in"]:
        assert re.search(r"PR 1\d\d|[0-9a-f]{7}|title of the change", source), source


def test_the_audit_computes_what_it_says():
    table = audit.claims(CLAIMED, tried=50, equal=49)
    gives = "what the layout gives"
    assert row(table, "The trace grew")[gives].startswith("147 MiB of entries in 256 MiB of room. 221 MiB")
    assert "coincides with" in row(table, "The trace grew")[gives]
    assert "19 MiB of entries in 32 MiB of room; 48 MiB" in row(table, "The pending twins")[gives]
    assert row(table, "The sort copied")[gives].startswith("156 MiB")
    assert row(table, "Dropping the trace saves")[gives].startswith("287 MiB")
    assert row(table, "1.16 GiB")[gives].startswith("444 MiB of the 488 MiB")
    assert "2.6 MiB at 10,729 slots; 200 MiB would take 836,569" in row(table, "Batch 67912")[gives]
    assert "49 of 50" in row(table, "10,729 deduplicated")[gives]
    assert "172 cycles per access" in row(table, "Merging the maps cost 0.24")[gives]
    assert "1,511 cycles per write" in row(table, "Merged writes cost about 230 M")[gives]
    assert row(table, "The list of heap pages")[gives].startswith("72 MiB of room for 642,527 far calls")


def test_the_audit_follows_the_counts():
    """Nothing of what the layout gives is typed: half the batch, half the entries."""
    half = audit.claims(CLAIMED.scaled(0.5), tried=1, equal=1)
    assert row(half, "The trace grew")["what the layout gives"].startswith("74 MiB of entries in 128 MiB")


def redrawn(draw, frame, **facts):
    """Return the drawing made from the published CSV file of a frame."""
    return draw(bundles.from_csv(bundles.to_csv(frame)), **facts)


def test_every_figure_is_drawn_from_its_frame_with_numbers_in_caption_and_alternative_text():
    batches, kind = study.batches(P)
    drawings = [
        redrawn(figures.timeline, study.timeline()),
        redrawn(figures.growth, study.growth(CLAIMED, P.transactions)),
        redrawn(figures.structures, study.structures(CLAIMED), accesses=CLAIMED.forward),
        redrawn(figures.savings, study.savings(CLAIMED, batches), kind=kind),
        redrawn(figures.comparisons, study.work(P)),
    ]
    for drawing in drawings:
        assert re.search(r"\d", drawing.caption)
        assert re.search(r"\d", drawing.alt)
        drawing.figure.draw_without_rendering()
        for ax in drawing.figure.axes:
            for axis in (ax.xaxis, ax.yaxis):
                shown = sum(bool(label.get_text()) for label in axis.get_ticklabels())
                # A panel above another has its labels there.
                assert shown >= 3 or (shown == 0 and ax is not drawing.figure.axes[-1])
    assert "2 of 4 reads" in drawings[0].figure.get_suptitle()
    assert "256 of 306 MiB; per access 266 bytes" in drawings[2].figure.get_suptitle().replace("\n", " ")


def test_of_a_trace_in_parts_the_same_blocks_are_taken(tmp_path, monkeypatch):
    whole = datasets.load_trace("sample")
    store.write_trace(whole, tmp_path / "three", parts=3)
    monkeypatch.setattr(parts, "IN_MEMORY", 1_000)
    found = study.load(str(tmp_path / "three"))
    assert found.accesses.height < whole.accesses.height

    def first(trace):
        blocks = trace.accesses["block_number"].unique(maintain_order=True).head(study.BLOCKS)
        rows = trace.accesses.filter(pl.col("block_number").is_in(blocks.implode()))
        named = rows.join(trace.slots, on="slot_id", how="left", maintain_order="left")
        return blocks, named.select("block_number", "tx_index", "address", "slot", "is_write")

    (blocks, rows), (expected, right) = first(found), first(whole)
    assert blocks.to_list() == expected.to_list()
    assert_frame_equal(rows, right)
    assert rows.height == found.accesses.height
