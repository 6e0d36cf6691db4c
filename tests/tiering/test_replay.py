"""Costs add up block by block, wherever a trace is cut, and nobody beats who knows the future."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate import intervals
from rollstate.errors import InputError
from rollstate.tiering import costs as c
from rollstate.tiering import replay as r
from rollstate.tiering import windows as w
from rollstate.traces import datasets

FULL = c.Costs(3.0, 1.0, 0.25, 5.0, 40.0, 0.5, 0.75)


def spell(draw_entry, length, event):
    return draw_entry, draw_entry + length, event


spells = st.lists(
    st.builds(spell, st.integers(0, 20), st.integers(1, 60), st.booleans()), min_size=1, max_size=30
)


def made(rows):
    entry, duration, event = zip(*rows, strict=True)
    return r.Gaps(np.array(entry, float), np.array(duration, float), np.array(event))


def by_hand(e, u, event, first, second, costs):
    """Walk the blocks one at a time."""
    place = "ram" if e < first or (e == 0 and first > 0) else "ssd" if e < second else "cold"
    total, at = 0.0, {"ram": costs.ram, "ssd": costs.ssd, "cold": costs.cold}
    if e == 0:
        place = "ram"
    for idle in range(int(e), int(u)):
        wanted = "ram" if idle < first else "ssd" if idle < second else "cold"
        if wanted != place:
            # From RAM past SSD is one move; with a stop on the way it is two.
            total += costs.demote
            place = wanted
        elif idle == e and e > 0 and idle in (first, second) and first == e:
            total += costs.demote
        total += at[wanted]
    if event:
        final = "ram" if u <= first else "ssd" if u <= second else "cold"
        total += {"ram": 0, "ssd": costs.miss_ssd + costs.promote, "cold": costs.miss_cold + costs.promote}[
            final
        ]
    return total


@given(spells, st.integers(0, 50), st.integers(0, 50))
def test_costs_are_those_of_a_walk_block_by_block(rows, first, more):
    """Spells seen from their start; late ones are held to their cut below."""
    rows = [(0, u - e, event) for e, u, event in rows]
    seen = made(rows)
    found = r.replay(seen, float(first), FULL, float(first + more))
    wanted = [by_hand(e, u, event, first, first + more, FULL) for e, u, event in rows]
    assert found.cost == pytest.approx(wanted)
    assert found.ram + found.ssd + found.cold == pytest.approx(seen.duration - seen.entry)


@given(spells, st.integers(0, 50), st.integers(0, 30), st.data())
def test_a_cut_changes_nothing(rows, first, more, data):
    """Each spell cut at some idle time, both parts replayed, costs what it cost whole."""
    seen = made(rows)
    cut = np.array([data.draw(st.integers(int(e), int(u))) for e, u, _ in rows], float)
    whole = r.replay(seen, float(first), FULL, float(first + more))
    total = np.zeros(len(seen))
    before, behind = cut > seen.entry, cut < seen.duration
    if before.any():
        event = seen.event & ~behind
        head = r.Gaps(seen.entry[before], cut[before], event[before])
        total[before] += r.replay(head, float(first), FULL, float(first + more)).cost
    if behind.any():
        tail = r.Gaps(cut[behind], seen.duration[behind], seen.event[behind])
        total[behind] += r.replay(tail, float(first), FULL, float(first + more)).cost
    assert total == pytest.approx(whole.cost)


@given(spells, st.integers(0, 60), st.integers(0, 60), st.floats(0, 50))
def test_nobody_beats_the_clairvoyant(rows, first, more, penalty):
    seen = made(rows)
    for costs in (c.two_tiers(penalty), c.Costs(3.0, 1.0, 0.25, penalty, penalty * 2)):
        bound = r.clairvoyant(seen, costs)
        assert (bound <= r.replay(seen, float(first), costs, float(first + more)).cost + 1e-9).all()


@given(spells, st.floats(0.1, 60))
def test_ski_rental_costs_at_most_twice_the_best(rows, penalty):
    rows = [(0, u - e, True) for e, u, _ in rows]
    seen, costs = made(rows), c.two_tiers(penalty)
    paid = r.replay(seen, w.ski_rental(costs), costs).cost
    assert (paid <= 2 * r.clairvoyant(seen, costs) + 1e-9).all()


@given(spells, st.floats(0, 50), st.floats(0, 80))
def test_what_is_paid_is_the_cost_of_the_replay(rows, penalty, window):
    """For any window, and for one that ends with a spell: an access at its end still finds the slot in RAM."""
    seen = made(rows)
    for costs in (c.two_tiers(penalty), c.Costs(3.0, 1.0, 0.25, 5.0, 40.0, 0.0, 0.75)):
        for held in (window, seen.duration[0], seen.duration):
            assert r.paid(seen, held, costs) == pytest.approx(r.replay(seen, held, costs).cost)


def test_an_open_spell_costs_ski_rental_a_miss_and_the_clairvoyant_nothing():
    seen, costs = made([(0, 50, False)]), c.two_tiers(20.0)
    assert r.replay(seen, w.ski_rental(costs), costs).cost[0] == 20
    assert r.clairvoyant(seen, costs)[0] == 0


def test_random_ski_rental_keeps_its_expected_ratio():
    costs, factor = c.two_tiers(20.0), np.e / (np.e - 1)
    for length in (1.0, 5.0, 19.0, 20.0, 40.0):
        n = 40_000
        seen = r.Gaps(np.zeros(n), np.full(n, length), np.ones(n, bool))
        paid = r.replay(seen, w.ski_rental_random(costs, n, 1), costs).cost
        bound = r.clairvoyant(seen, costs)[0]
        assert paid.mean() / bound < factor + 4 * paid.std() / np.sqrt(n) / bound


def test_what_is_seen_after_a_block_goes_on_with_its_idle_time():
    trace = datasets.load_trace("sample")
    whole = intervals.build(trace)
    block = 2_000
    later = intervals.build(trace, window=(block + 1, trace.capability.window_stop))
    columns = ["slot_id", "start", "entry", "duration", "event"]
    found = r.after(whole, block).select(columns).sort("slot_id", "start")
    assert found.equals(later.select(columns).sort("slot_id", "start"))


@given(spells, spells, st.floats(0.5, 30))
def test_windows_do_not_depend_on_the_future(past, future, penalty):
    """An altered future gives the same windows: they are set from the past and the slot's own clock alone."""
    costs, grid = c.two_tiers(penalty), np.arange(0.0, 61.0)
    seen = made(past)
    at_risk = (seen.duration[:, None] > grid).mean(axis=0)
    survival = np.r_[1.0, at_risk[1:]][None, :]
    altered = made([(e, u + 7, not event) for e, u, event in future])
    choices = [
        w.tuned(seen, costs)[0], w.ski_rental(costs), w.exact(survival, grid, costs)[0],
        w.cutoff(survival, grid, costs, 10)[0],
    ]  # fmt: skip
    # Until a spell ends, what is held of it is the same in both futures.
    upto = made(future).duration
    for window in choices:
        held = [
            r.replay(r.Gaps(judged.entry, upto, np.zeros(len(upto), bool)), float(window), costs).ram
            for judged in (made(future), altered)
        ]
        assert np.array_equal(*held)
        assert (r.replay(altered, float(window), costs).ram >= held[0] - 1e-9).all()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: c.two_tiers(-1), "miss_ssd must be"),
        (lambda: c.two_tiers(float("nan")), "finite number"),
        (lambda: c.Costs(1, 2, 0, 1, 1), "order RAM, SSD, cold"),
        (lambda: c.Costs(2, 1, 0, 5, 1), "order RAM, SSD, cold"),
        (lambda: r.Gaps(np.array([]), np.array([]), np.array([])), "no spells"),
        (lambda: r.Gaps(np.array([3.0]), np.array([3.0]), np.array([True])), "entry < duration"),
        (lambda: r.replay(made([(0, 3, True)]), -1, FULL), "at least 0"),
        (lambda: r.replay(made([(0, 3, True)]), 5, FULL, 4), "T2 >= T1"),
        (lambda: w.cutoff(np.ones((1, 2)), np.array([0.0, 1.0]), c.two_tiers(1), 0), "tau must be above 0"),
        (lambda: c.worksheet(c.MEDIA, slot_bytes=0, block_s=1, usd_per_s=1), "slot_bytes must be above 0"),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises(InputError, match=match):
        call()


def test_the_worksheet_is_prices_times_time():
    media = {"ram": c.Medium(4.0, 1e-6), "ssd": c.Medium(2.0, 3e-6), "cold": c.Medium(1.0, 1e-3)}
    costs = c.worksheet(media, slot_bytes=100, block_s=2, usd_per_s=0.5)
    # So small that an absolute tolerance would take anything.
    for name, price in {"ram": 4.0, "ssd": 2.0, "cold": 1.0}.items():
        assert getattr(costs, name) == pytest.approx(price * 100 / 2**30 * 2 / (30 * 86_400), rel=1e-9, abs=0)
    assert costs.miss_ssd == pytest.approx(2e-6 * 0.5, rel=1e-9, abs=0)
    assert costs.miss_cold == pytest.approx(999e-6 * 0.5, rel=1e-9, abs=0)
    assert (costs.demote, costs.promote) == (0, 0)
    path = c.worksheet(media, slot_bytes=100, block_s=2, usd_per_s=0.5, accesses=8)
    assert (path.miss_cold, path.ram) == (pytest.approx(8 * costs.miss_cold, rel=1e-9, abs=0), costs.ram)
    listed = c.worksheet(c.MEDIA, slot_bytes=1, block_s=1, usd_per_s=1)
    assert listed.ram > listed.ssd > listed.cold


@pytest.mark.parametrize("name", ["slot_bytes", "block_s", "usd_per_s", "accesses"])
def test_a_worksheet_needs_positive_numbers_and_three_media(name):
    values = {"slot_bytes": 1, "block_s": 1, "usd_per_s": 1, "accesses": 1}
    for wrong in (0, -1, np.inf):
        with pytest.raises(InputError, match=f"{name} must be above 0"):
            c.worksheet(c.MEDIA, **{**values, name: wrong})
    with pytest.raises(InputError, match="ram, ssd and cold"):
        c.worksheet({"ram": c.MEDIA["ram"]}, **values)


def test_costs_may_be_nothing_and_tiers_alike():
    assert c.Costs(0, 0, 0, 0, 0).penalty == 0
    assert c.Costs(1, 1, 1, 2, 2, 3, 4).penalty == 6
    for wrong in ((1, 1, 2, 5, 5), (2, 1, 0, 5, 4), (1, 1, 1, -1, 5), (1, 1, 1, 5, np.inf)):
        with pytest.raises(InputError):
            c.Costs(*wrong)


@given(spells, st.floats(0, 30), st.floats(0, 30))
def test_the_bound_is_the_cheapest_of_three_places_moves_included(rows, demote, promote):
    """Kept in RAM, or sent to SSD or cold storage at once; a spell that is seen late has paid its demotion before."""
    seen = made(rows)
    costs = c.Costs(3.0, 1.0, 0.25, 5.0, 40.0, demote, promote)
    places = [
        r.replay(seen, np.inf, costs), r.replay(seen, 0.0, costs, np.inf), r.replay(seen, 0.0, costs),
    ]  # fmt: skip
    assert r.clairvoyant(seen, costs) == pytest.approx(np.min([place.cost for place in places], axis=0))


def test_who_demotes_a_slot_at_its_access_pays_for_it_once():
    costs = c.Costs(3.0, 1.0, 0.25, 5.0, 40.0, 0.5, 0.75)
    seen = made([(0, 100, False), (7, 100, False), (0, 100, True)])
    assert r.clairvoyant(seen, costs).tolist() == [25 + 0.5, 0.25 * 93, 25 + 0.5 + 40.75]
    found = r.replay(seen, 0.0, costs)
    assert found.moves.tolist() == [1, 0, 2]
    assert r.replay(seen, 10.0, costs, 20.0).moves.tolist() == [2, 2, 3]
    # A window that ends with the spell demotes nothing, nor does one that ended before the spell came into view.
    assert r.replay(seen, 100.0, costs).moves.tolist() == [0, 0, 0]
    assert r.replay(seen, 7.0, costs, 7.0).moves.tolist() == [1, 1, 2]
