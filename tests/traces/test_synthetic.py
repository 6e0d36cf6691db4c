"""The generator's truth is true: what it states is what the trace does."""

from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from scipy import stats

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.traces import datasets, store
from rollstate.traces.synthetic import SAMPLE, Kind, SyntheticParameters, generate, generate_chunks

FULL = SyntheticParameters(seed=3, contracts=150, base_rate=2e-3)
PLAIN = replace(
    FULL,
    frailty_index=None,
    decay_power=0.0,
    period_depth=0.0,
    burst_gain=0.0,
    leave_probability=0.0,
    bundled_share=0.0,
)
HORIZONS = (1, 3, 10, 30, 100, 300)


@pytest.fixture(scope="module")
def full():
    return generate(FULL)


def test_generated_trace_is_valid(full):
    store.validate(full[0])
    store.validate(generate(replace(PLAIN, contracts=5, history_blocks=0))[0])


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("parameters", [FULL, PLAIN], ids=["all effects", "proportional hazards"])
def test_true_survival_is_what_happens(parameters, horizon):
    trace, truth = generate(parameters)
    # One spell per bundle and start: bundled slots share their fate and would be counted twice.
    spells = (
        intervals.build(trace)
        .join(truth.slots.select("slot_id", "bundle").cast({"slot_id": pl.UInt32}), on="slot_id")
        .unique(["bundle", "start"])
        .filter(pl.col("start") + horizon < parameters.window[1])
        .sort("slot_id", "start")
    )
    gone = (spells["event"] & (spells["duration"] <= horizon)).to_numpy()
    p = 1 - truth.survival(
        spells["slot_id"].to_numpy(), spells["start"].to_numpy(), np.full(len(gone), horizon)
    )
    # Given the truth, outcomes of spells are independent coin tosses: the standardised sum is normal.
    z = (gone.sum() - p.sum()) / np.sqrt((p * (1 - p)).sum())
    assert len(gone) > 5_000
    assert abs(z) < 3.5, z


def test_martingale_residuals_have_mean_zero_in_every_stratum(full):
    trace, truth = full
    spells = intervals.build(trace).filter(pl.col("start") + 200 < FULL.window[1])
    idle = np.minimum(spells["duration"].to_numpy(), 200)
    event = (spells["event"] & (spells["duration"] <= 200)).to_numpy()
    horizon = np.full(len(idle), 200)
    p = 1 - truth.survival(spells["slot_id"].to_numpy(), spells["start"].to_numpy(), horizon)
    residual = spells.select("contract_type", "slot_type").with_columns(pl.Series("r", event - p))
    by = residual.group_by("contract_type", "slot_type").agg(
        pl.col("r").mean(), (pl.col("r").std() / pl.len().sqrt()).alias("se"), pl.len()
    )
    checked = by.filter(pl.col("len") > 300)
    assert checked.height >= 4
    # Bundles triple the variance of a mean at most; five standard errors leave room for that.
    assert (checked["r"].abs() / checked["se"]).max() < 5


def test_kinds_differ_in_hazard_as_stated():
    kinds = (Kind("slow", 0.5, 0.0), Kind("fast", 0.5, 1.2))
    trace, _ = generate(
        replace(PLAIN, contract_kinds=kinds, slot_kinds=(Kind("only", 1.0, 0.0),), contracts=300)
    )
    spells = intervals.build(trace)
    rates = spells.group_by("contract_type").agg(
        pl.col("event").sum().alias("events"), (pl.col("duration") - pl.col("entry")).sum().alias("exposure")
    )
    by = {row["contract_type"]: row for row in rates.to_dicts()}
    # Occurrence over exposure estimates 1 - exp(-rate) in each type.
    hazard = {k: -np.log1p(-r["events"] / r["exposure"]) for k, r in by.items()}
    se = np.sqrt(sum(1 / r["events"] for r in by.values()))
    assert abs(np.log(hazard["fast"] / hazard["slow"]) - 1.2) < 4 * se


def test_frailty_has_the_stated_tail_and_mean_one():
    index = 2.5
    _, truth = generate(replace(FULL, frailty_index=index, contracts=2_000, base_rate=1e-6))
    z = truth.slots.unique("bundle", keep="first").sort("bundle")["frailty"].to_numpy()
    assert stats.kstest(z, stats.pareto(index, scale=(index - 1) / index).cdf).pvalue > 1e-3


def test_season_shows_in_the_counts():
    period = 500.0
    parameters = replace(PLAIN, period_blocks=period, period_depth=0.9, contracts=1, slots_per_contract=400.0)
    trace, truth = generate(replace(parameters, seed=8, history_blocks=0))
    phase = truth.slots["phase"][0]
    touched = intervals.build(trace).filter("event")
    block = (touched["start"] + touched["duration"]).to_numpy()
    angle = 2 * np.pi * (block - phase) / period
    # The first circular moment of accesses under 1 + depth cos is depth / 2.
    assert abs(np.cos(angle).mean() - 0.45) < 4 / np.sqrt(2 * len(block))


def test_bundled_slots_are_touched_by_the_same_transactions(full):
    trace, truth = full
    bundles = truth.slots.group_by("bundle").len().filter(pl.col("len") > 1)["bundle"]
    assert len(bundles) > 50
    for bundle in bundles[:20]:
        ids = truth.slots.filter(pl.col("bundle") == bundle)["slot_id"]
        histories = [
            trace.accesses.filter(pl.col("slot_id") == i).select("block_number", "tx_index").rows()
            for i in ids
        ]
        assert len(ids) == FULL.bundle_size
        assert all(history == histories[0] for history in histories)


def test_share_that_is_never_accessed_again_is_the_stated_one():
    trace, truth = generate(
        replace(FULL, leave_probability=0.3, frailty_index=None, decay_power=0.0, base_rate=0.5)
    )
    spells = intervals.build(trace).filter(pl.col("start") < FULL.window[1] - 2_000)
    single = spells.join(
        truth.slots.select("slot_id", "bundle").cast({"slot_id": pl.UInt32}), on="slot_id"
    ).unique(["bundle", "start"])
    left = 1 - single["event"].mean()
    assert abs(left - 0.3) < 4 * np.sqrt(0.21 / single.height)


def test_birth_is_the_first_access_and_writes(full):
    trace, _ = full
    first = trace.accesses.group_by("slot_id").first().sort("slot_id")
    assert first.height == trace.slots.height
    assert (first["block_number"] == trace.slots["created_block"]).all()
    assert first["is_write"].all()


def test_some_slots_are_older_than_the_window(full):
    created = full[0].slots["created_block"]
    assert 0.2 < (created < FULL.window[0]).mean() < 0.9


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_chunks_do_not_change_the_trace(size):
    parameters = replace(FULL, contracts=20)
    chunks = list(generate_chunks(parameters, size))
    whole, truth = generate(parameters)
    for part, frame in enumerate((whole.accesses, whole.slots, truth.slots)):
        assert pl.concat([chunk[part] for chunk in chunks]).equals(frame)


def test_seed_decides_everything():
    one, two, other = (generate(replace(SAMPLE, seed=seed))[0] for seed in (1, 1, 2))
    assert one.accesses.equals(two.accesses)
    assert not one.accesses.equals(other.accesses)


def test_written_in_chunks_it_reads_as_the_whole(tmp_path):
    parameters = replace(FULL, contracts=30)
    trace, _ = generate(parameters)
    pieces = ((accesses, slots) for accesses, slots, _ in generate_chunks(parameters, 7))
    store.write_chunks(pieces, trace.blocks, trace.capability, tmp_path / "t", parts=3)
    found = store.read_trace(tmp_path / "t")
    assert found.accesses.equals(trace.accesses)
    assert found.slots.equals(trace.slots)


def test_row_groups_have_a_decent_size_whatever_the_number_of_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "GROUP_ROWS", 100)
    parameters = replace(FULL, contracts=30)
    trace, _ = generate(parameters)
    pieces = [(accesses, slots) for accesses, slots, _ in generate_chunks(parameters, 7)]
    small = [
        (a.filter(pl.col("slot_id") == slot), s.filter(pl.col("slot_id") == slot))
        for a, s in pieces
        for slot in s["slot_id"]
    ]
    assert len(small) > 100
    store.write_chunks(small, trace.blocks, trace.capability, tmp_path / "t", parts=3)
    assert store.read_trace(tmp_path / "t").accesses.equals(trace.accesses)
    for path in [*(tmp_path / "t" / "accesses").iterdir(), tmp_path / "t" / "slots.parquet"]:
        stored = pq.read_metadata(path)
        sizes = [stored.row_group(at).num_rows for at in range(stored.num_row_groups)]
        assert len(sizes) > 1
        assert min(sizes[:-1]) >= 100, path.name


def test_committed_sample_is_what_its_parameters_make():
    trace, _ = generate(SAMPLE)
    sample = datasets.load_trace("sample")
    for name in ("accesses", "slots", "blocks"):
        assert getattr(sample, name).equals(getattr(trace, name)), name
    assert sample.capability.window_stop == trace.capability.window_stop


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("contracts", 0),
        ("base_rate", 0.0),
        ("base_rate", float("nan")),
        ("frailty_index", 1.0),
        ("period_depth", 1.0),
        ("leave_probability", 1.0),
        ("contract_kinds", (Kind("a", 0.5, 0.0),)),
        ("slot_kinds", ()),
        ("window_blocks", 0),
    ],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(InputError, match=name):
        replace(FULL, **{name: value})
