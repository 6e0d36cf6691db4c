"""Spells are checked where they are made, and covariates are on the scales that their names say."""

import numpy as np
import polars as pl
import pytest

from rollstate.errors import InputError
from rollstate.survival.spells import add_covariates, from_frame, make_spells, standardised, stratum_labels
from rollstate.survival.steps import StepHazard, access_within, step_hazard

THREE = np.array([4.0, 5.0, 6.0]), np.array([True, False, True])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"x": np.zeros(3)}, r"covariates have shape \(3,\)"),
        ({"x": np.zeros((2, 1))}, r"covariates have shape \(2, 1\)"),
        ({"x": np.zeros((3, 2)), "names": ["a"]}, "2 columns need as many different names"),
        ({"x": np.zeros((3, 2)), "names": ["a", "a"]}, "2 columns need as many different names"),
        ({"x": np.array([[1, 2], [3, 4], [5, np.nan]])}, r"\['x1'\] are not finite \(first in row 2\)"),
        ({"x": np.array([[1, np.inf], [3, 4], [5, 6.0]])}, r"\['x1'\] are not finite \(first in row 0\)"),
        ({"stratum": np.zeros(2)}, r"stratum has shape \(2,\)"),
        ({"cluster": np.zeros(2)}, r"cluster has shape \(2,\)"),
        ({"cluster": np.zeros((3, 1))}, r"cluster has shape \(3, 1\)"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_named(more, said):
    with pytest.raises(InputError, match=said):
        make_spells(*THREE, **more)


def test_labels_become_numbers_in_their_order():
    spells = make_spells(*THREE, np.eye(3)[:, :2], stratum=["b", "a", "b"], cluster=["z", "y", "z"])
    assert spells.names == ("x0", "x1")
    assert (spells.strata, spells.stratum.tolist()) == (("a", "b"), [1, 0, 1])
    assert spells.cluster.tolist() == [1, 0, 1]
    assert make_spells(*THREE).strata == ("all",)
    assert make_spells(*THREE).x.shape == (3, 0)


def test_covariates_are_on_the_scales_that_their_names_say():
    frame = pl.DataFrame(
        {
            "n_accesses": [0, 1, 20],
            "prev_gap": [None, None, 7],
            "rate": [0.0, 0.25, 1e-20],
            "slot_age": [0, -3, 9],
            "contract_age": [0, 4, -1],
            "co_contract": [None, 0, 5],
            "co_tx": [None, 2, 0],
            "wrote": [None, True, False],
        }
    )
    found = add_covariates(frame)
    log = np.log
    expected = {
        # Of a slot that was created and not yet accessed: as after the first access.
        "log_accesses": [0, 0, log(20)],
        "log_prev_gap": [0, 0, log(7)],
        "first_gap": [1, 1, 0],
        # No access at all has the least rate there is on this scale.
        "log_rate": [-30, log(0.25), -30],
        "log_age": [0, 0, log(10)],
        "log_contract_age": [0, log(5), 0],
        "log_co_contract": [0, 0, log(6)],
        "log_co_tx": [0, log(3), 0],
        "wrote_start": [0, 1, 0],
    }
    for name, values in expected.items():
        assert found[name].to_list() == pytest.approx(values), name
    assert found.select(frame.columns).equals(frame)


def test_labels_of_strata_join_their_columns():
    frame = pl.DataFrame({"a": ["x", None], "b": [1, 2]})
    assert stratum_labels(frame, ("a", "b")).tolist() == ["x/1", "unknown/2"]
    assert stratum_labels(frame, ()) is None


def test_columns_that_are_not_there_are_named():
    frame = pl.DataFrame({"duration": [3], "entry": [0], "event": [True], "a": [1.0]})
    assert from_frame(frame, ["a"]).x.tolist() == [[1]]
    assert from_frame(frame).x.shape == (1, 0)
    for more in ({"covariates": ["b"]}, {"strata": ["b"]}, {"cluster": "b"}):
        with pytest.raises(InputError, match=r"no columns \['b'\]"):
            from_frame(frame, **more)


def test_standardised_covariates_have_mean_zero_and_deviation_one():
    x = np.array([[1e-20, 5.0], [3e-20, 9.0], [2e-20, 4.0]])
    z, center, spread = standardised(make_spells(*THREE, x))
    assert z.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert z.std(axis=0) == pytest.approx([1, 1])
    assert z * spread + center == pytest.approx(x, abs=1e-30)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9 / 3])
def test_a_constant_covariate_is_named_whatever_its_size(value):
    """The mean of a thousand thirds is not quite a third, so that their deviation is not quite zero."""
    duration = np.arange(1, 1_001)
    x = np.c_[np.full(1_000, value), duration]
    with pytest.raises(InputError, match=r"\['x0'\] are constant"):
        standardised(make_spells(duration, duration > 0, x))
    # One part in a million of the value is a difference.
    x[:500, 0] += max(abs(value), 1) * 1e-6
    z = standardised(make_spells(duration, duration > 0, x))[0]
    assert z.std(axis=0) == pytest.approx([1, 1])


def test_steps_count_from_their_own_time_on_and_the_tail_from_the_last():
    hazard = StepHazard(np.array([2.0, 8.0]), np.array([0.5, 0.75]), 1.5)
    at = np.array([0, 1.9, 2, 7.9, 8, 16])
    inside = [0, 0, 0.5, 0.5, 0.75]
    assert hazard.at(at, "tail") == pytest.approx([*inside, 0.75 + 1.5 * np.log(2)])
    assert hazard.at(at, "flat").tolist() == [*inside, 0.75]
    # The last event itself does not lie beyond it.
    assert hazard.at(at[:-1]).tolist() == inside
    with pytest.raises(InputError, match="gap time 16 lies beyond the last event at 8"):
        hazard.at(at)
    bare = StepHazard(np.array([2.0]), np.array([0.5]), np.nan)
    assert bare.at(np.array([1.0, 2.0]), "tail").tolist() == [0, 0.5]
    with pytest.raises(InputError, match="events at 1 gap time are too few"):
        bare.at(np.array([2.5]), "tail")
    none = StepHazard(np.zeros(0), np.zeros(0), np.nan)
    assert none.last == 0
    assert none.at(np.array([0.0]), "tail").tolist() == [0]


@pytest.mark.parametrize("first", [0.5, 1.0, 3.0])
def test_the_tail_goes_through_the_last_tenth_of_the_events(first):
    """Of twenty events two lie beyond the eighteenth: the hazard from there on, by log time."""
    time = first * 2.0 ** np.arange(20)
    value = np.cumsum(1 / (20 - np.arange(20)))
    found = step_hazard(time, value, np.ones(20, int))
    assert found.tail_index == pytest.approx((1 / 2 + 1 / 1) / np.log(4))
    # Two events at each time: the time that leaves four of forty beyond it is the same.
    assert step_hazard(time, value, np.full(20, 2)).tail_index == pytest.approx(found.tail_index)
    # Most events at the last time: the step to it is the tail.
    heavy = step_hazard(time, value, np.r_[np.ones(19, int), 50])
    assert heavy.tail_index == pytest.approx(1 / np.log(2))


def test_a_tail_needs_two_times_above_zero():
    one = np.ones(1)
    assert np.isnan(step_hazard(one, one, one).tail_index)
    assert np.isnan(step_hazard(np.array([0.0, 1.0]), np.array([0.5, 1.0]), np.ones(2)).tail_index)
    assert step_hazard(np.array([1.0, 2.0]), np.array([0.5, 1.5]), np.ones(2)).tail_index == pytest.approx(
        1 / np.log(2)
    )


def test_an_access_within_a_horizon_is_what_the_hazard_adds_there():
    within = access_within(lambda times: 0.1 * times**2, np.array([0.0, 2.0]))
    assert within(3) == pytest.approx(1 - np.exp(-np.array([0.9, 2.1])))
    assert within(np.array([3, 0])) == pytest.approx([1 - np.exp(-0.9), 0])
