"""Advice for a reader's own trace: what it says, what it refuses, and that it never looks ahead."""

import dataclasses

import numpy as np
import pytest
from click.testing import CliRunner

from rollstate.compendium.cli import main
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.horizons import advice, judging, rules
from rollstate.horizons.rules import ALWAYS, HINDSIGHT, NEVER, RETUNED, TUNED
from rollstate.profile import save
from tests.horizons.made import alike, drifting, made

BLOCKS = 800


@pytest.fixture(scope="module")
def steady():
    return made(alike(BLOCKS), BLOCKS)


def test_advice_is_the_window_of_the_whole_trace_and_saves_what_the_eighths_say(steady):
    found = advice.advise(steady, 20.0, window=90.0)
    chain = rules.read(steady)
    if found.policy == TUNED:
        assert found.window == chain.folds.joined().tuned(20.0)[0][0]
    judged = judging.rolling(chain, [20.0])
    cost = {name: judged.filter(policy=name)["cost"].to_numpy() for name in (*advice.CHOICE, HINDSIGHT)}
    # Nothing can be cheaper than the best rule of each eighth, or more expensive than the worst.
    ratios = np.array([cost[name] / cost[NEVER] for name in advice.CHOICE])[:, 1:]
    saved = 1 - found.saves_never.value
    assert np.exp(np.log(ratios.min(axis=0)).mean()) - 1e-9 <= saved
    assert saved <= np.exp(np.log(ratios.max(axis=0)).mean()) + 1e-9
    assert found.saves_never.low < found.saves_never.value < found.saves_never.high
    assert found.over_hindsight.value >= 1
    half = chain.folds.joined(slice(steady.plan.fold_from(BLOCKS // 2), None))
    assert found.asked_over == pytest.approx(half.cost(90.0, 20.0)[0] / half.tuned(20.0)[1][0])
    text = advice.describe(found, steady)
    for word in (
        found.policy,
        "20 days of a slot",
        "your window of 90 days",
        "7" if found.eighths == 7 else "6",
    ):
        assert word in text


def test_windows_per_class_are_priced_beside_the_advice(steady):
    found = advice.advise(steady, 20.0)
    judged = judging.rolling(rules.read(steady), [20.0])
    cost = {name: judged.filter(policy=name)["cost"].to_numpy()[1:] for name in (rules.CLASSES, HINDSIGHT)}
    # Both are over the same eighths, so that the ratio to hindsight is that of the advice times that of the classes.
    expected = np.exp(np.log(cost[rules.CLASSES] / cost[HINDSIGHT]).mean())
    assert found.by_class.value * found.over_hindsight.value == pytest.approx(expected)
    assert found.by_class.low < found.by_class.value < found.by_class.high
    assert f"would cost {found.by_class.value:.2f} of that" in advice.describe(found, steady)
    # Groups of slots give the same number another interval, and the saving is its complement.
    drawn = found.by_class_groups
    assert drawn.value == pytest.approx(found.by_class.value)
    assert drawn.low < drawn.value < drawn.high
    assert f"saves {1 - drawn.value:.1%} ({1 - drawn.high:.1%}" in advice.describe(found, steady)
    assert steady.clusters in advice.describe(found, steady)
    assert "policy fit" in advice.describe(
        dataclasses.replace(found, by_class=Estimate(0.8, 0.7, 0.9)), steady
    )
    # Without the classes there is nothing to say.
    merged = advice.advise(steady.coarsened(4), 20.0)
    assert merged.by_class is None
    assert "for each class" not in advice.describe(merged, steady)


def test_the_leader_is_followed_and_never_chosen_after_the_fact():
    cost = {name: np.full(4, 9.0) for name in advice.CHOICE}
    cost[TUNED] = np.array([1.0, 8.0, 8.0, 1.0])
    cost[ALWAYS] = np.array([2.0, 4.0, 2.0, 1.0])
    policy, followed, leaders = advice._followed(cost)
    # The tuned window leads after the first eighth (1 to 2), always demoting after the second (3 to 3: 2 + 1 < 1 + 2 is
    # a tie, which the first named keeps) and after the third.
    assert policy == ALWAYS
    assert followed.tolist() == [8.0, 8.0, 1.0]
    assert leaders == [TUNED, TUNED, ALWAYS]
    with pytest.raises(InputError, match="single eighth"):
        advice._followed({name: one[:1] for name, one in cost.items()})


def test_a_changed_chain_is_told_to_forget():
    changed = made(drifting(), 1600)
    chain = rules.read(changed)
    memory, window = rules.in_memory(chain.folds, (*chain.starts, len(changed.plan.cuts) - 1), 20.0)
    assert changed.plan.cuts[memory] >= 1000
    assert window == 0
    found = advice.advise(changed, 20.0)
    assert found.policy in (RETUNED, ALWAYS)
    assert found.window == 0


def test_a_trace_that_is_too_short_is_refused_with_the_remedy(steady):
    with pytest.raises(InputError, match="too short for a penalty of 5,000 days") as error:
        advice.advise(made(alike(40, 300), 40), 5000.0)
    assert "record 10,000 days" in str(error.value)
    assert "ask about a penalty of at most" in str(error.value)
    largest = advice.largest_penalty(rules.read(made(alike(40, 300), 40)))
    assert advice.advise(made(alike(40, 300), 40), largest).window <= 20
    with pytest.raises(InputError, match=r"price a window of 500 days.*record at least 1,000 days"):
        advice.advise(steady, 20.0, window=500.0)
    with pytest.raises(InputError, match=r"completed gaps in .* at least 200: record about"):
        advice.advise(made(alike(60, 6), 60), 5.0)
    single = made([(0, 0, 1, 1, True)], 64)
    with pytest.raises(InputError, match=r"0 completed gaps in 64 days .*much more"):
        advice.advise(single, 5.0)
    thin = dataclasses.replace(steady, capability=dataclasses.replace(steady.capability, observed_every=3))
    with pytest.raises(InputError, match="profile consecutive blocks"):
        advice.advise(thin, 5.0)


def test_times_are_said_in_the_unit_they_fill():
    said = [advice.say(n, 12.0) for n in (0, 1, 5, 300, 7200, 216_000)]
    assert said == ["0 blocks", "12 seconds", "1 minute", "1 hour", "1 day", "30 days"]
    assert advice.say(7000, None) == "7,000 blocks"
    assert advice.say(np.inf, 12.0) == "no end"


def test_the_command(steady, tmp_path):
    path = tmp_path / "chain.profile"
    save(steady, path)
    run = CliRunner().invoke
    good = run(main, ["advise", str(path), "--penalty", "20d", "--window", "48h"])
    assert good.exit_code == 0, good.output
    assert "policy:" in good.output
    assert "your window of 2 days" in good.output
    same = run(main, ["advise", str(path), "--penalty", "20"])
    assert same.output.splitlines()[2:] == good.output.splitlines()[2:-1]
    for wrong, word in (("soon", "'soon' is no time"), ("-3d", "'-3d' is no time"), ("0", "above 0")):
        bad = run(main, ["advise", str(path), "--penalty", wrong])
        assert bad.exit_code == 1
        assert word in bad.output
    timeless = tmp_path / "timeless.profile"
    save(made(alike(BLOCKS), BLOCKS, block_s=None), timeless)
    bad = run(main, ["advise", str(timeless), "--penalty", "3d"])
    assert "add --block-s" in bad.output
    assert run(main, ["advise", str(timeless), "--penalty", "20"]).exit_code == 0
    far = run(main, ["advise", str(path), "--penalty", "20d", "--window", "500d"])
    assert far.exit_code == 1
    assert "chain.profile: the trace is too short" in far.output
