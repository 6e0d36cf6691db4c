"""A profile on disk is whole, named for what it is, and never taken for another."""

import dataclasses
import json

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.strategies import make_trace

from rollstate.compendium.cli import main
from rollstate.errors import InputError
from rollstate.profile import load, packaged, shipping
from rollstate.profile.files import LARGEST, load_file, save
from rollstate.profile.plan import plan
from rollstate.profile.reduction import make
from rollstate.profile.tables import LADDER, TABLES
from rollstate.traces import datasets, store
from rollstate.traces.marks import PROFILE_KEY, is_profile
from rollstate.traces.synthetic import SyntheticParameters, generate

TRACE = make_trace([(100, 0, 1, 0, True), (104, 1, 1, 0, False), (105, 0, 2, 1, True)])


@pytest.fixture
def path(tmp_path):
    return save(make(TRACE), tmp_path / "a.profile")


def test_round_trip_and_same_bytes(path, tmp_path):
    assert load_file(path).equals(make(TRACE))
    assert save(make(TRACE), tmp_path / "b.profile").read_bytes() == path.read_bytes()
    assert is_profile(path)
    assert load(path).equals(make(TRACE))


def test_a_long_trace_stays_small(tmp_path):
    trace = generate(SyntheticParameters(contracts=260, window_blocks=2_000, seed=2))[0]
    made = make(trace, block_s=12.0)
    assert made.plan.group_by == "contract"
    file = save(made, tmp_path / "c.profile")
    assert load_file(file).equals(made)
    assert file.stat().st_size < LARGEST


def test_a_chain_in_which_everything_happens_still_fits_and_says_what_it_cannot_tell(tmp_path, monkeypatch):
    """Random touches over a long time fill every cell that a profile has."""
    from rollstate.profile import counts, curves, files, reuse
    from rollstate.profile.costs import window_tables_by_group

    trace = generate(SyntheticParameters(contracts=20, window_blocks=800, seed=2))[0]
    made = make(trace, block_s=12.0)
    least = save(made.coarsened(len(LADDER)), tmp_path / "least.profile")
    monkeypatch.setattr(files, "SMALL", files.FAST)
    monkeypatch.setattr(files, "LARGEST", least.stat().st_size)
    small = load_file(save(made, tmp_path / "small.profile"))
    assert small.merged == len(LADDER)
    # Totals, and what needs no class, are those of the whole.
    assert curves.kaplan_meier(small).equals(curves.kaplan_meier(made))
    assert reuse.by_lag(small, seed=1).equals(reuse.by_lag(made, seed=1))
    with pytest.raises(InputError, match="without 'accesses' in pairs"):
        reuse.by_class(small, seed=1)
    # A quarter of the groups holds as much, and hot sets are known as well but for the grid of idle times.
    for mine, whole in zip(window_tables_by_group(small)[1:], window_tables_by_group(made)[1:], strict=True):
        assert mine.sum(axis=0) == pytest.approx(whole.sum(axis=0))
        assert np.count_nonzero(mine.reshape(len(mine), -1).any(axis=1)) <= 16
    near, exact = counts.hot_set(small, 20, near=False), counts.hot_set(made, 20, near=False)
    assert near.drop("recent").equals(exact.drop("recent"))
    assert near["recent"].to_numpy() == pytest.approx(exact["recent"].to_numpy(), abs=0.05)


def test_pieces_without_classes_are_stored_once(tmp_path):
    """They are the cells of the sums then; with types of contracts they are not."""
    typed = generate(SyntheticParameters(contracts=40, window_blocks=800, seed=2))[0]
    slots = typed.slots.with_columns(
        pl.lit(None, pl.String).alias(name) for name in ("contract_type", "slot_type")
    )
    sizes = {}
    for name, trace in (("typed", typed), ("plain", dataclasses.replace(typed, slots=slots))):
        least = make(trace, block_s=12.0).coarsened(len(LADDER))
        path = save(least, tmp_path / f"{name}.profile")
        assert load_file(path).equals(least)
        kept = pl.read_parquet(path).filter(pl.col("table") == "pieces").height
        sizes[name] = (kept, least.pieces.height, least.sums.height)
    assert sizes["typed"][0] == sizes["typed"][1] > sizes["typed"][2]
    assert sizes["plain"][0] == 0 < sizes["plain"][1] == sizes["plain"][2]


def test_a_file_that_would_be_too_large_says_what_it_merged(tmp_path, monkeypatch):
    from rollstate.profile import curves, files, rows

    trace = generate(SyntheticParameters(contracts=40, window_blocks=2_000, seed=2))[0]
    made = make(trace)
    # What is left with four columns merged just fits.
    limit = save(made.coarsened(4), tmp_path / "two.profile").stat().st_size
    monkeypatch.setattr(files, "SMALL", files.FAST)
    monkeypatch.setattr(files, "LARGEST", limit)
    small = load_file(save(made, tmp_path / "small.profile"))
    assert small.merged == 4
    assert small.equals(made.coarsened(small.merged))
    assert not small.equals(made)
    assert "gap merged in pieces" in small.describe()
    assert curves.kaplan_meier(small).equals(curves.kaplan_meier(made))
    assert small.sums.equals(made.sums)
    with pytest.raises(InputError, match="without 'gap' in pieces"):
        rows.regression_rows(small)
    with pytest.raises(InputError, match="without 'gap' in pieces"):
        curves.kaplan_meier(small, where=pl.col("gap") > 3)
    with pytest.raises(InputError, match="columns merged"):
        small + made
    # Bands by activity then come from the ends by class, in fewer groups: near those of the whole.
    ends = np.array(curves.band(made.coarsened(2), [2, 5, 7], activity=2, seed=1))
    whole = np.array(curves.band(made, [2, 5, 7], activity=2, seed=1))
    assert ends == pytest.approx(whole, abs=0.05)
    with pytest.raises(InputError, match="without 'accesses' in ends_by_class"):
        curves.band(made.coarsened(9), [5], activity=1, seed=1)
    monkeypatch.setattr(files, "LARGEST", 1000)
    with pytest.raises(InputError, match="would take"):
        save(made, tmp_path / "none.profile")
    assert not list(tmp_path.glob("*none*"))


def test_no_address_and_no_key_in_the_file(tmp_path):
    trace = generate(SyntheticParameters(contracts=5, window_blocks=500, seed=2))[0]
    data = save(make(trace), tmp_path / "c.profile").read_bytes()
    table = pq.read_table(tmp_path / "c.profile")
    assert set(table.column_names) == {"table", *(column for name in TABLES for column in TABLES[name])}
    for column in ("address", "slot"):
        for value in trace.slots[column].to_list():
            assert value not in data


def test_damaged_and_foreign_files_are_named(path, tmp_path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"a\.profile cannot be read as a profile"):
        load_file(path)
    with pytest.raises(InputError, match="does not exist"):
        load_file(tmp_path / "none.profile")
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(InputError, match="not a profile; make one"):
        load_file(path)


def _rewritten(path, change):
    table = pq.read_table(path)
    stamp = json.loads(table.schema.metadata[PROFILE_KEY.encode()])
    table = change(table, stamp) or table
    pq.write_table(table.replace_schema_metadata({PROFILE_KEY: json.dumps(stamp).encode()}), path)


def test_another_version_and_altered_counts_are_refused(path, tmp_path):
    other = save(make(TRACE), tmp_path / "b.profile")

    def older(table, stamp):
        stamp["version"] = 1

    _rewritten(path, older)
    with pytest.raises(InputError, match=r"schema version 1.*make it anew from its trace"):
        load_file(path)

    def fewer(table, stamp):
        return table.slice(1)

    _rewritten(other, fewer)
    with pytest.raises(InputError, match="not those that were saved"):
        load_file(other)
    third = save(make(TRACE), tmp_path / "d.profile")

    def bare(table, stamp):
        del stamp["plan"]["cuts"]

    _rewritten(third, bare)
    with pytest.raises(InputError, match="damaged profile"):
        load_file(third)


def test_profiles_of_other_chains_and_grids_do_not_add_up(path):
    one = load_file(path)
    other = make(make_trace([(100, 0, 1, 0, True)], chain_id=5))
    with pytest.raises(InputError, match=r"within one trace alone.*--diff"):
        one + other
    cut = plan(TRACE.capability, TRACE.blocks, 1, block_s=3600.0)
    with pytest.raises(InputError, match=r"different grids.*history"):
        one + make(TRACE, cut=dataclasses.replace(cut, history={"hour": 114}))


def test_a_profile_is_no_trace(path):
    with pytest.raises(InputError, match=r"Co-access, caches, conflicts.*need the trace"):
        datasets.load_trace(str(path))


def test_load_makes_a_profile_of_any_trace(tmp_path):
    store.write_trace(TRACE, tmp_path / "whole")
    store.write_trace(TRACE, tmp_path / "parts", parts=2)
    for folder in ("whole", "parts"):
        made = load(tmp_path / folder)
        assert made.equals(make(TRACE))
        assert made.trace_sha256 == datasets.fingerprint(str(tmp_path / folder))
    with pytest.raises(InputError, match="neither a data set"):
        load(str(tmp_path / "nothing"))


def test_shipped_profiles_are_whole_small_and_say_where_they_are_from():
    found = packaged.shipped()
    assert set(found) == set(shipping.NAMES)
    assert sum(entry.bytes for entry in found.values()) <= shipping.LARGEST_TOGETHER
    for name, entry in found.items():
        profile = load(name)
        assert entry.bytes == entry.path.stat().st_size <= LARGEST
        assert profile.trace_sha256 == entry.trace_sha256 == datasets.fingerprint(name)
        assert all(
            (entry.source, entry.commit, entry.licence, entry.span, entry.sees, entry.misses, entry.checks)
        )
    assert load("mainnet_thinned_30d").capability.observed_every == 216


def test_shipped_file_without_its_checksum_or_altered(tmp_path, monkeypatch):
    entry = json.loads((packaged.folder() / "index.json").read_text())["linea_28279135"]
    source = packaged.folder() / "linea_28279135.parquet"
    (tmp_path / "linea_28279135.parquet").write_bytes(source.read_bytes()[:-1])
    (tmp_path / "index.json").write_text(json.dumps({"linea_28279135": entry}))
    with pytest.raises(InputError, match=r"has SHA-256 .* install the package again"):
        packaged.checked(packaged.shipped(tmp_path)["linea_28279135"])
    (tmp_path / "index.json").write_text(json.dumps({}))
    packaged.shipped.cache_clear()
    with pytest.raises(InputError, match=r"has no SHA-256 in index\.json"):
        packaged.shipped(tmp_path)
    del entry["licence"]
    (tmp_path / "index.json").write_text(json.dumps({"linea_28279135": entry}))
    packaged.shipped.cache_clear()
    with pytest.raises(InputError, match="not whole"):
        packaged.shipped(tmp_path)
    packaged.shipped.cache_clear()


def test_command(tmp_path):
    store.write_trace(TRACE, tmp_path / "t")
    out = tmp_path / "t.profile"
    run = CliRunner().invoke(main, ["profile", str(tmp_path / "t"), "--out", str(out), "--block-s", "12"])
    assert run.exit_code == 0, run.output
    assert f"{out.stat().st_size} bytes" in run.output
    assert load_file(out).plan.block_s == 12
    run = CliRunner().invoke(main, ["profile", "--diff", str(out), "linea_28279135"])
    assert run.exit_code == 0, run.output
    assert "share of slots touched once" in run.output
    assert "reuse after" not in run.output
    assert "Hill index of touches, 100 busiest slots" in run.output
    assert "not known" in run.output
    for wrong in (["profile"], ["profile", "--diff", str(out)], ["profile", str(tmp_path / "no")]):
        run = CliRunner().invoke(main, wrong)
        assert run.exit_code == 1
        assert "Error" in run.output


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["linea_28279135", "mainnet-bal"])
def test_shipped_profile_is_that_of_the_trace(data_dir, name):
    """But for the version that read the trace, which changes nothing that was counted."""
    made, shipped = make(datasets.load_trace(name)), load(name)
    stamp = dataclasses.replace(made.capability, extractor_version=shipped.capability.extractor_version)
    assert dataclasses.replace(made, capability=stamp).equals(shipped)


def test_reuse_on_the_shipped_profiles_is_as_published():
    """R(L) of the month and of the ten minutes, as counted from the traces by other code."""
    from rollstate.profile import counts, reuse

    month = load("mainnet_thinned_30d")
    for days, value in ((0.03, 0.092), (1, 0.072), (7, 0.062), (29, 0.047)):
        found = reuse.at(month, month.plan.blocks_of(days * 86_400, "test"), seed=1)
        assert found.low <= value <= found.high
        assert abs(found.value - value) < 0.001
    minutes = load("mainnet-bal")
    for lag, value in ((1, 0.094), (10, 0.078), (40, 0.071)):
        found = reuse.at(minutes, lag, seed=1)
        assert found.low <= value <= found.high
    for k, value in ((2000, 1.42), (5000, 1.27), (10_000, 1.21), (20_000, 1.23)):
        assert round(counts.hill_of_touches(month, k), 2) == value
