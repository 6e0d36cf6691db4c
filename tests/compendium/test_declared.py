"""A result is declared once; what a run records must be what was declared."""

import numpy as np
import pytest

from rollstate.compendium.declared import Declared, Results, gate, result
from rollstate.errors import InputError
from rollstate.estimate import Estimate

GUARD = "tests/test_toy.py::test_share"


class CoinTossResults(Results):
    """Numbers of a toy chapter."""

    share: float = result("share of heads", fmt=".0%", interval="95 % over {draws} draws", guard=GUARD)
    tosses: int = result("tosses", guard=GUARD, gate=gate(100, 0, "an exact integer count"))
    fair: bool = result("whether the coin is fair", guard=GUARD)
    verdict: str = result("the verdict in words", guard=GUARD)


def test_names_types_and_order_are_those_of_the_class():
    assert CoinTossResults.chapter() == "coin_toss"
    assert list(CoinTossResults.declared()) == ["share", "tosses", "fair", "verdict"]
    assert CoinTossResults.about("tosses").gate.expected == 100


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("share", Estimate(np.float64(0.5), 0.4, 0.6), (0.5, (0.4, 0.6))),
        ("share", Estimate(1), (1.0, None)),
        ("tosses", np.int64(100), (100, None)),
        ("fair", np.bool_(True), (True, None)),
        ("verdict", "fair", ("fair", None)),
    ],
)
def test_a_value_is_taken_as_its_declared_type(name, value, taken):
    found = CoinTossResults.about(name).take(name, value)
    assert found == taken
    assert type(found[0]) is type(taken[0])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("share", 0.5, "record an Estimate"),
        ("tosses", Estimate(100, 90, 110), "declares no interval"),
        ("tosses", 100.5, "is declared int"),
        ("tosses", True, "is declared int"),
        ("fair", 1, "is declared bool"),
        ("verdict", 3, "is declared str"),
        ("share", Estimate("0.5"), "is declared float"),
        ("tosses", None, "is declared int"),
    ],
)
def test_another_type_or_a_missing_interval_is_refused(name, value, said):
    with pytest.raises(InputError, match=said):
        CoinTossResults.about(name).take(name, value)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'tosses'"):
        CoinTossResults.about("toses")


@pytest.mark.parametrize(
    ("one", "hint", "said"),
    [
        (Declared("", guard=GUARD), float, "needs a meaning"),
        (Declared("a number", guard="nowhere"), float, "needs a guard"),
        (Declared("a number", guard=GUARD), list, "must be declared float"),
        (Declared("a verdict", guard=GUARD, interval="95 %"), str, "has no interval"),
        (3, float, "must be declared with result"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(one, hint, said):
    with pytest.raises(InputError, match=said):
        type("BadResults", (Results,), {"__annotations__": {"x": hint}, "x": one, "__doc__": "Bad."})


def test_a_declaration_without_a_type_is_refused():
    with pytest.raises(InputError, match="needs a type"):
        type("BadResults", (Results,), {"x": result("a number", guard=GUARD), "__doc__": "Bad."})


@pytest.mark.parametrize("ends", [(0.6, 0.4), (0.4, None), (float("nan"), 0.5), (0.4, float("inf"))])
def test_an_interval_has_two_finite_ends_in_order(ends):
    with pytest.raises(InputError):
        Estimate(0.5, *ends)


def test_what_is_left_of_one_has_its_ends_turned():
    assert tuple(1 - Estimate(0.25, 0.0, 0.5)) == (0.75, 0.5, 1.0)
    assert (1 - Estimate(0.25)).interval is None
    assert Estimate(0.25, 0.0, 0.5).half_width == 0.25
