"""Parameters are strict: a misspelt name or a bad value never reaches a kernel."""

from dataclasses import FrozenInstanceError, dataclass

import pytest

from rollstate.compendium.parameters import Parameters, parameter
from rollstate.errors import InputError


@dataclass(frozen=True)
class ToyChapter(Parameters):
    """A chapter of the tests."""

    trace: str = parameter("sample", doc="what is read")
    horizon: float = parameter(10.0, unit="blocks", low=1, high=100, doc="how far ahead")
    count: int = parameter(3, low=0, doc="how many")
    stop: int | None = parameter(None, doc="end of the window")
    rule: str = parameter("fast", choices=("fast", "slow"), doc="how")
    lags: tuple[int, ...] = parameter((1, 5), low=1, doc="lags")
    draw: bool = parameter(True, doc="whether to draw")


def test_chapter_is_named_after_the_class():
    assert ToyChapter.chapter() == "toy_chapter"


def test_defaults_fill_what_was_not_given():
    assert ToyChapter.resolve({"count": 7}).as_dict() == {
        "trace": "sample",
        "horizon": 10.0,
        "count": 7,
        "stop": None,
        "rule": "fast",
        "lags": [1, 5],
        "draw": True,
    }


def test_misspelt_name_is_refused_with_the_nearest_one():
    with pytest.raises(InputError, match=r"no parameter 'horzion'; did you mean 'horizon'"):
        ToyChapter.resolve({"horzion": 3})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"horizon": 0.5}, "1 to 100"),
        ({"horizon": float("nan")}, "finite"),
        ({"horizon": True}, "a finite number"),
        ({"horizon": "10"}, "a finite number"),
        ({"count": 1.5}, "a whole number"),
        ({"count": -1}, "at least 0"),
        ({"count": None}, "a whole number"),
        ({"stop": "x"}, "a whole number or null"),
        ({"rule": "best"}, "one of fast, slow"),
        ({"lags": [0]}, "at least 1"),
        ({"lags": 3}, r"a list such as \[1, 2\]"),
        ({"lags": []}, "at least one value"),
        ({"draw": 1}, "true or false"),
    ],
)
def test_bad_value_is_refused_and_says_what_is_allowed(given, said):
    with pytest.raises(InputError, match=said) as caught:
        ToyChapter.resolve(given)
    assert next(iter(given)) in str(caught.value)


def test_lossless_changes_of_type_are_made():
    p = ToyChapter.resolve({"horizon": 5, "count": 4.0, "lags": [2, 3], "stop": 9})
    assert (p.horizon, p.count, p.lags, p.stop) == (5.0, 4, (2, 3), 9)
    assert isinstance(p.horizon, float)
    assert isinstance(p.count, int)


def test_parameters_are_frozen():
    with pytest.raises(FrozenInstanceError):
        ToyChapter().count = 4


def test_data_sets_are_the_trace():
    assert ToyChapter(trace="mine.parquet").data_sets() == ("mine.parquet",)


def test_table_names_every_parameter_with_unit_and_range():
    html = ToyChapter()._repr_html_()
    for text in ("horizon", "blocks", "1 to 100", "how far ahead", "one of fast, slow", "not given"):
        assert text in html
    assert "None" not in html
