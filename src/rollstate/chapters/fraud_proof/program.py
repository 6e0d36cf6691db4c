"""What the chapter ``fraud_proof`` computes of games that end in an instruction."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import polars as pl

from rollstate.chapters.fraud_proof.parameters import FraudProof
from rollstate.dispute import chain
from rollstate.dispute.chain import Message
from rollstate.dispute.game import Outcome, Stage
from rollstate.errors import InputError
from rollstate.riscv import guest
from rollstate.riscv.guest import Balances
from rollstate.riscv.on_chain import StepContract
from rollstate.riscv.parties import Decided, play
from rollstate.riscv.rollup import ENTERING, STAGE_MESSAGES, ProgramBoard
from rollstate.riscv.runs import FalseStep
from rollstate.riscv.stage import StageGame
from rollstate.riscv.worlds import Lie, ProgramWorld

KINDS = {
    0x13: "arithmetic", 0x33: "arithmetic", 0x37: "arithmetic", 0x17: "arithmetic", 0x03: "load", 0x23: "store",
    0x63: "branch or jump", 0x6F: "branch or jump", 0x67: "branch or jump", 0x73: "end",
}  # fmt: skip
"""Kind of an instruction by its opcode."""
_BIT = 4


@dataclass(frozen=True)
class Execution:
    """Batches that the machine ran, truly and with one false instruction.

    Attributes
    ----------
    truth, lie : ProgramWorld
        The two worlds.
    batch, transaction : int
        Where the false instruction is; the batch counts from 1.
    false : FalseStep
        The instruction.
    """

    truth: ProgramWorld
    lie: ProgramWorld
    batch: int
    transaction: int
    false: FalseStep

    def steps(self, n: int) -> list[int]:
        """Return how many instructions each transaction of a batch takes."""
        return [self.truth.run(n, i).steps for i in range(len(self.truth.batches[n - 1]))]


def execution(p: FraudProof) -> Execution:
    """Run batches of m transfers of coin and token, drawn at random, and draw an instruction to be false.

    It is one before the disputed transaction writes: a bit of the sender's balance is wrong after it, so that the
    transaction leaves the sender with more, or less, than it has.
    """
    rng = random.Random(p.seed)
    accounts = [rng.randbytes(20) for _ in range(8)]
    # Nobody runs out of coins, whatever is drawn.
    least = 150 * p.m * p.program_batches
    kinds = (guest.NATIVE, guest.TOKEN)
    balances = {(one, kind): rng.randrange(least, 2 * least) for one in accounts for kind in kinds}

    def drawn() -> bytes:
        sender, receiver = rng.sample(accounts, 2)
        return guest.Transfer(rng.randrange(2), sender, receiver, rng.randrange(1, 150)).encode()

    batches = [[drawn() for _ in range(p.m)] for _ in range(p.program_batches)]
    truth = ProgramWorld(balances, batches)
    batch, transaction = p.program_batches // 2, p.fault_transaction
    false = FalseStep(
        rng.randrange(_first_write(truth, batch, transaction)),
        _balance(balances, batches[batch - 1][transaction]),
        _BIT,
    )
    return Execution(
        truth, ProgramWorld(balances, batches, Lie(batch, transaction, false)), batch, transaction, false
    )


def _first_write(world: ProgramWorld, batch: int, transaction: int) -> int:
    """Return the steps of a transaction before the table changes: it changes once and for all."""
    run = world.run(batch, transaction)
    before = guest.storage(run.at(0).memory)
    low, high = 0, run.steps
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if guest.storage(run.at(middle).memory) == before else (low, middle)
    return low


def _balance(balances: Balances, transaction: bytes) -> int:
    """Return the address of the sender's balance."""
    slot = guest.slot(transaction[1:21], transaction[0])
    return guest.TABLE + guest.rows(guest.table(balances)).index(slot) * guest.ENTRY_BYTES + 32


@dataclass(frozen=True)
class Disputed:
    """A game that was played, and its board."""

    ran: Execution
    board: ProgramBoard
    decided: Decided

    @property
    def sent(self) -> list[Message]:
        """The game's messages."""
        return self.board.messages[self.decided.first : self.decided.last]

    @property
    def messages(self) -> pl.DataFrame:
        """The game, message by message: ``message``, ``contract``, ``by``, ``in dispute``, ``instructions``, ``gas``."""
        names = {self.board.accounts[0]: "sequencer", self.board.accounts[1]: "challenger"}
        rows = []
        for one in self.sent:
            within = one.name in STAGE_MESSAGES
            name = (STAGE_MESSAGES if within else {**chain.MESSAGES, **ENTERING})[one.name]
            contract = "program stage" if within else "dispute contract"
            rows.append((name, contract, names[one.by], *self._dispute(one), one.gas))
        columns = ["message", "contract", "by", "in dispute", "instructions", "gas"]
        return pl.DataFrame(rows, schema=columns, orient="row")

    def _dispute(self, one: Message) -> tuple[str, int]:
        """Return what a message leaves in dispute, and how many instructions that is."""
        steps, game = self.ran.steps, one.game
        if game is None:
            return f"instruction {self.decided.step:,}", 1
        if isinstance(game, StageGame):
            return f"instructions {game.lo:,} to {game.hi - 1:,}", game.hi - game.lo
        if game.stage == Stage.PROGRAM:
            return f"transaction {game.lo} of batch {game.x}", steps(game.x)[game.lo]
        if game.stage == Stage.FIND_STEP:
            return f"batch {game.x}", sum(steps(game.x))
        batches = range(game.lo + 1, game.hi + 1)
        return f"batches {batches[0]} to {batches[-1]}", sum(sum(steps(n)) for n in batches)


def dispute(ran: Execution, p: FraudProof, node: chain.Node, *, true_claim: bool) -> Disputed:
    """Deny the last claim: a false one by an honest challenger, or a true one by a challenger with the false instruction."""
    board = ProgramBoard(node, p.rules(), ran.truth.roots[0])
    held, denied = (ran.truth, ran.lie) if true_claim else (ran.lie, ran.truth)
    decided = play(board, held, denied, p.program_batches)
    different = board.differences()
    if different:
        raise chain.Disagreement(f"contracts and rules differ after the game: {different}")
    return Disputed(ran, board, decided)


def results(found: Disputed, kept: Disputed) -> dict[str, int | bool]:
    """Return what the chapter records of a game over a false claim and one over a true claim."""
    ran, decided, messages = found.ran, found.decided, found.messages
    stage = messages.filter(pl.col("contract") == "program stage")
    code = found.board.w3.eth.get_code
    return {
        "program_steps": sum(sum(ran.steps(n)) for n in range(1, len(ran.truth.batches) + 1)),
        "run_steps": sum(ran.steps(decided.x)),
        "transaction_steps": ran.steps(decided.x)[decided.transaction],
        "program_batch": decided.x,
        "found_transaction": decided.transaction,
        "found_instruction": decided.step,
        "false_instruction": ran.false.step,
        "instruction_rounds": decided.rounds,
        "program_messages": messages.height,
        "program_gas": int(messages["gas"].sum()),
        "program_stage_gas": int(stage["gas"].sum()),
        "instruction_gas": next(one.gas for one in found.sent if one.name == "prove_step"),
        "instruction_refuted": decided.outcome == Outcome.CHALLENGER,
        "program_true_stands": kept.decided.outcome == Outcome.SEQUENCER,
        "program_stage_code_bytes": len(code(found.board.stage_contract.address)),
        "step_code_bytes": StepContract(found.board.node).code_bytes,
    }


def values(found: Disputed) -> pl.DataFrame:
    """Return the machine around the instruction that was found: before it, truly after it, and as claimed after it."""
    ran, step = found.ran, found.decided.step
    if step < 0:
        raise InputError("the game ended before an instruction was found; there are no values to show")
    where = (found.decided.x, found.decided.transaction)
    before = ran.truth.run(*where).at(step)
    machines = (before, ran.truth.run(*where).at(step + 1), ran.lie.run(*where).at(step + 1))
    word = int.from_bytes(before.memory[before.pc : before.pc + 4].tobytes(), "little")
    register = word >> 7 & 31
    place = ran.false.place

    def balance(memory: Any) -> str:
        return f"{int.from_bytes(memory[place : place + 8].tobytes(), 'little'):,}"

    writes = word & 127 not in (0x23, 0x63, 0x73)
    held = [f"0x{int(one.registers[register]):08x}" for one in machines]
    rows = [
        ("steps done", *(f"{one.steps:,}" for one in machines)),
        ("address of the next instruction", *(f"0x{one.pc:x}" for one in machines)),
        ("the instruction itself", f"0x{word:08x} ({KINDS[word & 127]})", "", ""),
        *([(f"register x{register}", *held)] if writes else []),
        (f"sender's balance, at 0x{place:x}", *(balance(one.memory) for one in machines)),
        ("hash of the state", *(f"0x{one.state()[0].hash().hex()[:12]}…" for one in machines)),
    ]
    columns = ["what", "before the instruction", "after it, executed truly", "after it, as claimed"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def instruction_gas(ran: Execution, p: FraudProof, node: chain.Node) -> pl.DataFrame:
    """Return the gas of checking instructions of the disputed transaction, drawn at random: ``kind``, ``gas``."""
    rng, contract, rows = random.Random(p.seed + 1), StepContract(node), []
    run = ran.truth.run(ran.batch, ran.transaction)
    last = run.steps - 1
    drawn = rng.sample(range(last), min(p.instructions - 1, last))
    for step in [*sorted(drawn), last]:
        witness = run.witness(step)
        at = witness.state.pc % 32
        rows.append((KINDS[witness.code.content[at] & 127], contract.gas(witness.state.hash(), witness)))
    return pl.DataFrame(rows, schema=["kind", "gas"], orient="row").sort("kind", "gas")
