"""Dishonest parties: every way to lie, stall, contradict oneself or break the order that we could think of."""

from __future__ import annotations

import random
from dataclasses import replace

from rollstate.dispute.agents import Attempt, Challenger, Middles, Sequencer, opened_end, own_value
from rollstate.dispute.game import Game, Rollup, Stage
from rollstate.dispute.worlds import World


class Liar(Sequencer):
    """Posts what a wrong world says and defends it consistently."""


class Informed(Liar):
    """A liar that knows the true world too, and a source of chance."""

    def __init__(self, world: World, truth: World, rng: random.Random) -> None:
        super().__init__(world)
        self.truth, self.rng = truth, rng


class DeniesState(Informed):
    """Lies about ``h(S_{n-1})`` whatever it is, and tells true values otherwise."""

    def respond(self, game: Game) -> list[Attempt]:
        """Disagree with a made-up root, where the rules let it."""
        return [self.disagree(game, self.rng.randbytes(32)), *super().respond(game)]

    def values(self, game: Game) -> tuple[bytes, ...]:
        """Return the true values."""
        return Sequencer(self.truth).values(game)


class AgreesAlways(Liar):
    """Agrees with any ``h(S'_{n-1})`` and reveals its own ``h(S_n)``: Case A by force."""

    def respond(self, game: Game) -> list[Attempt]:
        """Agree with whatever the challenger claims."""
        return [self.agree(game)]


class SwitchesStory(Informed):
    """Tells now its own value, now the true one."""

    def values(self, game: Game) -> tuple[bytes, ...]:
        """Return values of two worlds, mixed."""
        return tuple(
            own_value(self.rng.choice((self.world, self.truth)), game, end) for end in game.ends[1:-1]
        )


class RandomMiddles(Informed):
    """Posts random values in place of the middle ones."""

    def values(self, game: Game) -> tuple[bytes, ...]:
        """Return random values in the right number."""
        return tuple(self.rng.randbytes(32) for _ in game.ends[1:-1])


class WrongNumber(Liar):
    """Posts one value too few or too many, and then the right number."""

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Try wrong numbers of values first."""
        good = super().answer(game, middles)
        wrong = []
        for one in good:
            *head, values = one.arguments
            wrong += [replace(one, arguments=(*head, many)) for many in (values[:-1], (*values, bytes(32)))]
        return [one for one in wrong if one.arguments != good[0].arguments] + good


class WrongDifference(Liar):
    """Names another ``h(Delta_x)`` in stage two than it claimed, and then what it claimed."""

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Try another difference first."""
        good = super().answer(game, middles)
        if game.stage != Stage.FIND_STEP:
            return good
        return [replace(good[0], arguments=(bytes(32), *good[0].arguments[1:])), *good]


class Silent(Liar):
    """Stops at its move number `at`, from 0."""

    def __init__(self, world: World, at: int) -> None:
        super().__init__(world)
        self.left = at

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Answer until the count is used up."""
        self.left -= 1
        return super().answer(game, middles) if self.left >= 0 else []


class LastSecond(Liar):
    """Thinks until one second per remaining move is left on its clock."""

    RESERVE = 10

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Answer as late as the clock allows."""
        wait = max(1, game.sequencer_clock - self.RESERVE)
        return [replace(attempt, wait=wait) for attempt in super().answer(game, middles)]


class RespondsTwice(Liar):
    """Tries to respond again in every later stage before it plays on."""

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Respond again, both ways, then move."""
        again = [self.agree(game), self.disagree(game, bytes(32))] if game.stage != Stage.RESPOND else []
        return again + super().answer(game, middles)

    def interrupt(self, game: Game) -> list[Attempt]:
        """Post values twice."""
        return [Attempt("post_roots", (self.values(game),))]


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
    """Denies a value by the toss of a die."""

    def first_denied(self, game: Game, middles: Middles) -> int:
        """Return a section by the toss of a die."""
        return self.rng.randrange(len(middles) + 1)


class PicksAlways(FalseChallenger):
    """Agrees with every value, or with none."""

    def __init__(self, world: World, n: int, *, agree: bool) -> None:
        super().__init__(world, n)
        self.agree = agree

    def first_denied(self, game: Game, middles: Middles) -> int:
        """Pick the same side every time."""
        return len(middles) if self.agree else 0


class ForgesEnds(ForgesState):
    """Puts values of its own in the place of the sequencer's, and then picks among those."""

    def pick(self, game: Game, middles: Middles, index: int) -> Attempt:
        """Open an end that the sequencer never posted, or one that is not adjacent."""
        low, low_proof = opened_end(game, middles, index)
        kind = self.rng.randrange(3)
        if kind == 0:
            return Attempt("pick", (index, low, low_proof, self.rng.randbytes(32), ()))
        if kind == 1:
            return Attempt("pick", (index + 1, low, low_proof, *opened_end(game, middles, index + 1)))
        return Attempt("pick", (index, low, low_proof, low, low_proof))


class WrongWitness(FalseChallenger):
    """Changes one thing in the witness of the step, then another, and never sends the right one."""

    def __init__(self, world: World, n: int, rng: random.Random) -> None:
        super().__init__(world, n)
        self.rng = rng

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Try forgeries of the true witness."""
        honest = super().answer(game, middles)
        if game.stage != Stage.FIND_STEP:
            return honest
        *head, good = honest[0].arguments
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
        return [Attempt("prove", (*head, witness)) for witness in forged]


class ReplaysWitness(FalseChallenger):
    """Proves another batch's or another transaction's step instead of the disputed one."""

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Try the witnesses of all neighbouring steps."""
        honest = super().answer(game, middles)
        if game.stage != Stage.FIND_STEP:
            return honest
        index, *rest, _ = honest[0].arguments
        return [
            Attempt("prove", (index, *rest, self.world.witness(n, i)))
            for n in range(max(1, game.x - 1), min(len(self.world.batches), game.x + 1) + 1)
            for i in range(len(self.world.batches[n - 1]))
            if (n, i) != (game.x, index)
        ]


class Throws(ForgesState):
    """Opens a game in order to lose it: stops at its move number `at`."""

    def __init__(self, world: World, n: int, rng: random.Random, at: int = 0) -> None:
        super().__init__(world, n, rng)
        self.left = at

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Answer until the count is used up."""
        self.left -= 1
        return super().answer(game, middles) if self.left >= 0 else []
