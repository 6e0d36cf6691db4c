"""Play a game between two agents to its end, on any board."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from rollstate.dispute.agents import Attempt, Challenger, Sequencer
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.game import Game, Outcome, Stage
from rollstate.dispute.step import Refused
from rollstate.dispute.transition import Transfer
from rollstate.errors import InputError, RollstateError

Watch = Callable[[Game, Game | None], None]


@dataclass(frozen=True)
class Played:
    """What a game came to.

    Attributes
    ----------
    outcome : Outcome
        Who won.
    case : str
        ``"A"``, ``"B"`` or ``"-"`` if the sequencer never responded; ``"checkpoint"`` for a checkpoint.
    x : int
        Batch that stage two ran in, 0 if none.
    rounds_one, rounds_two : int
        Picks of the challenger in stages one and two.
    refused : tuple of str
        Reasons for which attempts were refused, in order.
    timed_out : bool
        Whether the clock ended it.
    first, last : int
        Index of its first message on the board and one past its last.
    seconds : int
        From opening to closing.
    """

    outcome: Outcome
    case: str
    x: int
    rounds_one: int
    rounds_two: int
    refused: tuple[str, ...]
    timed_out: bool
    first: int
    last: int
    seconds: int


def bond_of(board: LocalBoard, account: str) -> int:
    """Return what `account` has to send with a claim: nothing if the seat is its own."""
    return 0 if board.rollup.sequencer == account else board.rules.sequencer_bond


def post_all(board: LocalBoard, sequencer: Sequencer, account: str, last: int | None = None) -> None:
    """Post every batch of the sequencer's world up to `last`; the first takes the seat if it is free."""
    for n in range(board.rollup.posted + 1, (last or len(sequencer.world.batches)) + 1):
        batch, bond = sequencer.world.batches[n - 1], bond_of(board, account)
        board.send("post_batch", account, n, batch, sequencer.delta(n), value=bond)


def open_game(board: LocalBoard, account: str, n: int, pre: bytes, wait: int = 1) -> int:
    """Deny the standing claim of batch `n`, holding every claim whose window is open then."""
    rollup, bond = board.rollup, board.rules.challenger_bond
    serial, first = rollup.batches[n].serial, rollup.first_open(board.now + wait)
    return board.send("open_challenge", account, n, serial, first, pre, value=bond, wait=wait)


def challenge(board: LocalBoard, challenger: Challenger, account: str, *, wait: int = 1) -> int:
    """Open the challenger's game and return its number.

    Raises
    ------
    InputError
        If the challenger has nothing to challenge.
    """
    target = challenger.target(board.rollup)
    if target is None:
        raise InputError("the challenger finds no wrong claim: choose another fault, batch or transaction")
    return open_game(board, account, *target, wait=wait)


def settle(
    board: LocalBoard,
    game_id: int,
    sequencer: Sequencer,
    challenger: Challenger,
    watch: Watch | None = None,
) -> Played:
    """Play an open game to its end; the side that falls silent is timed out by the other.

    Parameters
    ----------
    board : LocalBoard
        Where it is played.
    game_id : int
        An open game.
    sequencer, challenger : Sequencer, Challenger
        The parties; the accounts are those on the board.
    watch : callable, optional
        Called after every message with the game before and after (None when closed).
    """
    rollup, refused = board.rollup, []
    accounts = {True: rollup.sequencer, False: rollup.games[game_id].challenger}
    first, opened = len(board.messages) - 1, board.now
    case = "checkpoint" if rollup.games[game_id].on_checkpoint else "-"
    rounds = {Stage.FIND_BATCH: 0, Stage.FIND_STEP: 0}
    x, timed_out = 0, False

    def attempt(by_sequencer: bool, attempts: list[Attempt]) -> bool:
        for one in attempts:
            try:
                board.send(one.name, accounts[by_sequencer], game_id, *one.arguments, wait=one.wait)
                return True
            except Refused as error:
                refused.append(str(error))
        return False

    while game_id in rollup.games:
        game = rollup.games[game_id]
        x = game.x
        turn = game.sequencer_turn
        middles = rollup.published.get(game_id, ())
        mover, other = (sequencer, challenger) if turn else (challenger, sequencer)
        if not attempt(not turn, other.interrupt(game)) and not attempt(turn, mover.answer(game, middles)):
            clock = game.sequencer_clock if turn else game.challenger_clock
            # The clock runs from the last move, which another game's message may have followed.
            wait = max(1, game.last + clock + 1 - board.now)
            board.send("timeout", accounts[not turn], game_id, wait=wait)
            timed_out = True
        done = board.messages[-1].name
        case = {"respond_agree": "A", "respond_disagree": "B"}.get(done, case)
        if done in ("pick", "prove"):
            rounds[game.stage] += 1
        if watch:
            watch(game, rollup.games.get(game_id))
        if len(board.messages) - first > 400:
            raise RollstateError(f"game {game_id} did not end within 400 messages")
    return Played(
        rollup.outcomes[game_id], case, x, rounds[Stage.FIND_BATCH], rounds[Stage.FIND_STEP],
        tuple(refused), timed_out, first, len(board.messages), board.now - opened,
    )  # fmt: skip


def random_transactions(
    rng: random.Random, keys: list[int], batches: int, most: int, junk: float = 0.1
) -> list[list[bytes]]:
    """Return random batches: transfers that delete, overdraw, return to sender, or are not transfers at all.

    Parameters
    ----------
    rng : random.Random
        Source of chance.
    keys : list of int
        Accounts; some may be absent from the state.
    batches : int
        How many batches.
    most : int
        Most transactions per batch.
    junk : float
        Share of byte strings that are no valid transfer.
    """

    def one() -> bytes:
        if rng.random() < junk:
            kind = rng.randrange(3)
            if kind == 0:
                return rng.randbytes(rng.randrange(128))
            wild = (rng.choice(keys) + (1 << 200), rng.choice(keys), 1)
            return Transfer(*(wild if kind == 1 else (wild[1], wild[0], 1))).encode()
        amount = rng.choice((0, 1, 1, 2, 3, 5, 10, 20, 2**256 - 1))
        return Transfer(rng.choice(keys), rng.choice(keys), amount).encode()

    return [[one() for _ in range(rng.randint(1, most))] for _ in range(batches)]
