"""A profile counts exactly what the package's own functions see in the trace."""

import dataclasses
import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples
from tests.strategies import TOUCHES, make_trace

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.profile.classes import access_class, octave_class
from rollstate.profile.grid import GAPS, LAGS
from rollstate.profile.plan import plan
from rollstate.profile.reduction import make, make_stored, of_parts, reduce
from rollstate.profile.tables import TABLES
from rollstate.traces import parts, store, summary
from rollstate.traces.synthetic import SyntheticParameters, generate
from rollstate.traces.thinning import unobserve

CREATED = st.dictionaries(
    st.tuples(st.integers(1, 3), st.integers(0, 4)), st.one_of(st.none(), st.integers(90, 129)), max_size=6
)
TRACES = st.builds(
    lambda touches, created: make_trace(touches, [(*name, born) for name, born in created.items()]),
    TOUCHES,
    CREATED,
).filter(lambda trace: trace.accesses.height > 0)


@pytest.fixture(scope="module")
def synthetic():
    return generate(SyntheticParameters(contracts=40, history_blocks=500, window_blocks=2500, seed=3))[0]


def _pieces_of(trace, profile):
    """Bin the spells that `intervals.build` finds in the window of each fold."""
    counts = {}
    cuts = profile.plan.cuts
    spells = [
        (fold, row)
        for fold, window in enumerate(itertools.pairwise(cuts))
        for row in intervals.build(trace, window=window).iter_rows(named=True)
    ]
    for fold, row in spells:
        start_fold = int(np.searchsorted(cuts, row["start"], "right")) - 1
        entry, duration = (int(GAPS.index(np.array([row[name]]))[0]) for name in ("entry", "duration"))
        gap = octave_class(row["prev_gap"] or 0)
        key = (
            row["event"],
            fold,
            start_fold,
            row["wrote"],
            access_class(row["n_accesses"]),
            gap,
            duration,
            entry,
        )
        counts[key] = counts.get(key, 0) + 1
    return counts


@settings(max_examples=examples(60), deadline=None)
@given(TRACES)
def test_pieces_are_the_spells_of_every_fold(trace):
    profile = make(trace)
    found = profile.pieces.with_columns(wrote=pl.col("kind") == 1).group_by(
        "event", "fold", "start_fold", "wrote", "accesses", "gap", "duration", "entry"
    )
    found = {tuple(row[:-1]): row[-1] for row in found.agg(pl.col("rows").sum()).iter_rows()}
    assert found == _pieces_of(trace, profile)


def test_pieces_and_sums_of_a_long_trace(synthetic):
    profile = make(synthetic, block_s=60.0)
    assert profile.plan.history == {"hour": 1440, "day": 60}
    spells = [intervals.build(synthetic, window=w) for w in itertools.pairwise(profile.plan.cuts)]
    assert profile.pieces["rows"].sum() == sum(s.height for s in spells)
    for fold, found in enumerate(spells):
        mine = profile.sums.filter(pl.col("fold") == fold)
        assert mine["sum_duration"].sum() == found["duration"].sum()
        assert mine["sum_entry"].sum() == found["entry"].sum()
        assert mine.filter("event")["rows"].sum() == found["event"].sum()


@settings(max_examples=examples(40), deadline=None)
@given(TRACES, st.sets(st.integers(100, 129), max_size=10))
def test_pairs_by_brute_force(trace, dark):
    trace = unobserve(trace, dark)
    if trace.accesses.is_empty():
        return
    profile = make(trace)
    seen = trace.accesses.join(trace.slots, on="slot_id").select("slot_id", "block_number").unique().rows()
    touched = {}
    for slot, block in seen:
        touched.setdefault(block, set()).add(slot)
    observed = [b for b in range(100, 130) if b not in dark]
    for lag_bin in range(1, int(LAGS.index(np.array([29]))[0]) + 1):
        low, high = int(LAGS.low(np.array([lag_bin]))[0]), int(LAGS.high(np.array([lag_bin]))[0])
        pairs = chances = 0
        for lag in range(low, high + 1):
            for b in observed:
                if b + lag in observed:
                    chances += len(touched.get(b, ()))
                    pairs += len(touched.get(b, set()) & touched.get(b + lag, set()))
        mine = profile.pairs.filter(pl.col("lag") == lag_bin)
        assert (mine["sum_pairs"].sum(), mine["sum_chances"].sum()) == (pairs, chances)
        grouped = profile.pairs_by_group.filter(pl.col("lag") == lag_bin)
        assert (grouped["sum_pairs"].sum(), grouped["sum_chances"].sum()) == (pairs, chances)


@settings(max_examples=examples(40), deadline=None)
@given(TRACES, st.integers(1, 4), st.randoms())
def test_parts_add_up_to_the_whole(trace, parts, random):
    whole = make(trace)
    of = {slot: random.randrange(parts) for slot in trace.slots["slot_id"].to_list()}
    label = trace.slots["slot_id"].replace_strict(of, return_dtype=pl.Int64)
    cut = []
    for part in range(parts):
        slots = trace.slots.filter(label == part)
        accesses = trace.accesses.filter(pl.col("slot_id").is_in(slots["slot_id"].implode()))
        cut.append(dataclasses.replace(trace, slots=slots, accesses=accesses))
    assert reduce(cut, whole.plan).equals(whole)


@settings(max_examples=examples(40), deadline=None)
@given(TRACES)
def test_profiles_of_contracts_add_up(trace):
    whole = make(trace)
    parts = []
    for contract in trace.slots["contract_id"].unique().sort():
        slots = trace.slots.filter(pl.col("contract_id") == contract)
        accesses = trace.accesses.filter(pl.col("slot_id").is_in(slots["slot_id"].implode()))
        if accesses.height:
            parts.append(make(dataclasses.replace(trace, slots=slots, accesses=accesses), cut=whole.plan))
    if len(parts) < trace.slots["contract_id"].n_unique():
        return  # a contract without an access has no profile of its own
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert total.equals(whole)


def test_stored_parts(synthetic, tmp_path):
    store.write_trace(synthetic, tmp_path / "t", parts=3)
    assert make_stored(tmp_path / "t", block_s=60.0).equals(make(synthetic, block_s=60.0))


@pytest.mark.parametrize("inside", [(None, None), (1_000, 1_600)])
def test_a_window_of_stored_parts_has_the_profile_of_that_window(inside, synthetic, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "IN_MEMORY", 0)
    store.write_trace(synthetic, tmp_path / "t", parts=3)
    found = of_parts(parts.in_parts(str(tmp_path / "t"), *inside), block_s=60.0)
    assert found.equals(make(summary.restrict(synthetic, *inside), block_s=60.0))


def test_rows_in_any_order(synthetic):
    shuffled = dataclasses.replace(
        synthetic, accesses=synthetic.accesses.sample(fraction=1, shuffle=True, seed=1)
    )
    assert make(shuffled).equals(make(synthetic))


def test_counts_of_slots_and_contracts(synthetic):
    profile = make(synthetic)
    visits = synthetic.accesses.select("slot_id", "block_number").unique()
    per_slot = visits.group_by("slot_id").len().join(synthetic.slots, on="slot_id")
    want = per_slot.group_by("len").len("n").sort("len").rows()
    touched = profile.slots.filter(pl.col("touches") > 0)
    got = touched.group_by("touches").agg(pl.col("rows").sum()).sort("touches").rows()
    assert got == want
    assert profile.n_slots == synthetic.slots.height
    by_contract = per_slot.group_by("contract_id").agg(pl.col("len").sum())["len"].sort().to_list()
    table = profile.contracts.sort("touches")
    assert sorted(np.repeat(table["touches"], table["rows"]).tolist()) == by_contract
    assert profile.n_accesses == synthetic.accesses.height
    assert profile.time["sum_first"].sum() == per_slot.height
    assert profile.n_visits == visits.height


def test_no_column_can_hold_a_key(synthetic):
    profile = make(synthetic)
    for name in TABLES:
        for column, dtype in profile.table(name).schema.items():
            assert dtype.is_integer() or dtype == pl.Boolean or column in {"contract_type", "slot_type"}


def test_groups_hold_whole_contracts_of_their_own_accord(synthetic):
    """The group of a contract depends on its address alone, not on the other contracts of the trace."""
    cut = dataclasses.replace(plan(synthetic.capability, synthetic.blocks, 40), group_by="contract")
    one = synthetic.slots.filter(pl.col("contract_id") == 7)
    accesses = synthetic.accesses.filter(pl.col("slot_id").is_in(one["slot_id"].implode()))
    alone = make(dataclasses.replace(synthetic, slots=one, accesses=accesses), cut=cut)
    groups = alone.slots["group"].unique().to_list()
    assert len(groups) == 1
    assert alone.contracts["group"].to_list() == groups


def test_wrong_input_is_named(synthetic):
    with pytest.raises(InputError, match="plan is of blocks"):
        make(synthetic, cut=plan(make_trace([(100, 0, 1, 0, True)]).capability, synthetic.blocks, 1))
    stray = dataclasses.replace(synthetic, slots=synthetic.slots.head(3))
    with pytest.raises(InputError, match="does not describe it"):
        make(stray)
    with pytest.raises(InputError, match="block_s must be above 0"):
        make(synthetic, block_s=0.0)
    with pytest.raises(InputError, match="no access"):
        make(dataclasses.replace(synthetic, accesses=synthetic.accesses.clear()))
    many = synthetic.slots.with_columns(slot_type=pl.col("slot_id").cast(pl.String))
    with pytest.raises(InputError, match="types are classes"):
        make(dataclasses.replace(synthetic, slots=many))
    outside = synthetic.accesses.with_columns(pl.col("block_number") + 10_000)
    with pytest.raises(InputError, match="outside of the stamp's window"):
        make(dataclasses.replace(synthetic, accesses=outside))
    with pytest.raises(InputError, match="no trace"):
        reduce([], plan(synthetic.capability, synthetic.blocks, 40))
