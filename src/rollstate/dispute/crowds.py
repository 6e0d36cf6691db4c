"""Many parties at once, at random: several games, finalising by anyone, delays; and what wrong rules it finds out.

A random test is worth what it finds. `MUTANTS` are the Python rules with one rule broken; the share of them under
which some promise is broken is the measure of a kind of play, `killed`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import NOBODY, Game, Outcome, Rollup, Rules, Stage
from rollstate.dispute.matches import bond_of, open_game, random_transactions
from rollstate.dispute.step import Refused, require
from rollstate.dispute.worlds import Fault, World
from rollstate.dispute.zoo import Broken, conserved, random_matches

RULES = Rules(depth=8, window=100, clock=50, extension=10, patience=150)
BATCHES = 5
STEPS = 120


class Watcher:
    """The honest challenger of everything: challenges a wrong claim once, answers its own games at once.

    Parameters
    ----------
    board : LocalBoard
        Where it acts.
    truth : World
        What it computed.
    account : str
        Its account.
    lazy : bool
        Wait for the last seconds of the first wrong claim's window.
    last : bool
        Deny the last wrong claim instead of the first.
    """

    MARGIN = 20

    def __init__(
        self, board: LocalBoard, truth: World, account: str, *, lazy: bool = False, last: bool = False
    ) -> None:
        self.board, self.account, self.lazy = board, account, lazy
        self.honest = Challenger(truth, last=last)
        self.attacked: set[bytes] = set()

    def act(self) -> None:
        """Send everything there is reason to send."""
        self.answer()
        for name, arguments in self.challenges():
            self.board.send(name, self.account, *arguments, value=self.board.rules.challenger_bond)

    def answer(self) -> None:
        """Move in its games, and close those that are void."""
        rollup = self.board.rollup
        for game_id, game in list(rollup.games.items()):
            if game_id not in rollup.games or game.challenger != self.account:
                continue
            if not rollup.standing(game):
                if game.batch <= (rollup.r if game.on_checkpoint else rollup.finalised):
                    self.board.send("close_void", self.account, game_id)
            elif not game.sequencer_turn:
                one = self.honest.answer(game, rollup.published.get(game_id, ()))[0]
                self.board.send(one.name, self.account, game_id, *one.arguments)

    def challenges(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return the challenges it has reason for and has not sent yet."""
        rollup = self.board.rollup
        wanted: list[tuple[str, tuple[Any, ...]]] = []
        target = self.honest.target(rollup)
        early = self.lazy and self.left() > self.MARGIN
        if target and rollup.batches[target[0]].serial not in self.attacked and not early:
            n, pre = target
            serial, first = rollup.batches[n].serial, rollup.first_open(self.board.now + 1)
            self.attacked.add(serial)
            wanted.append(("open_challenge", (n, serial, first, pre)))
        if self.honest.denies_checkpoint(rollup) and rollup.pending.serial not in self.attacked:
            self.attacked.add(rollup.pending.serial)
            wanted.append(("challenge_checkpoint", (rollup.pending.serial,)))
        return wanted

    def challenges_wait(self) -> bool:
        """Return whether there is a wrong claim that it will challenge later."""
        target = self.honest.target(self.board.rollup)
        return target is not None and self.board.rollup.batches[target[0]].serial not in self.attacked

    def left(self) -> int:
        """Return the seconds until the window of the first wrong claim is over; of all windows if none is wrong."""
        rollup, deltas = self.board.rollup, self.honest.world.deltas
        for n in range(rollup.finalised + 1, rollup.claimed + 1):
            if rollup.batches[n].delta != deltas[n]:
                return rollup.batches[n].posted_at + self.board.rules.window - self.board.now
        return self.board.rules.window


class Crowd:
    """One random play of an honest watcher and an honest sequencer among adversaries.

    Parameters
    ----------
    seed : int
        Determines everything.
    rollup : type
        The rules, or rules that are wrong on purpose.
    """

    def __init__(self, seed: int, rollup: type[Rollup] = Rollup) -> None:
        rng = self.rng = random.Random(seed)
        keys = rng.sample(range(1 << RULES.depth), 4)
        genesis = {key: rng.randint(1, 20) for key in keys[:3]}
        batches = random_transactions(rng, keys, BATCHES, 4)
        tree = SparseMerkleTree(RULES.depth)
        self.truth = World(genesis, batches, tree)
        at = rng.randint(1, BATCHES)
        fault = Fault(at, rng.randrange(len(batches[at - 1])), "mint", keys[0], 5)
        self.lie = World(genesis, batches, tree, fault)
        self.board = LocalBoard(RULES, self.truth.roots[0])
        self.board.rollup = self.rollup = rollup(RULES, self.truth.roots[0])
        self.watch, self.honest, *self.others = self.board.accounts[:6]
        lazy, last = rng.random() < 0.5, rng.random() < 0.5
        self.watcher = Watcher(self.board, self.truth, self.watch, lazy=lazy, last=last)
        self.mail: list[tuple[str, tuple[Any, ...]]] = []
        self.poisoned = self._start_poisoned() if rng.random() < 0.3 else 0
        self.opened: dict[int, Game] = {}

    def _start_poisoned(self) -> int:
        """Let the first wrong difference become final, unseen; return its batch, 0 if there is none."""
        pairs = zip(self.lie.deltas[1:], self.truth.deltas[1:], strict=True)
        at = next((n for n, (a, b) in enumerate(pairs, 1) if a != b), 0)
        liar = self.others[0]
        for n in range(1, at + 1):
            bond = bond_of(self.board, liar)
            self.board.send("post_batch", liar, n, self.lie.batches[n - 1], self.lie.deltas[n], value=bond)
        if at:
            self.board.send("finalise", liar, at, wait=RULES.window + 1)
            self.board.send("resign", liar)
        return at

    def play(self, steps: int = STEPS) -> None:
        """Send random messages; raise `Broken` as soon as a promise is broken."""
        actions: list[Callable[[], None]] = [
            self._claim, self._claim, self._open, self._move, self._move, self._time, self._finalise,
            self._checkpoint, self._void, self._squat,
        ]  # fmt: skip
        for _ in range(steps):
            before, seat = len(self.board.messages), self.rollup.sequencer
            self.rng.choice(actions)()
            # A challenge that is on its way arrives after what overtakes it, and may have become void.
            if not self.mail and self.rng.random() < 0.3:
                self.mail = self.watcher.challenges()
            elif self.rng.random() < 0.4:
                self._deliver()
            if self.mail:
                self.watcher.answer()
            else:
                self.watcher.act()
            self._honest_sequencer()
            self._check(before, seat)

    def _deliver(self) -> None:
        for name, arguments in self.mail:
            try:
                self.board.send(name, self.watch, *arguments, value=RULES.challenger_bond)
            except Refused:
                # It names what it denies: if that still stands, the challenge is sent again.
                self.watcher.attacked -= set(arguments)
        self.mail = []

    def _send(self, name: str, by: str, *arguments: Any, **more: Any) -> None:
        with suppress(Refused):
            self.board.send(name, by, *arguments, **more)

    def _claim(self) -> None:
        n, rollup = self.rollup.claimed + 1, self.rollup
        if n > BATCHES:
            return
        by = self.rng.choice((self.honest, *self.others[:2]))
        world = self.truth if by == self.honest or self.rng.random() < 0.4 else self.lie
        bond = bond_of(self.board, by)
        if rollup.claimed < rollup.posted:
            self._send("claim_batch", by, n, world.deltas[n], value=bond)
        elif self.rng.random() < 0.1:
            self._send("force_batch", by, n, world.batches[n - 1])
        else:
            self._send("post_batch", by, n, world.batches[n - 1], world.deltas[n], value=bond)

    def _open(self) -> None:
        n = self.rng.randint(1, BATCHES)
        by = self.rng.choice(self.others)
        if self.rollup.pending.serial != bytes(32) and self.rng.random() < 0.5:
            serial = self.rollup.pending.serial
            self._send("challenge_checkpoint", by, serial, value=RULES.challenger_bond)
        elif n in self.rollup.batches:
            pre = self.rng.choice((self.truth, self.lie)).roots[n - 1]
            with suppress(Refused):
                open_game(self.board, by, n, pre)

    def _move(self) -> None:
        """Move for an adversary in one of the running games, well or badly."""
        rollup = self.rollup
        games = [g for g in sorted(rollup.games) if rollup.standing(rollup.games[g])]
        if not games:
            return
        game_id = self.rng.choice(games)
        game, middles = rollup.games[game_id], rollup.published.get(game_id, ())
        world = self.rng.choice((self.truth, self.lie))
        if game.sequencer_turn:
            if rollup.sequencer in (self.honest, NOBODY):
                return
            one, by = Sequencer(world).answer(game)[0], rollup.sequencer
        else:
            # Anyone may move for a challenger: in the watcher's games adversaries move as strangers.
            stranger = game.challenger == self.watch or self.rng.random() < 0.2
            challenger, by = Challenger(world), self.rng.choice(self.others) if stranger else game.challenger
            index = self.rng.randrange(len(middles) + 1)
            step = challenger.pick if game.stage == Stage.FIND_BATCH else challenger.prove
            one = step(game, middles, index)
        bond = RULES.challenger_bond if one.name == "pick" and by != game.challenger else 0
        self._send(one.name, by, game_id, *one.arguments, value=bond)

    def _honest_sequencer(self) -> None:
        """Answer every game at once where the honest account has the seat.

        After it has disagreed about the state before the batch, a short game is its turn again.
        """
        for game_id in list(self.rollup.games):
            while self._honest_turn(game_id):
                one = Sequencer(self.truth).answer(self.rollup.games[game_id])[0]
                try:
                    self.board.send(one.name, self.honest, game_id, *one.arguments)
                except Refused:
                    break

    def _honest_turn(self, game_id: int) -> bool:
        rollup = self.rollup
        if rollup.sequencer != self.honest or game_id not in rollup.games:
            return False
        game = rollup.games[game_id]
        return rollup.standing(game) and game.sequencer_turn

    def _time(self) -> None:
        self._deliver()
        seconds = self.rng.choice((1, 10, 40, 49, 51, 101, 151))
        if self.watcher.challenges_wait():
            seconds = min(seconds, max(1, self.watcher.left() - Watcher.MARGIN // 2))
        self.board.now += seconds
        if self.rng.random() < 0.5:
            for game_id in list(self.rollup.games):
                self._send("timeout", self.others[2], game_id)

    def _finalise(self) -> None:
        self._send("finalise", self.others[3], self.rng.randint(1, BATCHES))

    def _checkpoint(self) -> None:
        if self.rng.random() < 0.4:
            self._send("accept_checkpoint", self.others[3])
            return
        by = self.rng.choice((self.honest, *self.others[:2]))
        world = self.truth if by == self.honest else self.rng.choice((self.truth, self.lie))
        n = self.rng.randint(1, BATCHES)
        self._send("post_checkpoint", by, n, world.roots[n], value=bond_of(self.board, by))

    def _void(self) -> None:
        for game_id in list(self.rollup.games):
            self._send("close_void", self.others[3], game_id)

    def _squat(self) -> None:
        """Let the honest sequencer claim what is due on a seat that has been idle for long, if it is so."""
        rollup, n = self.rollup, self.rollup.claimed + 1
        idle = rollup.sequencer not in (NOBODY, self.honest) and rollup.claimed == rollup.finalised
        if not idle or rollup.pending.serial != bytes(32) or n > BATCHES or rollup.posted >= n:
            return
        if self.board.now > rollup.active_at + RULES.patience:
            batch, delta = self.truth.batches[n - 1], self.truth.deltas[n]
            try:
                self.board.send("post_batch", self.honest, n, batch, delta, value=RULES.sequencer_bond)
            except Refused as error:
                raise Broken(f"an idle seat is not free: {error}") from error

    def _check(self, before: int, seat: str) -> None:
        """Raise `Broken` if a promise does not hold after the last messages."""
        rollup = self.rollup
        for n in range(self.poisoned + 1, rollup.finalised + 1):
            if rollup.batches[n].delta != self.truth.deltas[n]:
                raise Broken(f"a false claim of batch {n} is final")
        if rollup.root != self.truth.roots[rollup.r]:
            raise Broken("the finalised state hash is false")
        conserved(self.board)
        if not rollup.stake and (rollup.claimed > rollup.finalised or rollup.pending.serial != bytes(32)):
            raise Broken("a claim stands with no bond behind it")
        for game_id, game in rollup.games.items():
            self.opened.setdefault(game_id, game)
        for message in self.board.messages[before:]:
            if message.game_id in rollup.outcomes:
                self._closed(message.game_id, seat)

    def _closed(self, game_id: int, seat: str) -> None:
        if game_id not in self.opened:
            return
        game = self.opened[game_id]
        outcome = self.rollup.outcomes[game_id]
        wrong = self._denied_wrong(game)
        if game.challenger == self.watch and outcome in (Outcome.SEQUENCER, Outcome.FORFEITED):
            raise Broken("the honest challenger loses its bond")
        if not wrong and outcome == Outcome.CHALLENGER and seat == self.honest:
            raise Broken("the honest sequencer loses its bond")
        if not wrong and outcome == Outcome.REFUNDED:
            raise Broken("a bond comes back that was put on a true claim")

    def _denied_wrong(self, game: Game) -> bool:
        truth = self.truth.roots if game.on_checkpoint else self.truth.deltas
        return game.claim != truth[game.batch]


class FinaliseIgnoresGames(Rollup):
    """Finality asks for windows alone."""

    def finalise(self, by: str, now: int, n: int) -> None:
        """Make batches final although games hold their claims."""
        for batch in self.batches.values():
            batch.held_by = 0
        super().finalise(by, now, n)


class HoldsItsOwnBatch(Rollup):
    """A game holds the claim that it denies, and no earlier one."""

    def open_challenge(self, *args: Any, **kwargs: Any) -> int:
        """Hold the denied claim in place of the first open one."""
        game_id = super().open_challenge(*args, **kwargs)
        game = self.games[game_id]
        self.batches[game.first].held_by -= 1
        self.batches[game.batch].held_by += 1
        self.games[game_id] = replace(game, first=game.batch)
        return game_id


class ClaimsSurvive(Rollup):
    """A lost game takes the bond and leaves the claims."""

    def _challenger_wins(self, game_id: int, game: Game) -> None:
        claimed = self.claimed
        super()._challenger_wins(game_id, game)
        self.claimed = claimed
        if not game.on_checkpoint:
            self.batches[game.first].held_by -= 1


class LostGameFinalises(Rollup):
    """A defended batch is final."""

    def _sequencer_wins(self, game_id: int, game: Game) -> None:
        super()._sequencer_wins(game_id, game)
        if not game.on_checkpoint:
            self.finalised = max(self.finalised, game.batch)


class VoidBondsComeBack(Rollup):
    """Whoever challenged a withdrawn claim gets its bond back, right or wrong."""

    def close_void(self, by: str, now: int, game_id: int) -> None:
        """Give the bond back without asking for the truth."""
        require(game_id in self.games, "not the void game's state")
        game = self.games[game_id]
        require(not self.standing(game), "claim stands")
        self._close(game_id, Outcome.REFUNDED)
        self._credit(game.challenger, self.rules.challenger_bond)


class WithdrawnClaimsStand(Rollup):
    """A game goes on although its claim is gone."""

    def standing(self, game: Game) -> bool:
        """Ask for the number of the batch alone."""
        return game.on_checkpoint or game.batch <= self.claimed


class NamesNoClaim(Rollup):
    """A challenge hits whatever claim stands."""

    def open_challenge(
        self, by: str, now: int, n: int, serial: bytes, first: int, *args: Any, **kwargs: Any
    ) -> int:
        """Replace the claim that was named by the one that stands."""
        standing = self.batches[n].serial if n in self.batches else serial
        return super().open_challenge(by, now, n, standing, max(first, self.finalised + 1), *args, **kwargs)


class FinalDifferencesBind(Rollup):
    """A game about a root asks for the final difference, true or false."""

    def post_trace(self, by: str, now: int, game_id: int, delta: bytes, middles: Any) -> None:
        """Refuse any difference but the claimed one."""
        game = self._check(game_id)
        require(not game.x or delta == self.batches[game.x].delta, "not the claimed difference")
        super().post_trace(by, now, game_id, delta, middles)


class SeatForEver(Rollup):
    """A seat is never free."""

    def _seat(self, by: str, now: int, value: int) -> None:
        require(self.sequencer in (by, NOBODY), "the seat is taken")
        super()._seat(by, now, value)


class CheckpointSurvives(Rollup):
    """A lost game leaves a pending checkpoint, whose bond is gone."""

    def _challenger_wins(self, game_id: int, game: Game) -> None:
        pending = self.pending
        super()._challenger_wins(game_id, game)
        self.pending = pending


MUTANTS: dict[str, type[Rollup]] = {
    "finalise ignores games": FinaliseIgnoresGames,
    "a game holds its own batch only": HoldsItsOwnBatch,
    "claims survive a lost game": ClaimsSurvive,
    "a lost challenge is final": LostGameFinalises,
    "void bonds always come back": VoidBondsComeBack,
    "withdrawn claims stand": WithdrawnClaimsStand,
    "a challenge names no claim": NamesNoClaim,
    "final differences bind": FinalDifferencesBind,
    "a seat is never free": SeatForEver,
    "a checkpoint survives a lost game": CheckpointSurvives,
}
"""Rules with one rule broken."""


def killed(mutant: type[Rollup], plays: int, seed: int = 0) -> int | None:
    """Return how many plays it took to find wrong rules out; None if all `plays` went by."""
    for number in range(plays):
        try:
            Crowd(seed + number, mutant).play()
        except (Broken, Refused, KeyError):
            return number + 1
    return None


def killed_by_pairs(mutant: type[Rollup], games: int, seed: int = 0) -> int | None:
    """Return how many games of two parties, one honest, it took to find wrong rules out; None if none did."""

    def make_board(rules: Rules, genesis: bytes) -> LocalBoard:
        board = LocalBoard(rules, genesis)
        board.rollup = mutant(rules, genesis)
        return board

    for number in range(games):
        try:
            random_matches([seed + number], make_board)
        except (Broken, Refused, KeyError):
            return number + 1
    return None
