"""Honest parties: what they post, when they challenge, how they answer. They know a `World` and the rollup's state.

An agent answers with attempts: the first that the rules do not refuse is its move. No attempt is silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollstate.dispute.game import Game, Rollup, Stage
from rollstate.dispute.worlds import World


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

    def answer(self, game: Game) -> list[Attempt]:
        """Return its attempts when it is to move."""
        if game.stage == Stage.RESPOND:
            return self.respond(game)
        if game.stage == Stage.PROVE:
            return self.prove(game)
        return [Attempt("post_mid", (self.middle(game),))]

    def respond(self, game: Game) -> list[Attempt]:
        """Agree (Case A) exactly where the claimed ``h(S'_{n-1})`` is its own, else disagree (Case B)."""
        own = self.world.roots[game.batch - 1]
        if own == game.pre:
            return [Attempt("respond_agree", (self.world.roots[game.batch],))]
        return [Attempt("respond_disagree", (own,))]

    def middle(self, game: Game) -> bytes:
        """Return ``h(S_mid)`` in stage one, ``s_mid`` in stage two."""
        return own_middle(self.world, game)

    def prove(self, game: Game) -> list[Attempt]:
        """Run the disputed transaction on chain."""
        return [Attempt("one_step", (self.world.witness(game.x, game.lo),))]

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
    eager : bool
        Run the last step itself; otherwise wait for the sequencer, who holds the burden of proof.
    """

    def __init__(self, world: World, *, last: bool = False, eager: bool = True) -> None:
        self.world = world
        self.last = last
        self.eager = eager

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
        return pending.serial != 0 and pending.root != self.world.roots[pending.batch]

    def answer(self, game: Game) -> list[Attempt]:
        """Agree with a middle exactly where it is its own."""
        return [Attempt("pick", (game.mid_hash == own_middle(self.world, game),))]

    def interrupt(self, game: Game) -> list[Attempt]:
        """Run the last step itself rather than wait for the sequencer's clock."""
        if self.eager and game.stage == Stage.PROVE:
            return [Attempt("one_step", (self.world.witness(game.x, game.lo),))]
        return []


def own_middle(world: World, game: Game) -> bytes:
    """Return what `world` holds at the middle of a game."""
    if game.stage == Stage.FIND_BATCH:
        return world.roots[game.mid]
    return world.vm_state(game.x, game.mid)
