"""Sums of whole clusters, many columns at once and in runs of clusters, are those of the copied rows."""

import numpy as np
import pytest

from rollstate import bootstrap


@pytest.fixture
def rows():
    rng = np.random.default_rng(1)
    cluster = rng.integers(0, 40, 300)
    return cluster, {"a": rng.normal(size=300), "b": rng.random(300) < 0.3, "c": np.arange(300)}


@pytest.mark.parametrize("run", [1, 7, 8_192])
def test_sums_and_means_are_those_of_the_copied_rows(run, rows, monkeypatch):
    monkeypatch.setattr(bootstrap, "RUN", run)
    cluster, columns = rows
    samples = bootstrap.resampling(cluster, 12, 3)
    copied = list(bootstrap.cluster_samples(cluster, 12, 3))
    for name, found in samples.sums_of(columns).items():
        assert found == pytest.approx([columns[name][picked].sum() for picked in copied], abs=1e-9)
        assert samples.means(columns[name]) == pytest.approx(
            [columns[name][picked].mean() for picked in copied]
        )


def test_many_columns_at_once_are_each_by_itself(rows):
    cluster, columns = rows
    samples = bootstrap.resampling(cluster, 12, 3)
    together, sums = samples.means_of(columns), samples.sums_of(columns)
    for name, column in columns.items():
        assert together[name] == samples.mean(column)
        assert np.array_equal(sums[name], samples.sums(column))


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("above", [0.0, 2.0])
def test_a_ratio_that_many_samples_leave_undefined_has_no_interval(above):
    """One of five clusters has what the ratio divides by, and a third of the samples are without it."""
    samples = bootstrap.resampling(np.arange(5), 200, 1)
    top, bottom = np.array([3.0, above, above, above, above]), np.array([1.0, 0, 0, 0, 0])
    found = samples.estimate(3.0, samples.sums(top) / samples.sums(bottom))
    assert (found.value, found.interval is None) == (3.0, above > 0)
