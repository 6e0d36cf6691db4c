"""Rules set their windows from the past alone, and cost what a replay of every spell says."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.horizons import judging, posterior, rules, tables
from rollstate.profile import costs
from rollstate.tiering.costs import two_tiers
from rollstate.tiering.replay import after, clairvoyant, gaps, paid
from tests.horizons.made import alike, drifting, made, touched, trace

BLOCKS = 800
PENALTIES = (2.0, 15.0, 60.0, 300.0)


@pytest.fixture(scope="module")
def touches():
    return alike(BLOCKS)


@pytest.fixture(scope="module")
def chain(touches):
    return rules.read(made(touches, BLOCKS))


@pytest.fixture(scope="module")
def spells(touches):
    return intervals.build(trace(touches, BLOCKS))


def test_tables_by_fold_add_up_to_those_of_the_profile(chain):
    plan = chain.profile.plan
    for first, last in ((0, len(plan.cuts) - 1), (2, 5)):
        mine = chain.folds.joined(slice(first, last))
        other = costs.window_table(chain.profile, plan.cuts[first], plan.cuts[last])
        at = np.array([0, 1, 7.5, 40, 100, 333, np.inf])
        for penalty in PENALTIES:
            theirs = other.costs(at, ram=1.0, cold=0.0, penalty=penalty)
            assert [mine.cost(w, penalty)[0] for w in at] == pytest.approx(theirs)
            window, cost = mine.tuned(penalty)
            assert (window[0], cost[0]) == pytest.approx(other.tuned(ram=1.0, cold=0.0, penalty=penalty))


def test_a_group_is_priced_as_if_it_were_alone(chain):
    frame = chain.pieces
    code = frame["class"].to_numpy()
    whole = tables.table(frame, code, len(chain.of_class))
    windows = np.random.default_rng(1).integers(0, 200, len(chain.of_class)).astype(float)
    windows[0] = np.inf
    cost, (best, least) = whole.cost(windows, 30.0), whole.tuned(30.0, open_end=True)
    for number in np.unique(code):
        alone = tables.table(frame.filter(pl.col("class") == number))
        assert alone.cost(windows[number], 30.0)[0] == pytest.approx(cost[number])
        assert alone.tuned(30.0, open_end=True)[0][0] == best[number]
        assert least[number] <= cost[number] or best[number] == np.inf


def test_fixed_rules_cost_what_a_replay_of_every_spell_says(chain, spells):
    border = chain.borders[3]
    seen = gaps(after(spells, border - 1))
    found = judging.judge(chain, border, PENALTIES)
    window = {rules.MONTH: 30.0, rules.QUARTER: 90.0, rules.NEVER: np.inf, rules.ALWAYS: 0.0}
    for row in found.iter_rows(named=True):
        costed = two_tiers(row["penalty"])
        at = window.get(row["policy"], row["window"])
        if row["policy"] == rules.CLAIRVOYANT:
            assert row["cost"] == pytest.approx(clairvoyant(seen, costed).sum(), rel=0.02)
        elif at is not None:
            assert row["cost"] == pytest.approx(paid(seen, at, costed).sum(), rel=0.02)
            missed = (seen.event & (seen.duration > at)).sum()
            assert row["hit_coverage"] == pytest.approx(1 - missed / seen.event.sum(), abs=0.01)


def test_re_tuned_windows_are_those_of_a_spells_start(chain, spells):
    """The oracle: every spell has the window in force at the border before its start, and keeps it."""
    border, penalty = chain.borders[3], 15.0
    seen = after(spells, border - 1)
    in_force = rules.schedule(chain.folds, chain.starts, penalty)
    start = np.maximum(seen["start"].to_numpy(), border)
    at = in_force[np.searchsorted(np.array(chain.borders), start, "right") - 1]
    row = judging.judge(chain, border, [penalty]).filter(policy=rules.RETUNED).row(0, named=True)
    assert row["cost"] == pytest.approx(paid(gaps(seen), at, two_tiers(penalty)).sum(), rel=0.01)


def test_an_altered_future_changes_no_window(touches, chain):
    border = chain.borders[3]
    other = [t for t in touches if t[0] < border]
    other += [t for t in touched(90, BLOCKS, lambda rng, now: rng.integers(1, 9), seed=7) if t[0] >= border]
    altered = rules.read(made(other, BLOCKS))
    fold = chain.profile.plan.fold_from(border)
    for penalty in PENALTIES:
        for name, rule in rules.RULES.items():
            mine, theirs = rule(rules.Known(chain, fold), penalty), rule(rules.Known(altered, fold), penalty)
            if not mine.column or name == rules.RETUNED:
                # Of re-tuning, what is in force at the border; later windows may see what came before them.
                at = fold if mine.column else 0
                assert mine.windows[at] == theirs.windows[at]
                continue
            keys = {rules.CLASSES: "of_class", rules.SLOTS: "of_history"}[name]
            a, b = (
                dict(zip(map(tuple, getattr(one, keys).tolist()), made_of.windows, strict=True))
                for one, made_of in ((chain, mine), (altered, theirs))
            )
            shared = set(a) & set(b)
            assert len(shared) > 5
            assert {key: a[key] for key in shared} == pytest.approx({key: b[key] for key in shared}, rel=1e-6)


def test_hindsight_bounds_every_fixed_window_and_the_clairvoyant_bounds_all(chain):
    found = judging.rolling(chain, PENALTIES)
    fixed = found.filter(pl.col("window").is_not_null())
    assert fixed["to_hindsight"].min() > 1 - 1e-9
    for _, part in found.group_by("fold", "penalty"):
        least = part.filter(policy=rules.CLAIRVOYANT)["cost"][0]
        assert part["cost"].min() >= least * (1 - 0.02)
        simple = part.filter(pl.col("policy").is_in(rules.SIMPLE))
        assert simple["to_simple"].min() == pytest.approx(1)
        assert part["simple"][0] == simple.sort("cost")["policy"][0]
    assert set(found["policy"]) == set(rules.ORDER)
    assert found["fold"].unique().sort().to_list() == list(range(1, 8))


def test_re_tuning_survives_a_change_and_costs_little_without_one():
    penalty = 20.0
    changed = rules.read(made(drifting(), 1600))
    cost = dict(judging.second_half(changed, [penalty]).select("policy", "to_hindsight").rows())
    assert cost[rules.TUNED] > 1.25
    assert cost[rules.RETUNED] < 0.9 * cost[rules.TUNED]
    # Behind the change the memory holds nothing from before it.
    in_force = rules.schedule(changed.folds, changed.starts, penalty)
    assert in_force[0] == in_force[3] > 0
    assert in_force[-1] == 0
    steady = rules.read(made(alike(1600, 200, seed=3), 1600))
    cost = dict(judging.second_half(steady, [penalty]).select("policy", "to_simple").rows())
    assert cost[rules.RETUNED] < 1.02


@given(st.integers(0, 30), st.floats(0, 500), st.floats(0.05, 5), st.floats(1, 300), st.floats(0.5, 400))
def test_the_slots_window_has_the_least_expected_cost(n, time, shape, rate, penalty):
    window = float(posterior.Prior(shape, rate).window(np.array([n]), np.array([time]), penalty)[0])
    a, b = shape + n, rate + time

    def expected(t):
        power = 1 - a
        held = b * np.log1p(t / b) if power == 0 else b * np.expm1(power * np.log1p(t / b)) / power
        return held + penalty * (b / (b + t)) ** a

    best = expected(window)
    for other in (0.0, window * 0.8, window * 1.2 + 0.1, window + 50):
        assert best <= expected(other) * (1 + 1e-9)


def test_the_prior_is_found_again():
    rng = np.random.default_rng(4)
    rates = rng.gamma(0.8, 1 / 40.0, 900)
    blocks = 2000
    touches = [
        (int(block), 0, 1 + slot % 30, slot, True)
        for slot, rate in enumerate(rates)
        for block in np.flatnonzero(rng.random(blocks) < -np.expm1(-rate))
    ]
    chain = rules.read(made(touches, blocks))
    # Slots come in by their first touch, so that rare ones are missing: a slot's first spell tells its rate anew.
    prior = posterior.fit(chain.pieces)
    assert prior.shape / prior.rate == pytest.approx(0.8 / 40, rel=0.5)
    far = posterior.Prior(prior.shape * 3, prior.rate * 3)
    assert _likelihood(chain.pieces, prior) > _likelihood(chain.pieces, far)
    for factor in (0.9, 1.1):
        near = posterior.Prior(prior.shape * factor, prior.rate)
        assert _likelihood(chain.pieces, prior) > _likelihood(chain.pieces, near)


def _likelihood(frame, prior):
    n, t = posterior.history(frame["accesses"].to_numpy(), frame["pace"].to_numpy())
    rows = frame["rows"].to_numpy()
    ends, begins = frame["ends"].to_numpy() / rows, frame["begins"].to_numpy() / rows
    a, b = prior.shape + n, prior.rate + t
    return float(
        rows @ (frame["event"].to_numpy() * np.log(a / (b + ends)) - a * np.log((b + ends) / (b + begins)))
    )


def test_rules_that_need_merged_classes_or_a_clock_are_left_out(chain):
    merged = chain.profile.coarsened(4)
    assert set(rules.RULES) - set(rules.available(merged)) == {rules.CLASSES, rules.SLOTS}
    timeless = dataclasses.replace(chain.profile, plan=dataclasses.replace(chain.profile.plan, block_s=None))
    assert set(rules.RULES) - set(rules.available(timeless)) == {rules.MONTH, rules.QUARTER}
    found = judging.second_half(rules.read(timeless), [10.0])
    assert rules.MONTH not in set(found["policy"])
    # Of 800 hours, 30 days are most and 90 days are more than all.
    hourly = dataclasses.replace(chain.profile, plan=dataclasses.replace(chain.profile.plan, block_s=3600.0))
    assert set(rules.RULES) - set(rules.available(hourly)) == {rules.QUARTER}


def test_errors_name_the_input(chain):
    with pytest.raises(InputError, match="block 13 is no border"):
        judging.judge(chain, 13, [1.0])
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"not {bad}"):
            judging.second_half(chain, [bad])
    with pytest.raises(InputError, match="end later"):
        judging.judge(chain, chain.borders[3], [1.0], chain.borders[2])
    once = rules.read(made([(5, 0, 1, slot, True) for slot in range(9)], 64))
    with pytest.raises(InputError, match="on both sides"):
        judging.second_half(once, [1.0])
    with pytest.raises(InputError, match="longer trace for rolling folds"):
        judging.rolling(once, [1.0])
    with pytest.raises(InputError, match="at least 0 idle blocks"):
        chain.folds.cost(-1.0, 1.0)


def test_a_thinned_trace_is_refused(touches):
    stamp = {"observed_every": 3}
    thin = made(touches, BLOCKS)
    thin = dataclasses.replace(thin, capability=dataclasses.replace(thin.capability, **stamp))
    with pytest.raises(InputError, match="every"):
        rules.read(thin)
