"""The ledger has every claim once, with a verdict of a known kind and computed numbers alone."""

import re

import pytest

from rollstate.chapters.execution_state import ledger, study
from rollstate.chapters.execution_state.parameters import ExecutionState


@pytest.fixture(scope="module")
def filled():
    seen = study.load(ExecutionState(trace="sample", draws=50))
    return ledger.values(seen, study.witnesses(seen), 0.5, 0.75)


def test_every_claim_has_a_row(filled):
    table = ledger.rows(filled)
    assert table["claim number"].to_list() == list(range(1, 67))
    assert table["claim"].n_unique() == 66
    for verdict in table["verdict"]:
        assert verdict.split(":")[0].startswith(ledger.VERDICTS), verdict
    for verdict in table.filter(table["verdict"].str.starts_with("no data"))["verdict"]:
        assert ": " in verdict, "a claim without data says why"
    assert ledger.untested() == sum(verdict.startswith("no data") for verdict in table["verdict"])


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
