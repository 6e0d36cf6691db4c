"""The ledger has every claim once, with a verdict of a known kind and computed numbers alone."""

import re

import pytest

from rollstate.chapters.execution_state import ledger, study
from rollstate.chapters.execution_state.parameters import ExecutionState
from rollstate.estimate import Estimate


@pytest.fixture(scope="module")
def filled():
    seen = study.load(ExecutionState(trace="sample", measured="sample", draws=50))
    share = Estimate(0.5, 0.4, 0.6)
    return ledger.values(seen, ledger.Computed(study.witnesses(seen), share, share, share))


def test_every_claim_has_a_row(filled):
    table = ledger.rows(filled)
    assert table["claim number"].to_list() == list(range(1, 67))
    assert table["claim"].n_unique() == 66
    for verdict in table["verdict"]:
        assert verdict.split(":")[0].startswith(ledger.VERDICTS), verdict
    for verdict in table.filter(table["verdict"].str.starts_with("no data"))["verdict"]:
        assert ": " in verdict, "a claim without data says why"
    assert ledger.untested() == sum(verdict.startswith("no data") for verdict in table["verdict"])


def test_every_row_has_its_number_or_says_that_no_data_decide_it(filled):
    table = ledger.rows(filled)
    assert not table.filter(table["number here"].str.contains("figure")).height
    for number, verdict in table.select("number here", "verdict").iter_rows():
        assert re.search(r"\d", number) or number.startswith("none: ") or verdict.startswith("no data"), (
            number
        )
    bare = table.filter(table["number here"] == "none")
    assert bare["verdict"].str.starts_with("no data").all()


def test_what_is_measured_on_blocks_carries_an_interval(filled):
    models = {name for name, text in filled.items() if text.endswith(("(model)", "(arithmetic)"))}
    assert "depth" in models
    for name in ("strict", "lazy", "tries", "window", "crossing", "validated", "declared", "hot", "marks"):
        assert re.search(r"\d \[.*\d, .*\d.*\]|% \[.*%, .*%\]", filled[name]), filled[name]


def test_templates_name_computed_numbers_alone(filled):
    for claim in ledger.CLAIMS:
        assert not re.search(r"\d", re.sub(r"\{\w+\}|by access gas, strict|by Amdahl", "", claim.ours)), claim
    assert {name for c in ledger.CLAIMS for name in re.findall(r"\{(\w+)\}", c.ours)} <= set(filled)


def test_systems_that_the_survey_names_are_named():
    text = " ".join(claim.claim for claim in ledger.CLAIMS)
    for system in (
        "MegaETH",
        "Monad",
        "NEAR",
        "Fuel",
        "Reth",
        "Firedancer",
        "Lagrange",
        "Move",
        "Sovereign",
        "Solana",
    ):
        assert system in text, system
