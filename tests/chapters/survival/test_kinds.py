"""Kinds of contracts in the chapter on survival: counts by hand, and labels that do and do not matter."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest
from tests.strategies import make_trace

from rollstate.chapters.survival import figures, kinds, study
from rollstate.chapters.survival.parameters import Survival
from rollstate.compendium import bundles
from rollstate.errors import InputError
from rollstate.traces import datasets
from rollstate.traces.kinds import OTHER, POOL, PROXY, TOKEN

P = Survival(trace="sample", peer="sample", codes="sample", draws=40)


@pytest.fixture(scope="module")
def made():
    """Return a study of contracts of two paces: the even ones are touched often, the odd ones seldom."""
    rng = np.random.default_rng(1)
    touches = []
    for slot in range(1_200):
        contract = 1 + slot % 60
        block = int(rng.integers(0, 30))
        while block < 100:
            touches.append((block, 0, contract, slot, True))
            block += int(rng.geometric(0.3 if contract % 2 else 0.03))
    trace = make_trace(touches, start=0, stop=100)
    return study.study(trace, P)


def labelled(found, kind):
    """Return a table of labels, kind(n) for the n-th contract."""
    ids = found.seen.slots.group_by("contract_id").agg(pl.col("address").first()).sort("contract_id")
    names = [kind(int.from_bytes(address)) for address in ids["address"]]
    return ids.select(
        "contract_id", accesses=pl.lit(1), by_code=pl.Series(names, dtype=pl.String)
    ).with_columns(by_name=pl.lit(None, pl.String), kind="by_code")


def test_a_label_that_decides_the_gap_is_a_gain_and_one_at_random_is_none(made):
    told = kinds.gain(made, labelled(made, lambda n: TOKEN if n % 2 else POOL))
    assert told["kinds_difference"].high < 0
    assert told["kinds_verdict"].startswith("a real gain")
    nothing = kinds.gain(made, labelled(made, lambda n: TOKEN if n <= 30 else POOL))
    assert abs(nothing["kinds_difference"].value) < 0.2 * abs(told["kinds_difference"].value)
    unlabelled = kinds.gain(made, labelled(made, lambda n: None))
    assert unlabelled["kinds_difference"].value == 0
    assert unlabelled["kinds_verdict"].startswith("no difference")


def test_curves_by_kind_are_drawn(made):
    frame = kinds.curves(made, labelled(made, lambda n: TOKEN if n % 2 else None))
    assert frame["stratum"].unique(maintain_order=True).to_list() == [TOKEN, kinds.NO_KIND]
    at = {
        name: part.filter(pl.col("time") <= 10)["survival"][-1] for (name,), part in frame.group_by("stratum")
    }
    assert at[TOKEN] < at[kinds.NO_KIND]
    assert TOKEN in figures.curves(bundles.from_csv(bundles.to_csv(frame)), what="By kind.").alt


def test_shares_and_agreement_are_counted():
    table = pl.DataFrame(
        {
            "contract_id": [0, 1, 2, 3, 4],
            "accesses": [50, 20, 10, 15, 5],
            "by_code": [TOKEN, OTHER, PROXY, None, None],
            "by_name": [TOKEN, TOKEN, TOKEN, POOL, None],
            "kind": [TOKEN, OTHER, TOKEN, POOL, None],
        }
    )
    assert kinds.numbers(table) == {
        "kinds_labelled": 0.95,
        "kinds_by_code": 0.8,
        "kinds_contracts": 0.8,
        "kinds_compared": 3,
        "kinds_proxies": 1,
        "kinds_agree": 1,
    }


def test_code_is_read_from_blocks_with_state(tmp_path):
    block = tmp_path / "1"
    block.mkdir()
    (block / "block.json").write_text("{}")
    accounts = {
        "0x" + "11" * 20: {"basic": {"balance": "0x0", "nonce": 1}, "code": "0x6001"},
        "0x" + "22" * 20: {},
    }
    (block / "pre_state.json").write_text(json.dumps(accounts))
    assert kinds.codes(dataclasses.replace(P, codes=str(tmp_path))) == {b"\x11" * 20: b"\x60\x01"}
    with pytest.raises(InputError, match="no block with the state"):
        kinds.codes(P)


def test_a_trace_without_known_contracts_says_so(made):
    with pytest.raises(InputError, match="known kind"):
        kinds.labels(made, {})


@pytest.mark.real_data
def test_nine_hundred_contracts_have_code(data_dir):
    assert len(kinds.codes(dataclasses.replace(P, codes=str(datasets.locate("pevm-blocks"))))) > 900
