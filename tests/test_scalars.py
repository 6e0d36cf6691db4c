from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from rollstate.errors import InputError
from rollstate.scalars import real, whole


@pytest.mark.parametrize("value", [3, 3.0, Decimal(3), np.float32(3), np.int64(3), pl.Series([1, 3]).max()])
def test_a_number_of_any_kind_is_one(value):
    assert type(real(value)) is float
    assert real(value) == 3.0
    assert type(whole(value)) is int
    assert whole(value) == 3


def test_no_precision_is_lost_on_the_way_to_an_int():
    assert whole(np.int64(2**62 + 1)) == 2**62 + 1


def test_infinities_and_nan_are_real_but_not_whole():
    assert real(float("inf")) == np.inf
    assert np.isnan(real(float("nan")))
    for value in (float("inf"), float("nan"), 2.5, Decimal("2.5")):
        with pytest.raises(InputError, match="whole number"):
            whole(value)


@pytest.mark.parametrize("value", [None, "3", b"3", [3], pl.Series([], dtype=pl.Int64).max()])
def test_what_is_no_number_is_refused(value):
    for function in (real, whole):
        with pytest.raises(InputError, match="a number is wanted"):
            function(value)
