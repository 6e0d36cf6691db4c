"""Dishonest parties: every way to lie, stall, contradict oneself or break the order that we could think of."""

from __future__ import annotations

import random
from dataclasses import replace

from rollstate.dispute.agents import Attempt, Challenger, Sequencer
from rollstate.dispute.game import Game, Rollup, Stage
from rollstate.dispute.worlds import World


class Liar(Sequencer):
    """Posts what a wrong world says and defends it consistently; at the end it tries to prove it."""


class DeniesState(Liar):
    """Lies about ``h(S_{n-1})`` whatever it is, and then tells true middles."""

    def __init__(self, world: World, truth: World, rng: random.Random) -> None:
        super().__init__(world)
        self.truth, self.rng = truth, rng

    def respond(self, game: Game) -> list[Attempt]:
        """Disagree with a made-up root, where the rules let it."""
        return [Attempt("respond_disagree", (self.rng.randbytes(32),)), *super().respond(game)]

    def middle(self, game: Game) -> bytes:
        """Return the true middle."""
        return Sequencer(self.truth).middle(game)


class AgreesAlways(Liar):
    """Agrees with any ``h(S'_{n-1})`` and reveals its own ``h(S_n)``: Case A by force."""

    def respond(self, game: Game) -> list[Attempt]:
        """Agree."""
        return [Attempt("respond_agree", (self.world.roots[game.batch],))]


class SwitchesStory(Liar):
    """Tells now its own middle, now the true one."""

    def __init__(self, world: World, truth: World, rng: random.Random) -> None:
        super().__init__(world)
        self.truth, self.rng = truth, rng

    def middle(self, game: Game) -> bytes:
        """Return the middle of one of two worlds."""
        return Sequencer(self.rng.choice((self.world, self.truth))).middle(game)


class RandomMiddles(SwitchesStory):
    """Posts noise."""

    def middle(self, game: Game) -> bytes:
        """Return noise."""
        return self.rng.randbytes(32)


class Silent(Liar):
    """Stops at its move number `at`, from 0."""

    def __init__(self, world: World, at: int) -> None:
        super().__init__(world)
        self.left = at

    def answer(self, game: Game) -> list[Attempt]:
        """Answer until the count is used up."""
        self.left -= 1
        return super().answer(game) if self.left >= 0 else []


class LastSecond(Liar):
    """Thinks until one second per remaining move is left on its clock."""

    RESERVE = 40

    def answer(self, game: Game) -> list[Attempt]:
        """Answer as late as the clock allows."""
        wait = max(1, game.sequencer_clock - self.RESERVE)
        return [replace(attempt, wait=wait) for attempt in super().answer(game)]


class WrongWitness(Liar):
    """Changes one thing in the witness of the last step, then another, and never sends the right one."""

    def __init__(self, world: World, truth: World, rng: random.Random) -> None:
        super().__init__(world)
        self.truth, self.rng = truth, rng

    def prove(self, game: Game) -> list[Attempt]:
        """Try forgeries of the true witness."""
        good = self.truth.witness(game.x, game.lo)
        forged = [
            replace(good, transaction=good.transaction + b"\0"),
            replace(good, proof=(*good.proof, bytes(32))),
            replace(good, state_root=self.rng.randbytes(32)),
            replace(good, delta_root=self.rng.randbytes(32)),
        ]
        for i, access in enumerate(good.accesses):
            for change in (
                replace(access, now=access.now + 1),
                replace(access, state=replace(access.state, bitmap=access.state.bitmap ^ 1)),
            ):
                accesses = (*good.accesses[:i], change, *good.accesses[i + 1 :])
                forged.append(replace(good, accesses=accesses))
        return [Attempt("one_step", (witness,)) for witness in forged]


class ReplaysWitness(WrongWitness):
    """Proves another batch's or another transaction's step instead of the disputed one."""

    def prove(self, game: Game) -> list[Attempt]:
        """Try the witnesses of all neighbouring steps of both worlds."""
        others = [
            (n, i)
            for n in range(max(1, game.x - 1), min(len(self.world.batches), game.x + 1) + 1)
            for i in range(len(self.world.batches[n - 1]))
            if (n, i) != (game.x, game.lo)
        ]
        return [
            Attempt("one_step", (world.witness(*place),))
            for place in others
            for world in (self.world, self.truth)
        ]


class RespondsTwice(Liar):
    """Tries to respond again in every later stage before it plays on."""

    def answer(self, game: Game) -> list[Attempt]:
        """Respond again, both ways, then move."""
        again = [
            Attempt("respond_agree", (self.world.roots[game.batch],)),
            Attempt("respond_disagree", (bytes(32),)),
        ]
        return (again if game.stage != Stage.RESPOND else []) + super().answer(game)

    def interrupt(self, game: Game) -> list[Attempt]:
        """Post a middle twice."""
        return [Attempt("post_mid", (bytes(32),))]


class CallsTimeEarly(Liar):
    """Calls the other side's time before it is over."""

    def interrupt(self, game: Game) -> list[Attempt]:
        """Call time."""
        return [Attempt("timeout")]


class FalseChallenger(Challenger):
    """Challenges a true claim out of a wrong world and plays that world consistently.

    Parameters
    ----------
    world : World
        The wrong world.
    n : int
        The batch it attacks.
    """

    def __init__(self, world: World, n: int) -> None:
        super().__init__(world)
        self.n = n

    def target(self, rollup: Rollup) -> tuple[int, bytes] | None:
        """Return the batch it was told to attack."""
        pre = rollup.root if self.n == rollup.r + 1 else self.world.roots[self.n - 1]
        return self.n, pre


class ForgesState(FalseChallenger):
    """Claims a made-up ``h(S'_{n-1})``."""

    def __init__(self, world: World, n: int, rng: random.Random) -> None:
        super().__init__(world, n)
        self.rng = rng

    def target(self, rollup: Rollup) -> tuple[int, bytes] | None:
        """Return a batch and noise."""
        return self.n, (rollup.root if self.n == rollup.r + 1 else self.rng.randbytes(32))


class PicksAtRandom(ForgesState):
    """Picks by the toss of a coin."""

    def answer(self, game: Game) -> list[Attempt]:
        """Toss."""
        return [Attempt("pick", (self.rng.random() < 0.5,))]


class PicksAlways(FalseChallenger):
    """Agrees with every middle, or with none."""

    def __init__(self, world: World, n: int, *, agree: bool) -> None:
        super().__init__(world, n)
        self.agree = agree

    def answer(self, game: Game) -> list[Attempt]:
        """Pick the same side every time."""
        return [Attempt("pick", (self.agree,))]


class Throws(ForgesState):
    """Opens a game in order to lose it: stops at its move number `at`."""

    def __init__(self, world: World, n: int, rng: random.Random, at: int = 0) -> None:
        super().__init__(world, n, rng)
        self.left = at

    def answer(self, game: Game) -> list[Attempt]:
        """Answer until the count is used up."""
        self.left -= 1
        return super().answer(game) if self.left >= 0 else []

    def interrupt(self, game: Game) -> list[Attempt]:
        """Do nothing."""
        return []
