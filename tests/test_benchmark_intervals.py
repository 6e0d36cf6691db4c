"""The benchmark of intervals makes a trace of today's form, and its peers build the same spells."""

import importlib

import pytest


@pytest.fixture
def benchmark(root, monkeypatch):
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    module = importlib.import_module("intervals")
    for name, value in {"N_ACCESSES": 20_000, "N_SLOTS": 3_000, "N_BLOCKS": 500}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_all_ways_that_are_timed_give_as_many_rows(benchmark, tmp_path):
    """A column that the trace gained later ended the benchmark."""
    benchmark.make(tmp_path)
    rows = {name: work(tmp_path) for name, work in benchmark.MEASURED.items()}
    sorts = [rows.pop(name) for name in (benchmark.PEER, "DuckDB sort")]
    assert sorts == [20_000, 20_000]
    assert len(set(rows.values())) == 1
    assert 10_000 < rows["rollstate, in memory"] < 20_000
