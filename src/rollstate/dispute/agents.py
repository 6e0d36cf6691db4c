"""Honest parties: what they post, when they challenge, how they answer. They know a `World` and the rollup's state.

An agent answers with attempts: the first that the rules do not refuse is its move. No attempt is silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rollstate.dispute.batches import merkle_proof
from rollstate.dispute.commitment import ZERO
from rollstate.dispute.game import Game, Range, Rollup, Stage
from rollstate.dispute.worlds import World

Middles = Sequence[bytes]
"""The sequencer's values between the sections, as calldata shows them."""


@dataclass(frozen=True)
class Attempt:
    """A message within a game: its name, what follows the game's number, and the seconds thought before it."""

    name: str
    arguments: tuple[Any, ...] = ()
    wait: int = 1


class Sequencer:
    """Posts true differences and defends them.

    Parameters
    ----------
    world : World
        What it computed.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def delta(self, n: int) -> bytes:
        """Return the ``h(Delta_n)`` it claims."""
        return self.world.deltas[n]

    def checkpoint(self, n: int) -> bytes:
        """Return the ``h(S_n)`` it claims in a checkpoint."""
        return self.world.roots[n]

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Return its attempts when it is to move."""
        if game.stage == Stage.RESPOND:
            return self.respond(game)
        if game.stage == Stage.FIND_BATCH:
            return [Attempt("post_roots", (self.values(game),))]
        return [Attempt("post_trace", (self.world.deltas[game.x], self.values(game)))]

    def respond(self, game: Game) -> list[Attempt]:
        """Agree (Case A) exactly where the claimed ``h(S'_{n-1})`` is its own, else disagree (Case B)."""
        if self.world.roots[game.batch - 1] == game.pre:
            return [self.agree(game)]
        return [self.disagree(game, self.world.roots[game.batch - 1])]

    def agree(self, game: Game) -> Attempt:
        """Reveal ``h(S_n)`` and the trace of batch n."""
        n = game.batch
        count = len(self.world.batches[n - 1])
        stage_two = replace(game, stage=Stage.FIND_STEP, x=n, lo=0, hi=count)
        return Attempt("respond_agree", (self.world.roots[n], self.values(stage_two)))

    def disagree(self, game: Game, pre: bytes) -> Attempt:
        """Reveal another ``h(S_{n-1})`` and the roots before it."""
        stage_one = replace(game, stage=Stage.FIND_BATCH, hi=max(game.batch - 1, game.lo + 1))
        return Attempt("respond_disagree", (pre, self.values(stage_one)))

    def values(self, game: Game) -> tuple[bytes, ...]:
        """Return what it holds between the sections: ``h(S_k)`` in stage one, ``s_i`` in stage two."""
        return tuple(own_value(self.world, game, end) for end in game.ends[1:-1])

    def interrupt(self, game: Game) -> list[Attempt]:
        """Return its attempts when it is the other's turn."""
        return []


class Challenger:
    """Challenges the first claim that its own world contradicts, and only such a claim.

    Parameters
    ----------
    world : World
        What it computed.
    last : bool
        Challenge the last wrong claim instead of the first: the long way, through Case B.
    """

    def __init__(self, world: World, *, last: bool = False) -> None:
        self.world = world
        self.last = last

    def target(self, rollup: Rollup) -> tuple[int, bytes] | None:
        """Return the batch to challenge and ``h(S'_{n-1})``, or None if every claim is right."""
        wrong = [
            n
            for n in range(rollup.finalised + 1, rollup.claimed + 1)
            if rollup.batches[n].delta != self.world.deltas[n]
        ]
        if not wrong:
            return None
        n = wrong[-1 if self.last else 0]
        return n, self.world.roots[n - 1]

    def denies_checkpoint(self, rollup: Rollup) -> bool:
        """Return whether the pending checkpoint is wrong."""
        pending = rollup.pending
        return pending.serial != ZERO and pending.root != self.world.roots[pending.batch]

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Deny the first of the sequencer's values that is not its own."""
        index = self.first_denied(game, middles)
        if game.stage == Stage.FIND_BATCH:
            return [self.pick(game, middles, index)]
        return [self.prove(game, middles, index)]

    def first_denied(self, game: Game, middles: Middles) -> int:
        """Return the section whose upper end is the first value that is not its own; the last if all are."""
        inner = zip(game.ends[1:-1], middles, strict=True)
        wrong = (i for i, (end, value) in enumerate(inner) if value != own_value(self.world, game, end))
        return next(wrong, len(middles))

    def pick(self, game: Game, middles: Middles, index: int) -> Attempt:
        """Return the pick of a section of stage one."""
        low, low_proof = opened_end(game, middles, index)
        return Attempt("pick", (index, low, low_proof, *opened_end(game, middles, index + 1)))

    def prove(self, game: Game, middles: Middles, index: int) -> Attempt:
        """Return the step from state `index` of stage two."""
        _, low_proof = opened_end(game, middles, index)
        high = opened_end(game, middles, index + 1)
        return Attempt("prove", (index, low_proof, *high, self.world.witness(game.x, index)))

    def interrupt(self, game: Game) -> list[Attempt]:
        """Return its attempts when it is the other's turn."""
        return []


def own_value(world: World, game: Game, index: int) -> bytes:
    """Return what `world` holds at a batch of stage one or after `index` transactions of stage two."""
    if game.stage == Stage.FIND_STEP:
        return world.vm_state(game.x, index)
    return world.roots[index]


def opened_end(game: Range, middles: Middles, index: int) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the sequencer's value at the lower end of section `index`, with its proof."""
    if index == 0:
        return game.lo_hash, ()
    if index == len(game.ends) - 1:
        return game.hi_hash, ()
    return middles[index - 1], merkle_proof(middles, index - 1)
