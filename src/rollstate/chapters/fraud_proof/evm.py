"""What the chapter ``fraud_proof`` says of the EVM that the machine runs."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import polars as pl

from rollstate.chapters.fraud_proof.parameters import FraudProof
from rollstate.dispute.chain import Node
from rollstate.dispute.game import Outcome
from rollstate.riscv import evm_blocks
from rollstate.riscv.evm_blocks import Compared
from rollstate.riscv.guest import evm
from rollstate.riscv.parties import play
from rollstate.riscv.rollup import ProgramBoard
from rollstate.riscv.runs import MOST_STEPS
from rollstate.traces.live.workload import Workload

_RECORDED = "evm_blocks.csv"
_SAMPLE, _BLOCKS, _USERS = 8, 3, 40
_KEYS = ["block", "status", "gas", "steps", "exact", "plain"]


def counted(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `evm_blocks.frame` with equal transactions of a block in one row, and their ``count``, in order."""
    return frame.group_by(_KEYS).agg(count=pl.len().cast(pl.Int64)).sort(_KEYS)


def recorded() -> pl.DataFrame:
    """Return what ``benchmarks/evm.py --record`` found on ten mainnet blocks, as `counted` gives it."""
    return pl.read_csv(resources.files(__package__).joinpath(_RECORDED).read_bytes())


def coverage(frame: pl.DataFrame) -> dict[str, Any]:
    """Return what share of transactions and of gas the machine executes exactly, and in how many instructions.

    Parameters
    ----------
    frame : polars.DataFrame
        As `counted` gives it.
    """
    calls = frame.filter(~pl.col("plain"))

    def share(part: pl.DataFrame, weight: pl.Expr) -> float:
        return float(part.select((weight * pl.col("exact")).sum() / weight.sum()).item())

    number, gas = pl.col("count"), pl.col("count") * pl.col("gas")
    executed = frame.filter(pl.col("status") == evm_blocks.EXECUTED)
    steps = calls.filter("exact").select(pl.col("steps").repeat_by("count").explode())["steps"]
    fits = executed.filter(pl.col("steps") <= MOST_STEPS)
    short, all_of_them = int(fits["count"].sum()), int(executed["count"].sum())
    return {
        "evm_blocks": frame["block"].n_unique(),
        "evm_transactions": int(frame["count"].sum()),
        "evm_wrong": int(executed.filter(~pl.col("exact"))["count"].sum()),
        "evm_share": share(frame, number),
        "evm_gas_share": share(frame, gas),
        "evm_call_share": share(calls, number),
        "evm_call_gas_share": share(calls, gas),
        "evm_steps_median": int(np.median(steps.to_numpy())),
        "evm_steps_most": int(steps.to_numpy().max()),
        "evm_disputable": short / all_of_them,
    }


def why_outside(frame: pl.DataFrame) -> pl.DataFrame:
    """Return transactions and gas by the status that the machine's EVM ends in, the most frequent first."""
    gas = (pl.col("count") * pl.col("gas")).sum()
    return (
        frame.group_by("status")
        .agg(transactions=pl.col("count").sum(), gas=gas)
        .sort("transactions", "status", descending=[True, False])
    )


def sample(p: FraudProof) -> list[Compared]:
    """Return transactions of the embedded workload, by the machine and by revm or py-evm."""
    return evm_blocks.embedded(Workload(blocks=_BLOCKS, users=_USERS), _SAMPLE, p.seed)


def dispute(compared: list[Compared], p: FraudProof, node: Node) -> dict[str, Any]:
    """Play a game about a false instruction in the longest transaction of a sample; return what is recorded."""
    one = max(compared, key=lambda each: (each.found.steps, each.number, each.expected.index))
    step = int(np.random.default_rng(p.seed).integers(one.found.steps - 1))
    truth, lie = evm_blocks.world(one), evm_blocks.world(one, evm_blocks.false_balance(one, step))
    board = ProgramBoard(node, p.rules(), truth.roots[0], program=evm.program())
    played = play(board, lie, truth, 1)
    sent = board.messages[played.first : played.last]
    return {
        "evm_sampled": len(compared),
        "evm_sample_exact": sum(each.exact for each in compared),
        "evm_game_steps": one.found.steps,
        "evm_game_instruction": played.step,
        "evm_game_messages": len(sent),
        "evm_game_gas": sum(message.gas for message in sent),
        "evm_refuted": played.outcome == Outcome.CHALLENGER
        and played.step == step
        and not board.differences(),
    }
