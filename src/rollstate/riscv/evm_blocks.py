"""The machine's EVM beside revm and py-evm: transactions of whole blocks, one by one, and what of them it executes."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate.execution import replay
from rollstate.execution.block_inputs import Account, State
from rollstate.execution.evm_calls import Call
from rollstate.execution.replay import TransactionReplay
from rollstate.flat_evm import blocks
from rollstate.riscv.guest import DIFFERENCE, INPUT, TABLE, TRANSFER_BYTES, evm
from rollstate.riscv.guest.evm import Block, Outcome
from rollstate.riscv.runs import FalseStep
from rollstate.riscv.worlds import Lie, ProgramWorld
from rollstate.traces.live.workload import Workload

EXECUTED = "executed"


@dataclass(frozen=True)
class Compared:
    """One transaction by both.

    Attributes
    ----------
    number : int
        Its block.
    call : Call
        The transaction.
    expected : TransactionReplay
        What revm or py-evm says.
    found : Outcome
        What the machine says.
    start : uint8[MEMORY_BYTES]
        The memory that the machine started with; empty where the table cannot hold the transaction.
    """

    number: int
    call: Call
    expected: TransactionReplay
    found: Outcome
    start: np.ndarray

    @property
    def differences(self) -> tuple[str, ...]:
        """What of success, gas, storage and accounts is not the same; empty for a transaction outside the subset."""
        if self.found.status != EXECUTED:
            return ()
        one, accounts = self.expected, self.found.accounts or {}
        balances = {a: after for a, (_, after) in one.balances.items()}
        nonces = {a: after for a, (_, after) in one.nonces.items()}
        pairs = {
            "success": (self.found.success, one.success),
            "gas": (self.found.gas, one.gas_used),
            "storage": (self.found.storage, {key: after for key, (_, after) in one.writes.items()}),
            "accounts": (accounts.keys(), balances.keys() | nonces.keys()),
            "balances": ({a: accounts.get(a, (-1, 0))[0] for a in balances}, balances),
            "nonces": ({a: accounts.get(a, (0, -1))[1] for a in nonces}, nonces),
        }
        return tuple(name for name, (found, expected) in pairs.items() if found != expected)

    @property
    def exact(self) -> bool:
        """Whether the machine executed it, with no difference."""
        return self.found.status == EXECUTED and not self.differences


def compare(
    block: dict[str, Any],
    state: State,
    hashes: Mapping[int, bytes] | None = None,
    *,
    fork: str | None = None,
    only: Collection[int] | None = None,
) -> Iterator[Compared]:
    """Run a block's transactions by both, each on the state that revm and py-evm leave after the one before.

    Parameters
    ----------
    block, state, hashes, fork
        As `replay.replay` takes them; the state is not changed.
    only : collection of int, optional
        Which transactions the machine runs; all if not given.
    """
    done = replay.replay(block, state, hashes, fork=fork, with_balance_reads=False)
    header, rules, calls = replay.calls(block, hashes, fork=fork)
    now = copy.deepcopy(state)
    for call, one in zip(calls, done.transactions, strict=True):
        if only is None or one.index in only:
            keys: dict[str, set[int]] = {address: set() for address in (*one.balances, *one.code_reads)}
            for address, slot in (*one.reads, *one.writes):
                keys.setdefault(address, set()).add(slot)
            found, start = evm.answered(call, Block(header, rules), now, keys)
            yield Compared(done.number, call, one, found, start)
        one.apply(lambda address: now.setdefault(address, Account()))


def embedded(load: Workload, sample: int, seed: int) -> list[Compared]:
    """Compare a random sample of the embedded chain's workload, after the blocks that set it up.

    Parameters
    ----------
    load : Workload
        The workload.
    sample, seed : int
        Transactions to run, at most, and the seed that draws them.
    """
    listed = list(blocks.embedded_inputs(load))
    places = [(i, j) for i, (block, _) in enumerate(listed) for j in range(len(block["transactions"]))]
    drawn = np.random.default_rng(seed).permutation(len(places))[:sample]
    chosen = {places[k] for k in drawn}
    out: list[Compared] = []
    for i, (block, state) in enumerate(listed):
        only = {j for at, j in chosen if at == i}
        if only:
            out += compare(block, state, fork=blocks.WORKLOAD_FORK, only=only)
    return out


def frame(compared: list[Compared]) -> pl.DataFrame:
    """Return a row for each transaction.

    ``block``, ``tx``, ``status``, ``gas`` by the receipt, ``steps``, ``exact`` (executed, with no difference),
    ``plain`` (a transfer that calls no code).
    """
    rows = [
        (
            one.number, one.expected.index, one.found.status, one.expected.gas_used, one.found.steps,
            one.exact, one.expected.plain,
        )
        for one in compared
    ]  # fmt: skip
    names = {
        "block": pl.Int64, "tx": pl.Int64, "status": pl.String, "gas": pl.Int64, "steps": pl.Int64, "exact": pl.Boolean,
        "plain": pl.Boolean,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=names, orient="row")


def false_balance(one: Compared, step: int, bit: int = 4) -> FalseStep:
    """Return the instruction after which the sender's balance in the table is wrong by one bit."""
    head = one.start[TABLE : TABLE + 8].view(np.uint32)
    first, count = int(head[1]), int(one.start[TABLE + 8 : TABLE + 12].view(np.uint32)[0])
    sender = int(one.call.sender, 16).to_bytes(32, "little")
    rows = [first + evm.ACCOUNT_BYTES * i for i in range(count)]
    place = next(at for at in rows if one.start[at : at + 32].tobytes() == sender)
    return FalseStep(step, place + 32, bit)


def world(one: Compared, false: FalseStep | None = None) -> ProgramWorld:
    """Return a batch of one EVM transaction, as a party to a dispute has it, maybe with a false instruction.

    The batch holds the 49 bytes that name the record; the record and what it reads lie in the table.
    """
    named = one.start[INPUT + 2 : INPUT + 2 + TRANSFER_BYTES].tobytes()
    lie = Lie(1, 0, false) if false else None
    return ProgramWorld(one.start[TABLE:DIFFERENCE].tobytes(), [[named]], lie, evm.program())
