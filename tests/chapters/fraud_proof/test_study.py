"""What the chapter's frames hold, on small parameters and the embedded chain."""

from dataclasses import replace

import polars as pl
import pytest

from rollstate.chapters.fraud_proof import figures, program, study
from rollstate.chapters.fraud_proof.parameters import FraudProof
from rollstate.dispute import chain
from rollstate.errors import InputError

SMALL = FraudProof(
    n=5, r=1, m=4, fault_batch=3, fault_transaction=2, random_games=16, crowd_plays=20, model_batches=2
)


@pytest.fixture(scope="module")
def node():
    with chain.chain("py-evm") as running:
        yield running


@pytest.mark.thorough
def test_the_walkthrough_plays_both_cases(node):
    walk = study.walkthrough(SMALL)
    assert walk.posted["status"].to_list() == ["final", "checkpoint", "right", "wrong", "wrong", "wrong"]
    for last, case, messages in ((False, "A", 3), (True, "B", 5)):
        log, played = walk.play(node, last=last)
        assert (played.case, played.x, log.height) == (case, 3, messages)
        assert log["stage after it"][-1] == "closed"
    drawing = figures.posted(walk.posted)
    assert "3 wrong ones from batch 3" in drawing.alt


def test_gas_is_listed_by_message(node):
    frame = study.gas_by_gap(replace(SMALL, gaps=(2, 4)), node)
    by_gap = {gap: part["message"].to_list() for (gap,), part in frame.group_by("gap")}
    assert by_gap[4] == ["openChallenge", "respondDisagree", "pick", "postTrace", "prove"]
    # At n - r = 2 there is one batch to disagree on, and nothing to pick.
    assert by_gap[2] == ["openChallenge", "respondDisagree", "postTrace", "prove"]
    drawing = figures.gas(frame)
    assert f"{frame.filter(frame['gap'] == 4)['gas'].sum():,}" in drawing.alt


def test_the_model_is_searched_with_each_rule_removed():
    found = study.model(SMALL)
    assert found.height == 11
    assert (found["length"][:-1] > 0).all()
    assert found.row(-1, named=True)["harm"] == "none"


def test_kills_say_how_long_it_took_or_that_it_failed():
    frame = study.kills(SMALL)
    assert set(frame.filter(~frame["found"] & (frame["play"] == "many parties"))["plays"]) <= {20}
    assert frame.filter(frame["found"])["plays"].max() <= 20
    assert "many parties" in figures.kills(frame).alt


def test_an_exit_is_final_a_window_before_the_state_hash(node):
    found = study.exit_costs(SMALL, node)
    assert SMALL.window < found["exit_s"] < 2 * SMALL.window < found["checkpoint_s"]
    assert 50_000 < found["exit_gas"] < 150_000


def test_prices_follow_the_parameters():
    frame = study.prices(replace(SMALL, window=2000, sequencer_bond=4.0))
    assert frame["delay for one ETH (s)"].to_list() == [2 * (600 + 120) / 0.1, 1000.0]


def test_a_budget_is_spent_alike_on_every_design():
    gas = pl.DataFrame(
        [
            (2, "prove", 9), (4, "openChallenge", 100), (4, "respondDisagree", 20), (4, "pick", 30),
            (4, "postTrace", 5), (4, "prove", 50),
        ],
        schema=["gap", "message", "gas"],
        orient="row",
    )  # fmt: skip
    assert study.gas_by_side(gas) == (25, 180)
    assert study.stage_two_gas(gas)["stage_two"] == 55
    p = FraudProof(budget=100.0, gas_price=1.0)
    found = study.budget_results(p, gas)
    assert found["budget_games"] == 999  # of 0.1 ETH and a little gas
    assert found["honest_income"] == pytest.approx(0.4995)
    assert found["budget_delay"] == pytest.approx(199 * p.window / 86_400)
    table = study.same_budget(p, gas)
    assert table["source"].str.starts_with("published").sum() == table.height - 2
    assert "13 ETH (13.4 %)" in " ".join(table["honest side locks"])


def test_impatience_is_refused():
    with pytest.raises(InputError, match="patience 100 s"):
        FraudProof(patience=100)


@pytest.mark.thorough
def test_a_false_instruction_is_found_in_its_transaction_and_refuted(node):
    p = replace(SMALL, instructions=6, program_batches=3)
    ran = program.execution(p)
    fraud, kept = (program.dispute(ran, p, node, true_claim=claim) for claim in (False, True))
    found = program.results(fraud, kept)
    assert (found["program_batch"], found["found_transaction"]) == (1, p.fault_transaction)
    assert found["found_instruction"] == found["false_instruction"] == ran.false.step
    assert found["instruction_rounds"] == 3
    assert found["instruction_refuted"]
    assert found["program_true_stands"]
    messages = fraud.messages
    assert messages["message"].to_list()[-2:] == ["prove", "takeVerdict"]
    assert messages["instructions"].to_list() == sorted(messages["instructions"], reverse=True)
    assert found["program_gas"] == messages["gas"].sum() > found["program_stage_gas"] > 0
    drawing = figures.descent(messages.head(-1))
    assert f"instruction {ran.false.step:,}, 1 left" in drawing.alt
    rows = {row[0]: row[1:] for row in program.values(fraud).iter_rows()}
    before, truly, claimed = (
        int(v.replace(",", "")) for v in rows[f"sender's balance, at 0x{ran.false.place:x}"]
    )
    assert before == truly == claimed ^ 16
    checked = program.instruction_gas(ran, p, node)
    assert checked.height == 6
    assert (checked.filter(kind="end")["gas"] > 21_000).all()
    assert checked["gas"].max() < 500_000
    drawing = figures.instructions(checked, limit=500_000)
    assert f"{checked['gas'].max():,}" in drawing.alt
