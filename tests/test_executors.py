"""Work gives the same results here, on a Dask cluster of separate processes, and when one of them is killed."""

import dataclasses
import functools
import os
import signal
import time

import polars as pl
import pytest
from distributed import Client, LocalCluster

from rollstate import coverage, executors, intervals, profile
from rollstate.bootstrap import resampling
from rollstate.chapters.eda import study as eda
from rollstate.chapters.eda.parameters import Eda
from rollstate.chapters.traces import study
from rollstate.chapters.traces.parameters import Traces
from rollstate.compendium import sweeps
from rollstate.errors import InputError
from rollstate.survival import forecasts
from rollstate.tiering import evaluation, replay
from rollstate.traces import datasets, parts, store


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process of its own with one thread, behind a TCP address on this machine."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=":0"
    ) as made:
        yield made


def square(x):
    return x * x, os.getpid()


def die_once(item):
    """Kill the worker the first time; the file remembers."""
    number, memory = item
    if number == 3 and not memory.exists():
        memory.write_text("was here")
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return number * number


def deadly(item):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(item):
    raise InputError(f"bad item {item}")


def test_results_come_in_order_and_from_other_processes(cluster):
    here = list(executors.mapped(square, range(20)))
    there = list(executors.mapped(square, range(20), cluster.scheduler_address))
    assert [value for value, _ in there] == [value for value, _ in here]
    assert os.getpid() not in {process for _, process in there}


def test_a_worker_killed_on_the_way_loses_nothing(cluster, tmp_path):
    items = [(number, tmp_path / "memory") for number in range(12)]
    assert list(executors.mapped(die_once, items, cluster.scheduler_address)) == [n * n for n in range(12)]
    assert (tmp_path / "memory").exists(), "no worker was killed"


def test_the_error_of_an_item_is_the_same_here_and_there(cluster):
    for scheduler in (None, cluster.scheduler_address):
        with pytest.raises(InputError, match="bad item 7"):
            list(executors.mapped(fail, [7], scheduler))


def test_an_address_that_is_none_or_answers_nothing_is_refused(monkeypatch):
    with pytest.raises(InputError, match="must be an address"):
        list(executors.mapped(square, [1], "localhost"))
    monkeypatch.setattr(executors, "PATIENCE", 1.0)
    with pytest.raises(executors.SchedulerError, match="no Dask scheduler answers"):
        list(executors.mapped(square, [1], "tcp://127.0.0.1:9"))


def test_spells_of_a_partitioned_trace_are_the_same_on_the_cluster(cluster, tmp_path):
    trace = datasets.load_trace("sample")
    store.write_trace(trace, tmp_path / "trace", parts=5)
    whole = intervals.build(trace)
    made = [
        pl.concat(intervals.build_partitioned(tmp_path / "trace", scheduler=scheduler)).sort(
            "slot_id", "start"
        )
        for scheduler in (None, cluster.scheduler_address)
    ]
    for frame in made:
        assert frame.equals(whole)


def test_a_profile_of_a_partitioned_trace_is_the_same_on_the_cluster(cluster, tmp_path):
    trace = datasets.load_trace("sample")
    store.write_trace(trace, tmp_path / "trace", parts=5)
    # The workers open the address themselves.
    address = f"file://{tmp_path}/trace"
    there = profile.load(address, block_s=60.0, scheduler=cluster.scheduler_address)
    assert there.equals(profile.make(trace, block_s=60.0))


def test_the_chapter_on_the_trace_counts_the_same_on_the_cluster(cluster, tmp_path, monkeypatch):
    store.write_trace(datasets.load_trace("sample"), tmp_path / "trace", parts=5)
    p = Traces(trace=str(tmp_path / "trace"), window_start=1_100, draws=20)
    here = study.window(p)
    monkeypatch.setenv(executors.SCHEDULER, cluster.scheduler_address)
    there = study.window(p)
    assert there.by_block.equals(here.by_block)
    assert there.slots.equals(here.slots)
    assert there.quality().equals(here.quality())
    assert coverage.discovery(there).equals(coverage.discovery(here))
    assert study.counts(here) == study.counts(study.window(dataclasses.replace(p, trace="sample")))


def test_the_chapter_on_gaps_reads_the_parts_of_a_trace_on_the_cluster(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "IN_MEMORY", 0)
    store.write_trace(datasets.load_trace("sample"), tmp_path / "trace", parts=3)
    p = Eda(trace=str(tmp_path / "trace"), window_start=1_030, draws=20, permutations=100, min_visits=5)
    sections = (eda.frequency, eda.gaps, eda.reuse, eda.co_access, eda.autocorrelation)
    seen = eda.window(p)
    here = [section(seen, p) for section in sections]
    monkeypatch.setenv(executors.SCHEDULER, cluster.scheduler_address)
    seen = eda.window(p)
    for one, section in zip(here, sections, strict=True):
        there = section(seen, p)
        assert there.numbers == one.numbers
        assert there.frame.equals(one.frame)


def built(part, folder):
    """Build the spells of a part."""
    return intervals.build(store.read_part(folder, part), shared=intervals.context(store.partitions(folder)))


def counted(part, folder):
    """Reduce a part to what a profile adds up."""
    return profile.make(store.read_part(folder, part), block_s=60.0)


def fitted(seed, folder):
    """Fit a proportional hazards model on a sample of slots."""
    sample = forecasts.sample_slots(pl.concat(intervals.build_partitioned(folder)), seed, most=2_000)
    return forecasts.fit_cox(sample, ["n_accesses", "co_contract"]).model.summary


def replayed(miss, folder):
    """Replay fixed windows at a miss cost."""
    seen = replay.gaps(pl.concat(intervals.build_partitioned(folder)))
    return evaluation.sweep(seen, {"fixed": lambda costs: 16.0}, [float(miss)])


def resampled(seed, folder):
    """Draw contracts, and return the mean gaps of their slots."""
    spells = pl.concat(intervals.build_partitioned(folder))
    drawn = resampling(spells["contract_id"].to_numpy(), 40, seed)
    return pl.DataFrame({"mean": drawn.means(spells["duration"].to_numpy())})


@pytest.mark.thorough
@pytest.mark.parametrize("work", [built, counted, fitted, replayed, resampled])
def test_a_worker_killed_in_the_middle_of_real_work_costs_its_part_alone(work, cluster, tmp_path):
    store.write_trace(datasets.load_trace("sample"), tmp_path / "trace", parts=5)
    work = functools.partial(work, folder=tmp_path / "trace")
    expected = list(map(work, range(1, 5)))
    with Client(cluster) as client:
        found = []
        for one in executors.mapped(work, range(1, 5), cluster.scheduler_address):
            if not found:
                # What the worker has done and what it is doing is lost; its nanny starts it again.
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
            found.append(one)
    assert all(a.equals(b) for a, b in zip(found, expected, strict=True))


def test_work_that_ends_just_after_the_wait_is_not_lost():
    class Late:
        """A future that is done as soon as somebody has waited for it in vain."""

        waited = False

        def result(self, timeout=None):
            if not self.waited:
                self.waited = True
                raise TimeoutError
            return 7

        def done(self):
            return self.waited

    assert executors._result(Late(), None, "tcp://nowhere") == 7


@pytest.mark.thorough
def test_work_that_kills_every_worker_is_a_named_error():
    # A cluster of its own: one whose workers were killed over and over may stay without any.
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0") as made,
        pytest.raises(executors.SchedulerError, match="killed every worker"),
    ):
        list(executors.mapped(deadly, [1], made.scheduler_address))


def test_a_scheduler_without_workers_does_not_keep_anybody_waiting(monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 1.0)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as made,
        pytest.raises(executors.SchedulerError, match="has no worker"),
    ):
        list(executors.mapped(square, [1], made.scheduler_address))


@pytest.mark.thorough
def test_a_sweep_of_notebooks_is_the_same_on_the_cluster(cluster, root, tmp_path):
    grid = {"draws": (20, 30), "trace": ("sample",)}
    tables = [
        list(sweeps.sweep("traces", grid, root, tmp_path / name, scheduler=scheduler))
        for name, scheduler in (("here", None), ("there", cluster.scheduler_address))
    ]
    for here, there in zip(*tables, strict=True):
        assert here.equals(there)
    assert {frame["draws"].iloc[0] for frame in tables[0]} == {20, 30}
    # Finished points are not run again.
    before = (tmp_path / "here" / "0000" / "run.json").stat().st_mtime_ns
    list(sweeps.sweep("traces", grid, root, tmp_path / "here"))
    assert (tmp_path / "here" / "0000" / "run.json").stat().st_mtime_ns == before


def test_a_bad_point_stops_a_sweep_before_anything_runs(root, tmp_path):
    with pytest.raises(InputError, match="draws must be"):
        list(sweeps.sweep("traces", {"draws": (20, 1), "trace": ("sample",)}, root, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert sweeps.points({"a": (1, 2), "b": (3,)}) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
