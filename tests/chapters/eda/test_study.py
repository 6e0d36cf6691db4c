"""The frames of the chapter on gaps: by hand, against lifelines, and on traces that hold nearly nothing."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from lifelines import NelsonAalenFitter
from tests.strategies import make_trace

from rollstate import intervals, profile
from rollstate.chapters.eda import bands, figures, rules, study
from rollstate.chapters.eda.parameters import Eda
from rollstate.compendium import bundles
from rollstate.errors import InputError
from rollstate.product_limit import cumulative_hazard
from rollstate.profile.tables import LADDER
from rollstate.traces import datasets, thinning
from rollstate.traces.thinning import unobserve

P = Eda(draws=30, permutations=100, min_active=2, min_visits=5)


def window(touches, **options):
    return study.Window.of(make_trace(touches, **options))


@pytest.fixture(scope="module")
def sample():
    return study.Window.of(datasets.load_trace("sample"))


@pytest.fixture(scope="module")
def spells(sample):
    """The spells of the sample, one by one."""
    return intervals.build(sample.data)


def test_frequencies_are_counted_by_hand():
    # Slots touched in 1, 1, 2 and 4 blocks; the transactions within a block do not count.
    blocks = {(1, 0): [100], (1, 1): [101], (2, 0): [100, 103], (2, 1): [100, 101, 102, 103]}
    touches = [(block, tx, *slot, True) for slot, at in blocks.items() for block in at for tx in (0, 1)]
    found = study.frequency(window(touches), P)
    shares = dict(found.frame.select("visits", "share").rows())
    assert (shares[1], shares[2], shares[4]) == (1, 0.5, 0.25)
    assert found.numbers["touched_again"].value == 0.5
    assert found.numbers["touched_again"].interval[0] == 0


def test_frequency_of_slots_that_are_touched_once_is_drawn():
    found = study.frequency(window([(100, 0, 1, 0, True), (101, 0, 2, 1, True)]), P)
    assert found.numbers["touched_again"].value == 0


def test_curves_start_at_one_with_all_spells_and_count_those_at_risk(sample, spells):
    found = study.gaps(sample, P)
    assert found.numbers["spells"] == spells.height
    drawn = found.frame.filter(pl.col("stratum") != study.COMPLETED)
    start = drawn.filter(pl.col("gap") == 0)
    assert (start["survival"] == 1).all()
    assert start["at_risk"].sum() == spells.filter(pl.col("entry") == 0).height
    labelled = study.strata(spells, "activity")[0]
    for (name,), part in drawn.group_by("stratum"):
        own = labelled.filter(pl.col("stratum") == name)
        for row in part.gather_every(40).iter_rows(named=True):
            gap = row["gap"]
            assert row["events"] == own.filter(pl.col("event") & (pl.col("duration") <= gap)).height
            assert row["at_risk"] == own.filter(pl.col("entry") <= gap, pl.col("duration") > gap).height
    completed = spells.filter("event")["duration"].to_numpy()
    naive = found.frame.filter(pl.col("stratum") == study.COMPLETED)
    assert naive["survival"].to_numpy() == pytest.approx(
        [(completed > gap).mean() for gap in naive["gap"]], abs=1e-12
    )
    assert found.numbers["naive_open_share"] == pytest.approx((completed > found.numbers["horizon"]).mean())


def test_hazards_are_those_of_nelson_and_aalen(sample, spells):
    duration, event, entry = (spells[name].to_numpy() for name in ("duration", "event", "entry"))
    peer = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(duration, event, entry=entry)
    at = np.arange(0, 40, 3)
    hazard = cumulative_hazard(sample.all.table.whole, at)
    assert hazard == pytest.approx(peer.cumulative_hazard_at_times(at).to_numpy())
    found = study.hazard(sample, P)
    first = found.frame.row(0, named=True)
    assert (first["above"], first["to"]) == (0, 1)
    assert first["hazard"] == pytest.approx((event & (duration == 1)).sum() / (entry < 1).sum())
    assert found.numbers["hazard_first"].value == first["hazard"]


def test_many_labels_become_a_few_strata_and_a_missing_one_activity():
    spells = pl.DataFrame(
        {
            "contract_type": [f"type {n}" for n in range(8) for _ in range(8 - n)],
            "slot_type": [None] + ["balance"] * 35,
            "activity": ["first"] * 36,
        }
    )
    labelled, by = study.strata(spells, "contract_type")
    assert by == "contract_type"
    assert labelled["stratum"].dtype.categories.to_list() == [*(f"type {n}" for n in range(5)), "other"]
    assert (labelled["stratum"] == "other").sum() == 3 + 2 + 1
    assert study.strata(spells, "slot_type")[1] == "activity"


def test_difference_of_the_rules_is_bootstrapped_in_pairs():
    rng = np.random.default_rng(1)
    contract = np.repeat(np.arange(20), 30)
    duration = rng.geometric(1 / rng.uniform(5, 60, 20)[contract])
    right = pl.DataFrame(
        {"duration": duration, "event": duration < 60, "entry": np.zeros(600, int), "contract_id": contract}
    )
    at = np.array([1, 10, 20])
    curves = rules.paired_curves(right, right, at, P)
    difference = curves.filter(pl.col("panel") == "difference")
    # The same spells by both rules: each draw gives the same curve twice, and the difference has no spread at all.
    assert difference.select("survival", "low", "high").to_numpy() == pytest.approx(np.zeros((3, 3)))
    share = curves.filter(pl.col("panel") == "share")
    assert (share["high"] - share["low"]).max() > 0.05


def test_rule_needs_known_creations_and_says_so():
    found = rules.peer_rule(make_trace([(100, 0, 1, 0, True), (105, 0, 1, 0, True)]), P)
    assert found.frame is None
    assert "created_block" in found.why
    assert "peer_hill" in found.missing


def test_curves_begin_where_enough_spells_are_at_risk():
    entry = np.r_[0.0, np.full(50, 3.0)]
    spells = bands.Spells(
        np.r_[2.0, np.full(50, 9.0)], np.ones(51, bool), entry, np.arange(51), np.ones(51, int)
    )
    begun = bands.begun(spells)
    assert len(begun.duration) == 50
    assert (begun.entry == 3).all()
    at_once = dataclasses.replace(spells, entry=np.zeros(51))
    assert bands.begun(at_once) is at_once


EDGES = {
    "two blocks, one slot": [(100, 0, 1, 0, True), (101, 0, 1, 0, False)],
    "one contract": [(100 + n % 12, 0, 1, n % 7, n % 3 == 0) for n in range(60)],
    "no slot twice": [(100 + n, 0, n % 3 + 1, n, True) for n in range(20)],
    "reads alone": [(100 + n % 9, 0, n % 4 + 1, n % 5, False) for n in range(80)],
}


@pytest.mark.parametrize("name", EDGES)
def test_each_section_answers_or_says_why_not(name):
    touches = EDGES[name]
    seen = window(touches, stop=max(block for block, *_ in touches) + 1)
    tail, _ = study.tail(seen, P)
    sections = {
        figures.frequency: study.frequency(seen, P),
        figures.gaps: study.gaps(seen, P),
        figures.hazard: study.hazard(seen, P),
        figures.hill: tail,
        figures.reuse: study.reuse(seen, P),
        figures.co_access: study.co_access(seen, P),
        figures.autocorrelation: study.autocorrelation(seen, P),
    }
    for draw, found in sections.items():
        assert found.numbers or found.missing
        assert not found.missing or len(found.why.split()) > 4
        if found.frame is not None:
            drawing = draw(bundles.from_csv(bundles.to_csv(found.frame)), **found.facts)
            assert len(bundles.render(drawing.figure, "svg")) > 1_000


def test_a_window_without_spells_says_so():
    alone = window([(129, 0, 1, 0, True)])
    for found in (study.gaps(alone, P), study.hazard(alone, P), study.tail(alone, P)[0]):
        assert "no spell" in found.why
        assert found.missing


# A profile in the place of the trace.


@pytest.fixture(scope="module")
def reduced(sample):
    return study.Window.of_profile(profile.make(sample.data, block_s=12.0))


@pytest.mark.thorough
def test_pieces_of_a_profile_are_put_together_to_the_spells_of_the_trace(reduced, spells):
    assert reduced.spells["count"].sum() == spells.height
    by = spells.group_by(pl.col("activity").cast(pl.String)).agg(pl.col("event").sum(), pl.len())
    events = pl.col("count").filter("event").sum()
    mine = reduced.spells.group_by("activity").agg(events, pl.col("count").sum().alias("len"))
    assert dict(by.select("activity", "event").iter_rows()) == dict(
        mine.select("activity", "count").iter_rows()
    )
    assert dict(by.select("activity", "len").iter_rows()) == dict(mine.select("activity", "len").iter_rows())


def test_a_profile_gives_what_its_trace_gives_within_the_grid(sample, reduced):
    exact, mine = (study.frequency(one, P) for one in (sample, reduced))
    assert mine.frame["share"].equals(exact.frame["share"])
    exact, mine = (study.gaps(one, P) for one in (sample, reduced))
    for name in ("spells", "censored_share"):
        assert mine.numbers[name] == pytest.approx(exact.numbers[name])
    assert mine.numbers["open_share"].value == pytest.approx(exact.numbers["open_share"].value, abs=0.02)
    short = pl.col("gap") < 16
    for name, part in exact.frame.filter(short).group_by("stratum"):
        same = mine.frame.filter(short, pl.col("stratum") == name[0])
        beside = part.join(same, on="gap")
        assert beside.height
        assert beside["survival"].to_list() == pytest.approx(beside["survival_right"].to_list())
    exact, mine = (study.hazard(one, P).numbers for one in (sample, reduced))
    assert mine["hazard_first"].value == pytest.approx(exact["hazard_first"].value)
    assert mine["hazard_late"].value == pytest.approx(exact["hazard_late"].value, rel=0.15)
    exact, mine = (study.tail(one, P)[0].numbers for one in (sample, reduced))
    assert mine["naive_alpha_large_k"] == pytest.approx(exact["naive_alpha_large_k"], rel=0.1)


@pytest.mark.parametrize("merged", range(len(LADDER) + 1))
def test_a_profile_that_was_merged_to_fit_still_has_all_spells(sample, reduced, merged):
    """Each step of the ladder keeps the curve of all spells; without classes there is one stratum."""
    small = study.Window.of_profile(profile.make(sample.data, block_s=12.0).coarsened(merged))
    assert small.all.count.sum() == reduced.all.count.sum()
    exact, mine = (study.gaps(one, P).numbers for one in (reduced, small))
    assert {name: mine[name] for name in ("spells", "censored_share", "horizon")} == {
        name: exact[name] for name in ("spells", "censored_share", "horizon")
    }
    assert mine["open_share"].value == exact["open_share"].value
    assert mine["open_share"].interval
    if not small.data.tells("pieces", "accesses"):
        assert small.spells["activity"].unique().to_list() == [study.MERGED]


def test_what_needs_the_accesses_says_so_of_a_profile(reduced):
    for section in (study.reuse, study.co_access, study.autocorrelation):
        found = section(reduced, P)
        assert found.missing
        assert not found.numbers
        assert "take the trace" in found.why


def test_a_thinned_trace_keeps_its_frequencies_and_says_that_it_has_no_gaps(sample):
    thin = study.Window.of(thinning.thin(sample.data, 5))
    assert study.frequency(thin, P).numbers
    for found in (study.gaps(thin, P), study.hazard(thin, P), study.tail(thin, P)[0]):
        assert not found.numbers
        assert "did not observe every block; take a window" in found.why
    for section in (study.reuse, study.autocorrelation):
        assert section(thin, P).missing


def test_a_profile_has_no_other_window(sample, tmp_path):
    path = profile.save(profile.make(sample.data), tmp_path / "chain.profile")
    assert study.window(dataclasses.replace(P, trace=str(path))).all
    with pytest.raises(InputError, match="leave window_start"):
        study.window(dataclasses.replace(P, trace=str(path), window_start=1))


@pytest.mark.parametrize(
    ("options", "dark", "why"),
    [
        ({"observed_every": 216}, [], "did not observe every block"),
        ({}, range(101, 130, 2), "did not observe every block"),
        ({"start": 100, "stop": 102}, [], "shorter than the shortest look back"),
    ],
)
def test_reuse_that_cannot_be_told_is_a_sentence(options, dark, why):
    trace = make_trace([(100, 0, 1, 0, True)], **options)
    found = study.reuse(
        study.Window.of(unobserve(trace, dark) if dark else trace), dataclasses.replace(P, lags=(2,))
    )
    assert found.frame is None
    assert why in found.why
    assert len(found.missing) == 4


def test_reuse_of_a_trace_without_writes_is_that_of_its_reads():
    touches = [(block, 0, 1, 0, False) for block in range(100, 110)]
    found = study.reuse(window(touches), dataclasses.replace(P, lags=(1,)))
    assert found.frame["touches"].to_list() == ["all touches"]
    assert found.numbers["reuse_short"].value == 1
    assert study.reuse(window([(100, 0, 1, 0, True)]), P).missing


@pytest.mark.parametrize(
    ("last", "said"),
    [(0.1, "falls from 20.0\u202f% to 10.0\u202f%"), (0.3, "rises from"), (0.2, "stays at 20.0\u202f%")],
)
def test_the_title_says_which_way_the_chance_of_an_access_goes(last, said):
    rows = {"above": [0, 1], "to": [1, 3], "hazard": [0.2, last], "low": [0.1, 0.1], "high": [0.4, 0.4]}
    drawn = figures.hazard(pl.DataFrame({"stratum": [figures._ALL] * 2, **rows}))
    assert said in drawn.figure._suptitle.get_text().replace("\n", " ")
    assert ("that fall" in drawn.alt) == (last < 0.2)
