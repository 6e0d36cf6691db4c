"""Batch, transaction, instruction: a false instruction anywhere is found on chain, and the honest side wins."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.riscv.programs import (
    ACCOUNTS,
    ASIDE,
    BATCHES,
    TRUTH,
    UNUSED,
    balance,
    board_on,
    lying,
    opened,
)

from rollstate.dispute.agents import Attempt
from rollstate.dispute.batches import merkle_proof
from rollstate.dispute.chain import compile_source
from rollstate.dispute.game import Outcome, Stage
from rollstate.dispute.step import Refused
from rollstate.errors import InputError
from rollstate.riscv import guest, regions
from rollstate.riscv.machine import MEMORY_BYTES, MerkleMemory
from rollstate.riscv.parties import ProgramChallenger, ProgramSequencer, play, settle
from rollstate.riscv.rollup import stage_source
from rollstate.riscv.runs import MOST_STEPS, FalseStep, Run
from rollstate.riscv.stage import ProgramStage, Verdict
from rollstate.riscv.verifier import part
from rollstate.riscv.worlds import ProgramWorld

GAS = Path(__file__).with_name("gas.json")
CODE_LIMIT = 24_576


def run_of(batch, transaction):
    return TRUTH.run(batch, transaction)


STEPS = {
    (1, 0): run_of(1, 0).steps,
    (1, 1): run_of(1, 1).steps,
    (1, 2): run_of(1, 2).steps,
    (2, 1): run_of(2, 1).steps,
}


def check_found(board, batch, transaction, lie, *, n):
    played = play(board, lie, TRUTH, n)
    assert played.outcome == Outcome.CHALLENGER
    assert (played.timed_out, played.refused) == (False, ())
    assert (played.x, played.transaction, played.step) == (batch, transaction, lie.lie.false.step)
    # A message cuts into 64 parts: 64, 4,096 and 262,144 steps take one, two and three pairs of messages.
    assert played.rounds == next(k for k in (1, 2, 3) if lie.run(batch, transaction).steps <= 64**k)
    return played


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(STEPS)), st.data())
def test_a_false_instruction_anywhere_is_found(where, data):
    step = data.draw(st.integers(0, STEPS[where] - 2))
    lie = lying(*where, step, data.draw(st.sampled_from((ASIDE, UNUSED))), data.draw(st.integers(0, 7)))
    check_found(board_on(), *where, lie, n=where[0])


@pytest.mark.thorough
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(STEPS)), st.data())
def test_a_false_register_is_found_wherever_it_changes_what_comes_out(where, data):
    step = data.draw(st.integers(0, STEPS[where] - 2))
    lie = lying(*where, step, data.draw(st.integers(5, 31)), data.draw(st.integers(0, 7)), in_register=True)
    try:
        assume(lie.deltas[where[0]] != TRUTH.deltas[where[0]] or lie.roots[where[0]] != TRUTH.roots[where[0]])
    except InputError:
        assume(False)  # the run ends badly after the lie, so that the liar has nothing to claim
    check_found(board_on(), *where, lie, n=where[0])


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(STEPS)), st.data())
def test_a_true_claim_stands_against_a_challenger_with_a_false_instruction(where, data):
    lie = lying(*where, data.draw(st.integers(0, STEPS[where] - 2)))
    played = play(board_on(), TRUTH, lie, where[0])
    assert (played.outcome, played.timed_out, played.refused) == (Outcome.SEQUENCER, False, ())
    assert (played.x, played.transaction) == where


def test_a_later_claim_leads_to_the_batch_with_the_lie():
    lie = lying(1, 1, 40_000)
    played = play(board_on(), lie, TRUTH, 2)
    assert (played.outcome, played.x, played.transaction, played.step) == (Outcome.CHALLENGER, 1, 1, 40_000)


def gas_of(board, played):
    sent = board.messages[played.first : played.last]
    return {name: max(m.gas for m in sent if m.name == name) for name in sorted({m.name for m in sent})}


@pytest.mark.thorough
def test_contracts_and_rules_agree_from_either_role_and_gas_is_as_recorded(node):
    lie = lying(1, 1, 40_000)
    board = board_on(node)
    found = check_found(board, 1, 1, lie, n=1)
    assert board.differences() == {}
    costs = {"deploy": board.deploy_gas, **gas_of(board, found)}
    costs["whole game"] = sum(m.gas for m in board.messages[found.first : found.last])
    for contract in (board.contract, board.stage_contract):
        assert len(board.w3.eth.get_code(contract.address)) < CODE_LIMIT
    board = board_on(node)
    kept = play(board, TRUTH, lie, 1)
    assert kept.outcome == Outcome.SEQUENCER
    assert board.differences() == {}
    assert costs == pytest.approx(json.loads(GAS.read_text()), rel=0.01), json.dumps(costs, indent=2)


class Quiet:
    """Stops at its move number `left` in the program stage."""

    left = 0

    def answer_in_stage(self, game, at, middles):
        self.left -= 1
        return super().answer_in_stage(game, at, middles) if self.left >= 0 else []


class QuietSequencer(Quiet, ProgramSequencer):
    pass


class QuietChallenger(Quiet, ProgramChallenger):
    pass


@pytest.mark.parametrize("moves", range(3))
@pytest.mark.parametrize("who", ["sequencer", "challenger"])
def test_whoever_falls_silent_in_the_program_stage_loses_by_the_clock(who, moves):
    # Right or wrong does not matter: the silent one is the honest one here.
    lie, board = lying(1, 0, 9), board_on()
    held, denied = (TRUTH, lie) if who == "sequencer" else (lie, TRUTH)
    sequencer = (QuietSequencer if who == "sequencer" else ProgramSequencer)(held)
    challenger = (QuietChallenger if who == "challenger" else ProgramChallenger)(denied)
    (sequencer if who == "sequencer" else challenger).left = moves
    played = settle(board, opened(board, sequencer, challenger, 1), sequencer, challenger)
    assert played.timed_out
    assert played.outcome == (Outcome.CHALLENGER if who == "sequencer" else Outcome.SEQUENCER)
    assert board.messages[-2].name == "call_time"


def test_time_is_called_alike_on_the_chain(py_evm_node):
    lie, board = lying(1, 0, 9), board_on(py_evm_node)
    sequencer, challenger = QuietSequencer(lie), ProgramChallenger(TRUTH)
    played = settle(board, opened(board, sequencer, challenger, 1), sequencer, challenger)
    assert (played.outcome, played.timed_out) == (Outcome.CHALLENGER, True)
    assert board.differences() == {}


class Overlong(ProgramSequencer):
    """Claims more steps than the run has, and that it ends where the lie would have it."""

    def answer_in_stage(self, game, at, middles):
        if at.hi:
            return super().answer_in_stage(game, at, middles)
        run = self.program.run(game.x, game.lo)
        steps = run.steps + 1000
        values = run.hashes(replace(at, hi=steps).ends[1:-1])
        return [Attempt("claim_run", (steps, self.program.end(game.x, game.lo), tuple(values)))]


@pytest.mark.parametrize(
    ("held", "outcome"), [(TRUTH, Outcome.SEQUENCER), (lying(1, 0, 9), Outcome.CHALLENGER)]
)
def test_steps_after_the_end_change_nothing(held, outcome):
    lie, board = lying(1, 0, 9), board_on()
    sequencer, challenger = Overlong(held), ProgramChallenger(lie if held is TRUTH else TRUTH)
    played = settle(board, opened(board, sequencer, challenger, 1), sequencer, challenger)
    assert played.outcome == outcome


class Walk:
    """A board with a liar, and its one game, brought to a point of the program stage."""

    def __init__(self, node):
        # The sender has more than it should: state and difference are both false.
        self.lie = lying(1, 0, 70, balance(ACCOUNTS[0], guest.TOKEN))
        self.board = board_on(node)
        self.sequencer, self.challenger = ProgramSequencer(self.lie), ProgramChallenger(TRUTH)
        self.game_id = opened(self.board, self.sequencer, self.challenger, 1)
        self.seat, self.denier, self.stranger = self.board.accounts[:3]
        self.seen = set()

    @property
    def stage_game(self):
        return self.board.rollup.stage.games[self.game_id]

    def next(self, by_sequencer):
        rollup, at = self.board.rollup, self.board.rollup.stage.games.get(self.game_id)
        game, who = rollup.games[self.game_id], self.sequencer if by_sequencer else self.challenger
        if at:
            return who.answer_in_stage(game, at, rollup.stage.published.get(self.game_id, ()))[0]
        return who.answer(game, rollup.published.get(self.game_id, ()))[0]

    def move(self, by_sequencer):
        one = self.next(by_sequencer)
        self.board.send(one.name, self.seat if by_sequencer else self.denier, self.game_id, *one.arguments)

    def refused(self, reason, name, by, *arguments, value=0, wait=1):
        """Check that rules and contract refuse a message with one reason."""
        self.seen.add(reason)
        paid = {"value": value} if value else {}
        with pytest.raises(Refused) as caught:
            getattr(self.board.rules_of(name), name)(
                by, self.board.now + wait, self.game_id, *arguments, **paid
            )
        assert str(caught.value) == reason
        said = self.board.reason(name, by, self.game_id, *arguments, value=value, wait=wait)
        assert said == reason

    def stale(self, name, by, *arguments):
        """Check that the contract refuses a game that is not the one it stores."""
        self.seen.add("not the game's state")
        game = replace(self.board.rules_of(name).games[self.game_id], last=1)
        assert self.board.reason(name, by, self.game_id, *arguments, game=game) == "not the game's state"


def swapped(arguments, at, value):
    return (*arguments[:at], value, *arguments[at + 1 :])


@pytest.mark.thorough
def test_every_refusal_has_one_reason_in_the_rules_and_on_the_chain(node):
    walk = Walk(node)
    seat, denier, stranger = walk.seat, walk.denier, walk.stranger
    walk.move(True)

    enter = walk.next(False).arguments
    walk.refused("wrong stage", "take_verdict", denier)
    walk.refused("wrong bond of a pick", "enter_program", denier, *enter, value=1)
    walk.refused("wrong bond of a pick", "enter_program", stranger, *enter)
    walk.refused("no such transaction", "enter_program", denier, *swapped(enter, 0, 3))
    walk.refused("not the agreed state", "enter_program", denier, *swapped(enter, 6, bytes(32)))
    walk.refused("not the sequencer's middle", "enter_program", denier, *swapped(enter, 2, bytes(32)))
    walk.refused(
        "transaction is not in the batch", "enter_program", denier, *swapped(enter, 4, BATCHES[0][1])
    )
    walk.move(False)

    walk.refused("no verdict yet", "take_verdict", denier)
    walk.refused("clock still runs", "timeout", denier, wait=10**6)
    walk.refused("clock still runs", "call_time", denier)
    claim = walk.next(True).arguments
    steps, end, middles = claim
    walk.refused("only the sequencer answers", "claim_run", denier, *claim)
    walk.refused("sequencer's clock is spent", "claim_run", seat, *claim, wait=601)
    walk.refused("no such number of steps", "claim_run", seat, 0, end, middles)
    walk.refused("no such number of steps", "claim_run", seat, MOST_STEPS + 1, end, middles)
    running = replace(end, state=end.state.after(status=0))
    walk.refused("the run has not halted", "claim_run", seat, steps, running, middles)
    elsewhere = replace(end, table=bytes(32))
    walk.refused("tables are not in the memory", "claim_run", seat, steps, elsewhere, middles)
    walk.refused("not the claimed state", "claim_run", seat, steps, TRUTH.end(1, 0), middles)
    walk.refused("wrong number of middles", "claim_run", seat, steps, end, middles[1:])
    walk.refused("no run is claimed", "post_states", seat, ())
    walk.stale("claim_run", seat, *claim)
    walk.stale("call_time", denier)
    walk.move(True)

    pick = walk.next(False).arguments
    walk.refused("not your turn", "post_states", seat, ())
    walk.refused("only the challenger picks", "pick_states", stranger, *pick)
    walk.refused("challenger's clock is spent", "pick_states", denier, *pick, wait=601)
    walk.refused("no such section", "pick_states", denier, *swapped(pick, 0, 64))
    walk.refused("not the agreed state", "pick_states", denier, *swapped(pick, 1, bytes(32)))
    walk.refused("not the sequencer's middle", "pick_states", denier, *swapped(pick, 3, bytes(32)))
    walk.refused("wrong length of a Merkle proof", "pick_states", denier, *swapped(pick, 4, ()))
    witness = walk.challenger.program.run(1, 0).witness(0)
    early = (0, (), middles[0], pick[4], witness)
    walk.refused("the sections are longer than a step", "prove_step", denier, *early)
    walk.move(False)

    walk.refused("the run is claimed already", "claim_run", seat, *claim)
    walk.move(True)
    walk.move(False)
    walk.move(True)
    assert walk.stage_game.in_steps

    prove = walk.next(False).arguments
    index, low_proof, high, high_proof, witness = prove
    states = (index, bytes(32), low_proof, high, high_proof)
    walk.refused("the sections are steps", "pick_states", denier, *states)
    walk.refused("no such step", "prove_step", denier, *swapped(prove, 0, 64))
    other = walk.challenger.program.run(1, 0).witness(walk.stage_game.lo + 1)
    walk.refused("not the sequencer's middle", "prove_step", denier, *swapped(prove, 4, other))
    bare = replace(witness, code=replace(witness.code, content=bytes(32)))
    reason = "instruction's path does not lead to the memory"
    walk.refused(reason, "prove_step", denier, *swapped(prove, 4, bare))
    first = walk.challenger.program.run(1, 0).witness(walk.stage_game.lo)
    published = walk.board.rollup.stage.published[walk.game_id]
    right = (0, (), published[0], merkle_proof(published, 0), first)
    walk.refused("the step is right", "prove_step", stranger, *right)

    # Anyone may show the wrong step; the challenger is paid.
    walk.board.send("prove_step", stranger, walk.game_id, *prove)
    assert walk.board.rollup.stage.verdicts == {walk.game_id: Verdict.CHALLENGER}
    walk.board.send("take_verdict", stranger, walk.game_id)
    assert walk.board.rollup.outcomes[walk.game_id] == Outcome.CHALLENGER
    assert walk.board.differences() == {}
    # Every assertion of the two contracts was asked for, so that none can be removed without a difference.
    asserted = set(re.findall(r'assert .*, "(.*)"', part("program_stage.vy") + part("program.vy")))
    assert asserted - walk.seen == {"no machine", "no program", "game is known"}


def test_a_known_game_and_an_empty_deployment_are_refused(py_evm_node):
    board = board_on(py_evm_node)
    functions, who = board.stage_contract.functions, board.w3.eth.accounts[0]
    opening = (1, who, who, b"", bytes(32), bytes(32), 1, bytes(32), 60, 60)
    board.now += 1
    board.node.mine(functions.open(*opening), who, now=board.now)
    assert board._revert_of(functions.open(*opening), {"from": who})[0] == "game is known"
    stage = ProgramStage()
    arguments = (0, 1, (who, who), b"", (bytes(32), bytes(32)), 1, bytes(32), (60, 60))
    stage.open(*arguments)
    with pytest.raises(Refused, match="game is known"):
        stage.open(*arguments)
    # Another rollup's game of the same number is another game.
    assert functions.games(board.contract.address, 1).call() == bytes(32)
    made = board.w3.eth.contract(**compile_source(stage_source()))
    for constants, reason in (((bytes(20), b"\1" * 32), "no machine"), ((who, bytes(32)), "no program")):
        address = (
            board.w3.to_checksum_address(constants[0]) if isinstance(constants[0], bytes) else constants[0]
        )
        with pytest.raises(Exception, match=reason):
            made.constructor(address, constants[1]).estimate_gas({"from": who})


def test_a_stranger_enters_in_a_game_of_its_own(py_evm_node):
    walk = Walk(py_evm_node)
    walk.move(True)
    bond = walk.board.rules.challenger_bond
    enter = walk.next(False)
    other = walk.board.send(enter.name, walk.stranger, walk.game_id, *enter.arguments, value=bond)
    assert other != walk.game_id
    assert walk.board.rollup.games[walk.game_id].stage == Stage.FIND_STEP
    played = settle(walk.board, other, walk.sequencer, walk.challenger)
    assert (played.outcome, played.step) == (Outcome.CHALLENGER, 70)
    # The first game's claim is gone with it, and its bond comes back once the claim is known to be wrong.
    walk.board.send("claim_batch", walk.seat, 1, TRUTH.deltas[1], value=walk.board.rules.sequencer_bond)
    walk.board.send("finalise", walk.seat, 1, wait=walk.board.rules.window + 1)
    walk.board.send("close_void", walk.denier, walk.game_id)
    assert walk.board.rollup.outcomes[walk.game_id] == Outcome.REFUNDED
    assert walk.board.differences() == {}


def test_a_hashed_memory_that_takes_over_other_bytes_is_that_of_these_bytes():
    rng = np.random.default_rng(2)
    first = np.zeros(MEMORY_BYTES, np.uint8)
    first[:5000] = rng.integers(0, 256, 5000)
    second = first.copy()
    second[rng.integers(0, MEMORY_BYTES, 40)] = 7
    second[100:200] = 0
    tree = MerkleMemory(first)
    tree.update(second)
    fresh = MerkleMemory(second)
    assert tree.root == fresh.root
    assert tree.regions == fresh.regions
    assert tree.path(100) == fresh.path(100)


def test_the_start_of_a_transaction_is_what_the_contract_computes_from_roots():
    for transaction in (BATCHES[0][0], b"no transfer", b""):
        memory = regions.start_memory(guest.program(), transaction, b"\1" * 80, b"\2" * 40)
        tree = MerkleMemory(memory)
        assert (
            regions.start_hash(guest.program(), transaction, *tree.regions[2:4]) == Run(memory).hashes([0])[0]
        )


def test_the_longest_run_is_far_from_the_bound():
    # A full table that does not hold the accounts: every search goes all the way round.
    full = {(n.to_bytes(20, "big"), guest.NATIVE): 1 for n in range(guest.ENTRIES - 1)}
    last = (guest.ENTRIES - 2).to_bytes(20, "big")
    batch = [guest.Transfer(guest.NATIVE, last, b"\xff" * 20, 1).encode()] * 2
    world = ProgramWorld(full, [batch])
    assert world.run(1, 1).steps < MOST_STEPS / 4


def test_worlds_hold_what_the_rules_in_python_say():
    held = dict(TRUTH.storage(0))
    for n, batch in enumerate(BATCHES, 1):
        before = dict(held)
        for text in batch:
            if len(text) == guest.TRANSFER_BYTES:
                kind, amount = text[0], int.from_bytes(text[41:], "little")
                source, target = (guest.slot(text[a : a + 20], kind) for a in (1, 21))
                if held.get(source, -1) >= amount:
                    held[source] -= amount
                    held[target] = held.get(target, 0) + amount
        assert TRUTH.storage(n) == held
        assert TRUTH.difference(n) == {k: v for k, v in held.items() if before.get(k) != v}
    assert guest.slot(ACCOUNTS[3], guest.TOKEN) in TRUTH.difference(1)


@pytest.mark.parametrize(
    ("places", "reason"),
    [((3, 0, 1), "no bit 1 of register 0"), ((3, 32, 1), "register 32"), ((3, 5, 32), "no bit 32")],
)
def test_a_bit_that_is_not_there_cannot_be_wrong(places, reason):
    with pytest.raises(InputError, match=reason):
        FalseStep(*places, in_register=True)


def test_a_lie_after_the_end_or_outside_the_batches_is_refused():
    with pytest.raises(InputError, match="cannot be false"):
        _ = lying(1, 2, 10**6).roots
    with pytest.raises(InputError, match="no transaction 5 of batch 1"):
        lying(1, 5, 3)
    with pytest.raises(InputError, match="no bit 8 of address"):
        lying(1, 0, 3, ASIDE, 8)
