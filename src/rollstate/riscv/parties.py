"""Parties to a dispute that ends in an instruction, and a game between two of them played to its end.

What they answer before the program stage is what `rollstate.dispute.agents` answer; a `ProgramWorld` takes the place of
the world of transfers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from rollstate.dispute.agents import Attempt, Challenger, Middles, Sequencer, opened_end
from rollstate.dispute.batches import transaction_proof
from rollstate.dispute.game import Game, Outcome, Stage
from rollstate.dispute.matches import open_game, post_all
from rollstate.dispute.records import section_ends
from rollstate.dispute.step import Refused
from rollstate.errors import RollstateError
from rollstate.riscv.rollup import LocalProgramBoard
from rollstate.riscv.stage import StageGame
from rollstate.riscv.worlds import ProgramWorld

_MOST_MESSAGES = 100


class ProgramSequencer(Sequencer):
    """Posts what its world says and defends it down to the instruction."""

    def __init__(self, world: ProgramWorld) -> None:
        super().__init__(cast(Any, world))
        self.program = world

    def answer_in_stage(self, game: Game, at: StageGame, middles: Middles) -> list[Attempt]:
        """Return its attempts when it is to move in the program stage."""
        run = self.program.run(game.x, game.lo)
        if at.hi == 0:
            values = run.hashes(section_ends(0, run.steps)[1:-1])
            return [Attempt("claim_run", (run.steps, self.program.end(game.x, game.lo), tuple(values)))]
        return [Attempt("post_states", (tuple(run.hashes(at.ends[1:-1])),))]


class ProgramChallenger(Challenger):
    """Challenges a claim that its own world contradicts, down to the instruction."""

    def __init__(self, world: ProgramWorld, *, last: bool = False) -> None:
        super().__init__(cast(Any, world), last=last)
        self.program = world

    def prove(self, game: Game, middles: Middles, index: int) -> Attempt:
        """Enter the program stage with transaction `index`."""
        _, low_proof = opened_end(game, middles, index)
        high = opened_end(game, middles, index + 1)
        batch = self.program.batches[game.x - 1]
        what = (batch[index], transaction_proof(batch, index), *self.program.parts(game.x, index))
        return Attempt("enter_program", (index, low_proof, *high, *what))

    def answer_in_stage(self, game: Game, at: StageGame, middles: Middles) -> list[Attempt]:
        """Deny the first of the sequencer's states that is not its own: pick, or prove where sections are steps."""
        run = self.program.run(game.x, game.lo)
        own = run.hashes(at.ends[1:-1])
        wrong = (i for i, (a, b) in enumerate(zip(own, middles, strict=True)) if a != b)
        index = next(wrong, len(middles))
        low, low_proof = opened_end(at, middles, index)
        high = opened_end(at, middles, index + 1)
        if at.in_steps:
            return [Attempt("prove_step", (index, low_proof, *high, run.witness(at.lo + index)))]
        return [Attempt("pick_states", (index, low, low_proof, *high))]


@dataclass(frozen=True)
class Decided:
    """What a game came to.

    Attributes
    ----------
    outcome : Outcome
        Who won.
    game_id : int
        Its number.
    x, transaction, step : int
        What was found: a batch, a transaction of it, an instruction of that; -1 where the game ended before.
    rounds : int
        Pairs of messages in the program stage: values of the sequencer, then a pick or the proof.
    timed_out : bool
        Whether a clock ended it.
    refused : tuple of str
        Reasons for which attempts were refused, in order.
    first, last : int
        Index of its first message on the board and one past its last.
    """

    outcome: Outcome
    game_id: int
    x: int
    transaction: int
    step: int
    rounds: int
    timed_out: bool
    refused: tuple[str, ...]
    first: int
    last: int


def play(board: LocalProgramBoard, held: ProgramWorld, denied: ProgramWorld, n: int) -> Decided:
    """Post all batches of the world `held`, deny claim `n` as one with the world `denied`, and play to the end."""
    sequencer, challenger = ProgramSequencer(held), ProgramChallenger(denied)
    post_all(board, sequencer, board.accounts[0])
    game_id = open_game(board, board.accounts[1], n, denied.roots[n - 1])
    return settle(board, game_id, sequencer, challenger)


def settle(
    board: LocalProgramBoard, game_id: int, sequencer: ProgramSequencer, challenger: ProgramChallenger
) -> Decided:
    """Play an open game to its end; the side that falls silent is timed out by the other."""
    rollup, first, refused = board.rollup, len(board.messages) - 1, []
    accounts = {True: rollup.sequencer, False: rollup.games[game_id].challenger}
    x, transaction, step, rounds, timed_out = 0, -1, -1, 0, False
    while game_id in rollup.games:
        game, at = rollup.games[game_id], rollup.stage.games.get(game_id)
        x = game.x
        if game.stage == Stage.PROGRAM and at is None:
            board.send("take_verdict", accounts[False], game_id)
            continue
        turn = at.sequencer_turn if at else game.sequencer_turn
        mover = sequencer if turn else challenger
        if at:
            transaction = game.lo
            attempts = mover.answer_in_stage(game, at, rollup.stage.published.get(game_id, ()))
        else:
            attempts = mover.answer(game, rollup.published.get(game_id, ()))
        for one in attempts:
            try:
                board.send(one.name, accounts[turn], game_id, *one.arguments, wait=one.wait)
            except Refused as error:
                refused.append(str(error))
                continue
            rounds += one.name in ("pick_states", "prove_step")
            if at and one.name == "prove_step":
                step = at.lo + one.arguments[0]
            break
        else:
            now: Game | StageGame = at or game
            clock = now.sequencer_clock if turn else now.challenger_clock
            wait = max(1, now.last + clock + 1 - board.now)
            board.send("call_time" if at else "timeout", accounts[not turn], game_id, wait=wait)
            timed_out = True
        if len(board.messages) - first > _MOST_MESSAGES:
            raise RollstateError(f"game {game_id} did not end within {_MOST_MESSAGES} messages")
    return Decided(
        rollup.outcomes[game_id], game_id, x, transaction, step, rounds, timed_out, tuple(refused), first,
        len(board.messages),
    )  # fmt: skip
