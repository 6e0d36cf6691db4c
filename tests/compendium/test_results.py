"""The registry keeps what was recorded, and refuses what prose could not honestly quote."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.compendium import results
from rollstate.errors import InputError


def make(**changes):
    fields = {
        "key": "toy.share",
        "value": 0.7312,
        "unit": "",
        "interval": (0.70, 0.75),
        "interval_kind": "95 % bootstrap",
        "meaning": "share of something",
        "guard": "tests/test_toy.py::test_share",
        "cell": 4,
        "source": {"source": "model", "description": "toy"},
    }
    return results.Result(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": float("nan")}, "finite"),
        ({"value": float("inf")}, "finite"),
        ({"value": None}, "finite"),
        ({"interval": (0.8, 0.7)}, "swapped"),
        ({"interval_kind": ""}, "interval_kind"),
        ({"meaning": ""}, "meaning"),
        ({"guard": ""}, "guard"),
        ({"key": "Share"}, "key"),
    ],
)
def test_what_prose_cannot_quote_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        make(**changes)


@pytest.mark.parametrize(
    ("value", "unit", "spec", "text"),
    [
        (60179, "", "", "60,179"),
        (0.7312, "", ".1%", "73.1\u202f%"),
        (145.0, "s", ".0f", "145\u202fs"),
        (-0.0123, "", "", "\u22120.0123"),
        (1.5e-9, "s", ".1e", "1.5×10^\u22129\u202fs"),
        (1, "blocks", "", "1\u202fblock"),
        (2, "blocks", "", "2\u202fblocks"),
        (1.0, "slot-blocks in RAM", ".0f", "1\u202fslot-block in RAM"),
        (1.0, "ms", ".0f", "1\u202fms"),
        ("not identifiable", "", "", "not identifiable"),
        (True, "", "", "yes"),
        (np.int64(5), "", "", "5"),
        (np.float32(0.5), "", "", "0.5"),
    ],
)
def test_text_is_what_a_reader_expects(value, unit, spec, text):
    assert make(value=value, unit=unit, interval=None).text(spec) == text


def test_interval_takes_the_format_of_its_value():
    assert make().interval_text(".0%") == "70\u202f% to 75\u202f%"


def test_bad_format_names_the_key():
    with pytest.raises(InputError, match=r"toy\.share"):
        make().text("%Q")


def test_numpy_two_scalars_never_vanish():
    # NumPy 2 prints np.float64(0.5); a registry that kept it would show empty prose.
    assert type(make(value=np.float64(0.5)).value) is float


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,6}\.[a-z_]{1,8}", fullmatch=True),
        st.one_of(
            st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False), st.text()
        ),
        max_size=5,
    )
)
def test_save_and_load_return_the_same(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("registry") / "results.json"
    recorded = [make(key=key, value=value) for key, value in values.items()]
    results.save(recorded, path)
    assert results.load(path) == {result.key: result for result in recorded}
    before = path.read_bytes()
    results.save(list(reversed(recorded)), path)
    assert path.read_bytes() == before


def test_damaged_registry_is_a_named_error(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"toy.share": {"value"')
    with pytest.raises(InputError, match=r"results\.json"):
        results.load(path)
