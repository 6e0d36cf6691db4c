"""A policy leaves the package and comes back the same; its replay is the book's; what does not fit is refused."""

import dataclasses
import itertools
import json
import math

import jsonschema
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from rollstate import intervals
from rollstate.compendium.cli import main
from rollstate.errors import InputError
from rollstate.policy import fit, profiles, replay
from rollstate.policy import format as files
from rollstate.policy.transfer import transfer
from rollstate.profile import make, save
from rollstate.survival import landmarks
from rollstate.tiering import evaluation, policies, trial, windows
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import Gaps, after, clairvoyant, gaps
from rollstate.tiering.replay import replay as replay_spells
from rollstate.traces import datasets, synthetic
from tests.needs import examples
from tests.strategies import make_trace

BORDER, PENALTY = 2_000, 100.0
SHA = "0" * 64


@pytest.fixture(scope="module")
def trace():
    return datasets.load_trace("sample")


@pytest.fixture(scope="module")
def tried(trace):
    return trial.prepare(intervals.build(trace), BORDER, seed=1)


@pytest.fixture(scope="module", params=files.MODELS)
def fitted(trace, request):
    return fit.fit_trace(trace, model=request.param, penalty=PENALTY, until=BORDER, sha256=SHA, block_s=12.0)


def by_name(frame):
    return {row["policy"]: row for row in frame.iter_rows(named=True)}


def test_a_file_reads_back_the_same_and_keeps_the_schema(fitted, tmp_path):
    path = files.save(fitted, tmp_path / "policy.json")
    again = files.load(path)
    jsonschema.Draft202012Validator.check_schema(files.schema())
    assert files.as_dict(again) == files.as_dict(fitted) == json.loads(path.read_text())
    assert files.save(again, tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_replay_is_the_books_evaluation_to_the_unit(trace, tried, fitted):
    """Each model beside the rule of the chapter that it stores, at the same border, on the same spells."""
    costs = two_tiers(PENALTY)
    own = {
        "window": policies.tuned(tried, costs),
        "cox": policies.expected_cox(tried, costs),
        "table": fit.spell_windows(fitted.accesses, fitted.windows, tried.future),
    }[fitted.model]
    rules = {replay.OWN: own} | {name: policies.RULES[name](tried, costs) for name in policies.SIMPLE}
    found = by_name(replay.replay(fitted, trace, border=BORDER, block_s=12.0))
    for name, window in rules.items():
        wanted = evaluation.metrics(tried.test, replay_spells(tried.test, window, costs), costs)
        for metric in ("ram_ratio", "hit_coverage", "competitive_ratio"):
            assert found[name][metric] == pytest.approx(wanted[metric], rel=1e-12), (name, metric)
        for metric in ("misses", "moves", "total", "regret"):
            assert round(found[name][metric]) == round(wanted[metric]), (name, metric)
    swept = evaluation.sweep(tried.test, {}, [PENALTY]).row(0, named=True)
    for metric in ("ram_ratio", "hit_coverage", "misses", "total"):
        assert found[policies.CLAIRVOYANT][metric] == pytest.approx(swept[metric], rel=1e-12)


def test_the_ratio_has_the_books_interval(trace, tried):
    """Over contracts that have anything judged, with the same number of draws."""
    fitted = fit.fit_trace(trace, model="window", penalty=PENALTY, until=BORDER, block_s=12.0)
    found = by_name(replay.replay(fitted, trace, border=BORDER, block_s=12.0))
    costs = two_tiers(PENALTY)
    cost = {
        n: replay_spells(tried.test, policies.RULES[n](tried, costs), costs).cost for n in policies.SIMPLE
    }
    samples = replay.resampling(tried.future["contract_id"].to_numpy(), fit.DRAWS, fit.SEED)
    wanted = by_name(evaluation.totals(cost, samples, references=policies.SIMPLE))
    for name in policies.SIMPLE:
        for column in ("ratio", "ratio_low", "ratio_high"):
            assert found[name][column] == pytest.approx(wanted[name][column])


streams = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=80)


@settings(max_examples=examples(60))
@given(streams, st.integers(-1, 29), st.tuples(*[st.sampled_from([0.0, 1.0, 4.0, 9.0, math.inf])] * 3))
def test_the_kernel_is_the_replay_of_spells(rows, border, own):
    rows = sorted(set(rows))
    block, slot = (np.array(column) for column in zip(*rows, strict=True))
    names, code = np.unique(slot, return_inverse=True)
    seen = replay.Stream(
        code.astype(np.int32), block.astype(np.int64), np.ones(len(rows), bool),
        (np.arange(len(names)) % 2).astype(np.int32), border, 30,
    )  # fmt: skip
    entry, duration, event, count = [], [], [], []
    for s in range(len(names)):
        at = [*block[code == s].tolist(), None]
        for i, (last, now) in enumerate(itertools.pairwise(at), 1):
            e, u = max(0, border - last), (30 if now is None else now) - last
            if u > e:
                entry.append(e), duration.append(u), event.append(now is not None), count.append(i)
    least = (0, 2, 4)
    found = replay.by_table(seen, least, own, 7.0)
    if not duration:
        assert not found.cost.any()
        return
    judged = Gaps(np.array(entry, float), np.array(duration, float), np.array(event))
    window = np.array(own)[np.searchsorted(least, count, "right") - 1]
    wanted = replay_spells(judged, window, two_tiers(7.0))
    assert found.ram.sum() == wanted.ram.sum()
    assert found.misses.sum() == wanted.miss_cold.sum()
    assert found.moves.sum() == wanted.moves.sum()
    bound, exposure, events = replay.by_foresight(seen, 7.0)
    assert bound.cost.sum() == clairvoyant(judged, two_tiers(7.0)).sum()
    assert exposure.sum() == judged.exposure
    assert events.sum() == judged.event.sum()


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), min_size=1, max_size=30),
    st.integers(0, 5_000),
    st.floats(0.1, 1e5),
)
def test_beyond_its_horizon_a_row_that_never_demotes_costs_no_more_than_it_says(rows, seen, penalty):
    """On any spells, however long: the bounds that `rollstate.policy.fit` states."""
    duration, event = (np.array(column) for column in zip(*rows, strict=True))
    spells = Gaps(np.zeros(len(rows)), duration.astype(float), event)
    costs, longest = two_tiers(penalty), max(seen, penalty)
    window = float(fit.bounded(np.inf, seen, penalty))
    own = replay_spells(spells, window, costs).cost
    kept = replay_spells(spells, np.inf, costs).cost
    assert (own <= (longest + penalty) * (1 + 1e-12)).all()
    assert (own <= 2 * kept * (1 + 1e-12)).all()
    bound = clairvoyant(spells, costs)
    assert (own[event] <= (1 + longest / penalty) * bound[event] * (1 + 1e-12)).all()
    # Where the fit has seen such idle times, it is never demoting itself.
    assert (own[duration <= seen] == kept[duration <= seen]).all()


spell_rows = st.lists(st.tuples(st.integers(1, 10**5), st.booleans(), st.integers(0, 300)), min_size=1)


@settings(max_examples=examples(40))
@given(spell_rows, st.floats(0.1, 1e6))
def test_no_fitted_row_keeps_a_slot_for_good(rows, penalty):
    duration, event, count = (np.array(column) for column in zip(*rows, strict=True))
    spells = pl.DataFrame(
        {"entry": 0.0, "duration": duration.astype(float), "event": event, "n_accesses": count}
    )
    pools, _ = fit.spell_pools(spells)
    first = list(range(fit.CLASSES))
    least, chosen = fit.table(pools, first, penalty)
    row = np.searchsorted(least, count, "right") - 1
    for number, (window, seen) in enumerate(zip(chosen, fit.horizons(pools, first), strict=True)):
        assert seen == duration[row == number].max(initial=0)
        assert window <= max(seen, penalty)


@pytest.mark.parametrize("model", files.MODELS)
def test_a_policy_says_the_most_that_a_spell_can_cost(trace, model):
    """At a penalty that the first blocks cannot tell: nothing would ever be demoted."""
    made = fit.fit_trace(trace, model=model, penalty=5_000.0, until=trace.capability.window_start + 300)
    assert made.tuned == np.inf
    assert not made.told
    assert made.most(5_000.0) == 10_000.0
    assert "no spell costs more than 10,000 slot-blocks" in files.explain(made)
    if made.cox is not None:
        spells = intervals.build(trace)
        assert fit.cox_windows(made.cox, spells, 5_000.0, made.horizon).max() <= 5_000.0


def test_slots_that_fall_silent_cost_the_bound_and_not_the_length_of_the_trace():
    """Fitted where nearly every slot stays busy, replayed where all of them fall silent for 100,000 blocks."""
    slots, penalty = 400, 10.0
    duration, event = np.r_[np.ones(30 * slots), 5.0, 5.0], np.r_[np.ones(30 * slots, bool), False, False]
    spells = pl.DataFrame({"entry": 0.0, "duration": duration, "event": event, "n_accesses": 5})
    pool = fit.spell_pools(spells)[0](0, fit.CLASSES - 1)
    assert pool.tuned(penalty) == np.inf
    assert pool.window(penalty) == max(pool.horizon, penalty) == penalty
    slot, block = np.tile(np.arange(slots), 2), np.repeat([0, 100_000], slots)
    seen = replay.Stream(
        slot.astype(np.int32), block.astype(np.int64), np.ones(2 * slots, bool), np.zeros(slots, np.int32), -1, 100_000
    )  # fmt: skip
    own, kept = (
        replay.by_table(seen, (0,), (window,), penalty).cost.sum()
        for window in (pool.window(penalty), np.inf)
    )
    assert kept == slots * 100_000
    assert own == slots * 2 * penalty


def test_one_class_is_the_tuned_window_and_each_class_its_own(trace):
    spells = landmarks.as_of(intervals.build(trace), BORDER)
    made = fit.fit_trace(trace, penalty=PENALTY, until=BORDER)
    assert made.tuned == windows.tuned(gaps(spells), two_tiers(PENALTY), open_end=True)[0]
    assert len(made.accesses) >= 4
    count = spells["n_accesses"].to_numpy()
    ends = [*made.accesses[1:], math.inf]
    for least, end, window, seen in zip(made.accesses, ends, made.windows, made.horizons, strict=True):
        rows = np.flatnonzero((count >= least) & (count < end))
        assert len(rows) >= trial.FEWEST
        assert seen == spells["duration"].to_numpy()[rows].max()
        tuned = windows.tuned(gaps(spells).take(rows), two_tiers(PENALTY), open_end=True)[0]
        assert window == min(tuned, max(seen, PENALTY))


@given(st.lists(st.integers(0, 500), min_size=2, max_size=12))
def test_small_classes_join_the_one_below(spells):
    first = fit.edges(np.array(spells))
    assert first[0] == 0
    assert first == sorted(set(first))
    held = [sum(spells[a:b]) for a, b in zip(first, [*first[1:], len(spells)], strict=True)]
    assert len(first) == 1 or min(held) >= trial.FEWEST


def test_a_fit_until_a_block_does_not_see_what_came_after(trace):
    early = fit.fit_trace(trace, penalty=PENALTY, until=BORDER, block_s=12.0)
    kept = trace.accesses.filter(pl.col("block_number") <= BORDER)
    cut = dataclasses.replace(
        trace,
        accesses=kept,
        slots=trace.slots.with_columns(
            created_block=pl.when(pl.col("created_block") <= BORDER).then("created_block")
        ),
    )
    late = fit.fit_trace(cut, penalty=PENALTY, until=BORDER, block_s=12.0)
    assert (early.windows, early.accesses, early.tuned) == (late.windows, late.accesses, late.tuned)
    assert early.saving == late.saving
    assert early.horizon <= BORDER - trace.capability.window_start


def test_the_expected_saving_is_that_of_a_fit_on_earlier_blocks(trace):
    made = fit.fit_trace(trace, penalty=PENALTY, until=BORDER, block_s=12.0)
    border = made.saving.first_block - 1
    earlier = fit.fit_trace(trace, penalty=PENALTY, until=border, block_s=12.0)
    spells = after(landmarks.as_of(intervals.build(trace), BORDER), border)
    costs, test = two_tiers(PENALTY), gaps(spells)
    own = replay_spells(test, fit.spell_windows(earlier.accesses, earlier.windows, spells), costs).cost.sum()
    simple = [replay_spells(test, w, costs).cost.sum() for w in (earlier.tuned, np.inf, 0.0, PENALTY)]
    assert made.saving.value == pytest.approx(1 - own / min(simple))
    assert made.saving.low <= made.saving.value <= made.saving.high


def test_within_its_range_a_policy_costs_little_more_than_one_fitted_there(trace):
    made = fit.fit_trace(trace, penalty=PENALTY, until=BORDER)
    spells = landmarks.as_of(intervals.build(trace), BORDER)
    assert made.penalty_low < PENALTY < made.penalty_high
    for other in (made.penalty_low, made.penalty_high):
        costs, there = two_tiers(other), fit.fit_trace(trace, penalty=other, until=BORDER)
        paid = [
            replay_spells(gaps(spells), fit.spell_windows(p.accesses, p.windows, spells), costs).cost.sum()
            for p in (made, there)
        ]
        assert paid[0] <= (1 + fit.TOLERANCE) * paid[1] * (1 + 1e-9)


def test_a_profile_gives_the_windows_of_its_trace(trace, tmp_path):
    """Gaps below 64 blocks are exact in a profile, others within 1.6 %."""
    reduced = make(trace, block_s=12.0)
    for penalty in (10.0, 100.0):
        of_trace = fit.fit_trace(trace, penalty=penalty, block_s=12.0)
        of_profile = profiles.fit_profile(reduced, penalty=penalty)
        assert of_profile.accesses == of_trace.accesses
        assert of_profile.trained.accesses == of_trace.trained.accesses
        assert of_profile.trained.spells == of_trace.trained.spells
        stream = replay.stream(trace)
        costs = [
            replay.by_table(stream, one.accesses, one.windows, penalty).cost.sum()
            for one in (of_trace, of_profile)
        ]
        assert costs[0] == pytest.approx(costs[1], rel=0.01)
        mine, theirs = of_profile.saving, of_trace.saving
        assert mine.value == pytest.approx(theirs.value, abs=0.002)
        # Over groups of slots, by the jackknife, and over contracts, by the bootstrap: of the same width within a half.
        assert mine.low < mine.value < mine.high
        assert (mine.high - mine.low) / (theirs.high - theirs.low) == pytest.approx(1, abs=0.5)
    with pytest.raises(InputError, match="fit it on the trace"):
        profiles.fit_profile(reduced, model="cox", penalty=10.0)


def test_contracts_without_a_visit_are_resampled_too():
    idle = make_trace(
        [(105, 0, 2, 1, True), (118, 0, 2, 1, False)], [(1, 1, None), (2, 1, None), (3, 1, None)]
    )
    seen = replay.stream(idle)
    assert seen.contract.tolist() == [0, 1, 2]
    assert seen.slot.tolist() == [1, 1]
    assert replay.by_table(seen, (0,), (5.0,), PENALTY).misses.tolist() == [0, 1, 0]


@pytest.fixture
def data(trace):
    return files.as_dict(fit.fit_trace(trace, penalty=PENALTY, until=BORDER, block_s=12.0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "other"}, "is not a policy"),
        ({"version": 2}, "version 2, this package reads version 1"),
        ({"model": "tree"}, "breaks the schema"),
        ({"horizon": 5}, "was altered"),
        ({"more": 1}, "breaks the schema"),
        ({"table": []}, "breaks the schema"),
    ],
)
def test_a_foreign_or_altered_file_is_refused(data, change, said):
    with pytest.raises(InputError, match=said):
        files.from_dict(data | change)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    for name in ("absent.json", "broken.json"):
        with pytest.raises(InputError, match=f"{name} cannot be read as a policy"):
            files.load(tmp_path / name)


def test_another_clock_is_refused_with_the_remedy(trace):
    made = fit.fit_trace(trace, penalty=PENALTY, block_s=12.0)
    with pytest.raises(InputError, match="takes 15 s, of the policy 12 s: rescale"):
        replay.replay(made, trace, block_s=15.0)
    with pytest.raises(InputError, match="state it with --block-s"):
        replay.replay(made, trace)
    with pytest.raises(InputError, match="every 5th block"):
        made.check_clock(files.Clock(1, 12.0, 5))
    unknown = fit.fit_trace(trace, penalty=PENALTY, sha256=SHA)
    assert len(replay.replay(unknown, trace, sha256=SHA)) == 6
    with pytest.raises(InputError, match="rescaled"):
        unknown.rescaled(12.0)
    thinned = dataclasses.replace(trace, capability=dataclasses.replace(trace.capability, observed_every=5))
    with pytest.raises(InputError, match="did not observe every block"):
        fit.fit_trace(thinned, penalty=PENALTY)


def test_a_rescaled_policy_keeps_seconds(trace):
    made = fit.fit_trace(trace, penalty=PENALTY, block_s=12.0)
    twice = made.rescaled(6.0)
    assert twice.penalty == 2 * made.penalty
    assert twice.windows == tuple(2 * window for window in made.windows)
    assert twice.horizon == 2 * made.horizon
    assert twice.horizons == tuple(2 * one for one in made.horizons)
    assert twice.most(twice.penalty) == 2 * made.most(made.penalty)
    twice.check_clock(files.Clock(None, 6.0))


def test_a_penalty_it_was_not_fitted_for_is_refused(trace):
    made = fit.fit_trace(trace, penalty=PENALTY, block_s=12.0)
    with pytest.raises(InputError, match="--penalty 1e"):
        replay.replay(made, trace, penalty=1e6, block_s=12.0)
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(InputError, match="penalty must be above 0"):
            fit.fit_trace(trace, penalty=bad)


def test_bad_borders_and_empty_traces_are_named(trace):
    with pytest.raises(InputError, match="outside of the trace"):
        fit.fit_trace(trace, penalty=1.0, until=10**9)
    with pytest.raises(InputError, match="no slot is accessed twice"):
        fit.fit_trace(dataclasses.replace(trace, accesses=trace.accesses.clear()), penalty=1.0)
    with pytest.raises(InputError, match="nothing can be judged"):
        replay.stream(trace, 10**9)


@pytest.mark.thorough
def test_the_fit_recovers_who_needs_which_window():
    """Slots accessed often come back within 10 blocks, the others never: the table keeps the former alone."""
    rng = np.random.default_rng(3)
    often = [
        (slot, block)
        for slot in range(300)
        for block in np.cumsum(rng.integers(1, 11, 60)).tolist()
        if block < 300
    ]
    once = [
        (slot, int(block)) for slot, block in zip(range(300, 3300), rng.integers(0, 300, 3000), strict=True)
    ]
    slot, block = (np.array(column) for column in zip(*often, *once, strict=True))
    base, _ = synthetic.generate(synthetic.SyntheticParameters(contracts=5, window_blocks=300))
    stamp = dataclasses.replace(base.capability, window_start=0, window_stop=300)
    known = pl.DataFrame({"slot_id": np.arange(3300, dtype=np.uint32)})
    trace = dataclasses.replace(
        base,
        accesses=pl.DataFrame(
            {"block_number": block, "tx_index": 0, "slot_id": slot, "is_write": False},
            schema=base.accesses.schema,
        ).sort("slot_id", "block_number"),
        slots=known.select(
            "slot_id", contract_id=(pl.col("slot_id") % 50).cast(pl.UInt32), address=pl.lit(b"a" * 20),
            slot=pl.lit(b"s" * 32), created_block=pl.lit(None, pl.Int64), contract_type=pl.lit(None, pl.String),
            slot_type=pl.lit(None, pl.String),
        ),
        capability=stamp,
    )  # fmt: skip
    made = fit.fit_trace(trace, penalty=30.0)
    assert made.windows[0] == 0
    assert made.windows[-1] >= 10
    # One window for all keeps some 1000 slots for 10 blocks in vain, beside 300 slots that it keeps through 100.
    assert made.saving.value == pytest.approx(10_000 / 40_000, abs=0.03)
    assert made.saving.low > 0


def run(*arguments):
    done = CliRunner().invoke(main, ["policy", *map(str, arguments)])
    return done.exit_code, done.output


def test_commands_fit_replay_and_explain(tmp_path, trace):
    path = tmp_path / "p.json"
    code, said = run("fit", "sample", "--penalty", 100, "--until", BORDER, "--out", path)
    assert code == 0
    assert "Expected saving" in said
    code, said = run("replay", path, "sample", "--json")
    rows = {row["policy"]: row for row in map(json.loads, said.splitlines()) if "total" in row}
    wanted = by_name(
        replay.replay(files.load(path), trace, border=BORDER, sha256=datasets.fingerprint("sample"))
    )
    assert rows[replay.OWN]["total"] == wanted[replay.OWN]["total"]
    code, said = run("replay", path, "sample")
    assert code == 0
    assert f"judged: blocks {BORDER + 1} to 2799" in said
    assert "clairvoyant" in said
    code, said = run("explain", path)
    assert code == 0
    assert "leaves RAM after" in said
    code, said = run("fit", "sample", "--out", path)
    assert code == 1
    assert "either --penalty" in said
    save(make(trace, block_s=12.0), tmp_path / "own.profile")
    code, said = run("fit", tmp_path / "own.profile", "--penalty", 100, "--out", tmp_path / "q.json")
    assert code == 0
    assert "95 % interval" in said
    code, said = run("replay", tmp_path / "q.json", "sample", "--block-s", 24)
    assert code == 1
    assert "--rescale" in said
    code, said = run("replay", tmp_path / "q.json", "sample", "--block-s", 24, "--rescale")
    assert code == 0


def test_prices_give_the_penalty(tmp_path):
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "ram: {usd_per_gib_month: 2.0, latency_s: 0.0}\ncold: {usd_per_gib_month: 0.0, latency_s: 0.02}\n"
        "slot_bytes: 1073741824\nblock_s: 2592000\nusd_per_s: 1000\n"
    )
    code, said = run("fit", "sample", "--prices", prices, "--out", tmp_path / "p.json")
    assert code == 0
    made = files.load(tmp_path / "p.json")
    # A slot-block is a gigabyte for a month, $2; a miss is 0.02 s at $1000.
    assert made.penalty == pytest.approx(10.0)
    assert made.usd_per_slot_block == pytest.approx(2.0)
    prices.write_text("ram: 1\n")
    code, said = run("fit", "sample", "--prices", prices, "--out", tmp_path / "p.json")
    assert code == 1
    assert "must hold" in said


def test_a_policy_that_is_carried_costs_what_its_rescaled_file_costs(trace):
    other, _ = synthetic.generate(
        synthetic.SyntheticParameters(contracts=40, window_blocks=600, base_rate=0.02)
    )
    found = transfer({"a": trace, "b": other}, penalty_s=600.0, block_s={"a": 12.0, "b": 6.0})
    assert found.height == 4
    native = found.filter(pl.col("fitted") == pl.col("judged"))
    assert (native["over_native"] == 1).all()
    last = trace.capability.window_start + round(trial.EARLIER * trace.capability.n_blocks) - 1
    border = other.capability.window_start + round(trial.EARLIER * other.capability.n_blocks) - 1
    carried = fit.fit_trace(trace, penalty=50.0, until=last, block_s=12.0).rescaled(6.0)
    wanted = by_name(replay.replay(carried, other, border=border, block_s=6.0))[replay.OWN]
    row = found.row(by_predicate=(pl.col("fitted") == "a") & (pl.col("judged") == "b"), named=True)
    assert row["total"] == wanted["total"]
    assert row["competitive_ratio"] == pytest.approx(wanted["competitive_ratio"])
    simple = fit.simple_windows(fit.fit_trace(other, penalty=100.0, until=border, block_s=6.0).tuned, 100.0)
    seen = replay.stream(other, border)
    paid = {rule: replay.by_table(seen, (0,), (at,), 100.0).cost.sum() for rule, at in simple.items()}
    assert row["simple"] == min(paid, key=paid.get)
    assert row["over_simple"] == pytest.approx(row["total"] / min(paid.values()))
    assert row["over_simple_low"] <= row["over_simple"] <= row["over_simple_high"]
    assert (row["over_simple"], row["over_simple_low"]) == pytest.approx(
        (wanted["ratio"], wanted["ratio_low"]), rel=0.1
    )
    uncut = replay.by_table(seen, carried.accesses, carried.uncut, 100.0).cost.sum()
    assert row["uncut"] == pytest.approx(uncut / min(paid.values()))
    assert found.filter("longer").select("fitted", "judged").rows() == [("b", "a")]
    with pytest.raises(InputError, match="--block-s"):
        transfer({"a": trace}, penalty_s=600.0)
    with pytest.raises(InputError, match="above 0 seconds"):
        transfer({"a": trace}, penalty_s=0.0)


def test_profiles_carry_as_their_traces_do(trace):
    """Both are cut at two thirds; gaps below 64 blocks are exact in a profile."""
    of = {"trace": trace, "profile": make(trace, block_s=12.0)}
    found = transfer(of, penalty_s=600.0, block_s={"trace": 12.0})
    rows = {(row["fitted"], row["judged"]): row for row in found.iter_rows(named=True)}
    for name in of:
        assert rows["profile", name]["over_simple"] == pytest.approx(
            rows["trace", name]["over_simple"], rel=0.01
        )
    for column in ("total", "over_simple", "competitive_ratio"):
        assert rows["trace", "profile"][column] == pytest.approx(rows["trace", "trace"][column], rel=0.02)
    whole = dataclasses.replace(of["profile"], plan=dataclasses.replace(of["profile"].plan, borders=()))
    with pytest.raises(InputError, match="no border in time"):
        transfer({"profile": whole}, penalty_s=600.0)


def test_the_command_prints_all_pairs():
    code, said = run("transfer", "sample", "--penalty-s", 600, "--block-s", 12)
    assert code == 0
    name, ratio, low, high = said.splitlines()[1].split()
    assert name == "sample"
    assert 0 < float(low.strip("(,")) <= float(ratio) <= float(high.strip(")")) < 2
