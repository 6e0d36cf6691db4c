"""Every adversary against an honest party: one by one, and at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rollstate.dispute import adversaries
from rollstate.dispute.agents import Challenger, Sequencer, own_value
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Game, Outcome, Rules, Stage
from rollstate.dispute.matches import Played, challenge, post_all, random_transactions, settle
from rollstate.dispute.records import SECTIONS
from rollstate.dispute.worlds import FAULTS, Fault, World
from rollstate.errors import RollstateError

MakeBoard = Callable[[Rules, bytes], LocalBoard]
Liars = Callable[[World, World, random.Random], Sequencer]
Accusers = Callable[[World, World, random.Random, int], Challenger]

SEQUENCERS: dict[str, Liars] = {
    "follows its lie": lambda lie, truth, rng: adversaries.Liar(lie),
    "lies about h(S_{n-1})": adversaries.DeniesState,
    "agrees with any h(S'_{n-1})": lambda lie, truth, rng: adversaries.AgreesAlways(lie),
    "switches its story": adversaries.SwitchesStory,
    "posts random middles": adversaries.RandomMiddles,
    "falls silent": lambda lie, truth, rng: adversaries.Silent(lie, rng.randrange(8)),
    "moves in the last second": lambda lie, truth, rng: adversaries.LastSecond(lie),
    "posts a wrong number of values": lambda lie, truth, rng: adversaries.WrongNumber(lie),
    "names another difference": lambda lie, truth, rng: adversaries.WrongDifference(lie),
    "responds twice": lambda lie, truth, rng: adversaries.RespondsTwice(lie),
    "calls time early": lambda lie, truth, rng: adversaries.CallsTimeEarly(lie),
}
"""How a sequencer with a wrong world behaves in the game."""

CHALLENGERS: dict[str, Accusers] = {
    "believes its wrong world": lambda lie, truth, rng, n: adversaries.FalseChallenger(lie, n),
    "claims the true state, denies the difference": lambda lie, truth, rng, n: adversaries.FalseChallenger(
        truth, n
    ),
    "forges h(S'_{n-1})": lambda lie, truth, rng, n: adversaries.ForgesState(truth, n, rng),
    "picks at random": lambda lie, truth, rng, n: adversaries.PicksAtRandom(truth, n, rng),
    "agrees with every value": lambda lie, truth, rng, n: adversaries.PicksAlways(truth, n, agree=True),
    "agrees with no value": lambda lie, truth, rng, n: adversaries.PicksAlways(truth, n, agree=False),
    "forges the sequencer's values": lambda lie, truth, rng, n: adversaries.ForgesEnds(truth, n, rng),
    "forges the witness": lambda lie, truth, rng, n: adversaries.WrongWitness(truth, n, rng),
    "replays another step's witness": lambda lie, truth, rng, n: adversaries.ReplaysWitness(truth, n),
    "throws the game": lambda lie, truth, rng, n: adversaries.Throws(lie, n, rng, rng.randrange(4)),
}
"""How a challenger of a true claim behaves."""


TRIES = 5
"""Places tried for a fault before a random game goes on with one that changes no difference."""


class Broken(RollstateError):
    """A property of the protocol failed in a game."""


@dataclass(frozen=True)
class Verdict:
    """One game between an honest party and an adversary.

    Attributes
    ----------
    honest : Outcome
        The honest side.
    adversary, fault : str
        How the other side behaved, and what was wrong with its world.
    played : Played
        The game.
    """

    honest: Outcome
    adversary: str
    fault: str
    played: Played

    @property
    def honest_won(self) -> bool:
        """Whether the honest side won."""
        return self.played.outcome == self.honest


def rounds_needed(width: int) -> int:
    """Return the picks that a range of `width` takes when each message cuts it into `SECTIONS` parts."""
    rounds = 0
    while width > 1:
        rounds, width = rounds + 1, -(-width // SECTIONS)
    return rounds


def invariants(truth: World, *, challenger_honest: bool) -> Callable[[Game, Game | None], None]:
    """Return a watcher: the low end is true, a denied high end is not, and every pick narrows the range."""

    def watch(before: Game, after: Game | None) -> None:
        if after is None:
            return
        if not after.lo < after.hi:
            raise Broken(f"the range is empty: {after}")
        if after.lo_hash != own_value(truth, after, after.lo):
            raise Broken(f"the agreed end is not true: {after}")
        if challenger_honest and any(after.hi_hash) and after.hi_hash == own_value(truth, after, after.hi):
            raise Broken(f"an honest challenger denies a true end: {after}")
        same = before.stage == after.stage == Stage.FIND_BATCH
        if (
            same
            and after.sequencer_turn
            and rounds_needed(after.hi - after.lo) >= rounds_needed(before.hi - before.lo)
        ):
            raise Broken(f"a pick did not narrow the range: {before} to {after}")

    return watch


def conserved(board: LocalBoard) -> None:
    """Raise `Broken` unless the balance is what is staked, locked in games, credited and burned."""
    rollup = board.rollup
    locked = len(rollup.games) * board.rules.challenger_bond
    owed = rollup.stake + locked + rollup.burned + rollup.vault + sum(rollup.credit.values())
    if rollup.balance != owed:
        raise Broken(f"the contract holds {rollup.balance} wei and owes {owed}")


def check(board: LocalBoard, truth: World, verdict: Verdict) -> Verdict:
    """Raise `Broken` unless the honest party won, within the bounds, and was paid as the rules say."""
    played, rollup, rules = verdict.played, board.rollup, board.rules
    if not verdict.honest_won:
        raise Broken(f"the honest party lost: {verdict}")
    if rollup.finalised < rollup.claimed and rollup.r > rollup.finalised:
        raise Broken("the finalised state hash is ahead of the final batches")
    candidates = len(truth.batches) - rollup.r
    if played.rounds_one > rounds_needed(candidates):
        raise Broken(f"{played.rounds_one} rounds of stage one for {candidates} batches")
    if played.rounds_two > 1:
        raise Broken(f"{played.rounds_two} rounds of stage two in batch {played.x}")
    if played.seconds > 2 * (rules.clock + 2 * rules.extension) + played.last - played.first:
        raise Broken(f"a game took {played.seconds} s")
    conserved(board)
    if verdict.honest == Outcome.CHALLENGER and rollup.stake:
        raise Broken("the liar keeps its bond")
    return verdict


def random_match(seed: int, make_board: MakeBoard = LocalBoard, depth: int | None = None) -> Verdict:
    """Play one random game between an honest party and an adversary, checking every property on the way.

    Parameters
    ----------
    seed : int
        Determines everything.
    make_board : callable
        Makes the board from rules and ``h(S_0)``.
    depth : int, optional
        Depth of the trees; drawn if not given.

    Raises
    ------
    Broken
        If the honest party does not win, or any property fails.
    """
    rng = random.Random(seed)
    depth = depth or rng.choice((3, 8, 16, 32))
    keys = rng.sample(range(1 << min(depth, 60)), min(1 << depth, rng.randint(3, 7)))
    genesis = {key: rng.randint(1, 20) for key in keys[: rng.randint(2, len(keys) - 1)]}
    count, most = rng.randint(1, 8), rng.randint(1, 4)
    batches = random_transactions(rng, keys, count, most)
    tree = SparseMerkleTree(depth)
    truth = World(genesis, batches, tree)
    settled = rng.randrange(count) if rng.random() < 0.3 else 0
    board = make_board(Rules(depth=depth), truth.roots[0])
    kind = rng.choice(FAULTS)
    for _ in range(TRIES):
        at = rng.randint(settled + 1, count)
        fault = Fault(at, rng.randrange(len(batches[at - 1])), kind, rng.choice(keys), rng.randint(1, 9))
        lie = World(genesis, batches, tree, fault)
        if any(lie.delta(n) != truth.delta(n) for n in range(1, count + 1)):
            break
    account, other = board.accounts[:2]

    if rng.random() < 0.5:
        name = rng.choice(tuple(SEQUENCERS))
        sequencer = SEQUENCERS[name](lie, truth, rng)
        challenger = Challenger(truth, last=rng.random() < 0.5)
        settle_until(board, sequencer, account, settled)
        post_all(board, sequencer, account)
        if challenger.target(board.rollup) is None:
            # The lie changed no difference (a dropped no-op, say): there is nothing to punish.
            return random_match(seed + 10**9, make_board, depth)
        game_id = challenge(board, challenger, other)
        played = settle(board, game_id, sequencer, challenger, invariants(truth, challenger_honest=True))
        return check(board, truth, Verdict(Outcome.CHALLENGER, name, kind, played))

    name = rng.choice(tuple(CHALLENGERS))
    honest = Sequencer(truth)
    settle_until(board, honest, account, settled)
    post_all(board, honest, account)
    accuser = CHALLENGERS[name](lie, truth, rng, rng.randint(board.rollup.finalised + 1, count))
    game_id = challenge(board, accuser, other)
    played = settle(board, game_id, honest, accuser, invariants(truth, challenger_honest=False))
    return check(board, truth, Verdict(Outcome.SEQUENCER, name, kind, played))


def settle_until(board: LocalBoard, sequencer: Sequencer, account: str, n: int) -> None:
    """Make the first `n` batches final and put the checkpoint at `n`."""
    if not n:
        return
    post_all(board, sequencer, account, last=n)
    board.send("finalise", account, n, wait=board.rules.window + 1)
    board.send("post_checkpoint", account, n, sequencer.checkpoint(n))
    board.send("accept_checkpoint", account, wait=board.rules.window + 1)


def random_checkpoint_match(seed: int, make_board: MakeBoard = LocalBoard, depth: int = 16) -> Verdict:
    """Play one random game over a checkpoint: a wrong one is denied, or a right one is.

    Raises
    ------
    Broken
        As in `random_match`.
    """
    rng = random.Random(seed)
    keys = rng.sample(range(1 << depth), 5)
    genesis = {key: rng.randint(1, 20) for key in keys[:4]}
    count = rng.randint(1, 8)
    batches = random_transactions(rng, keys, count, 4)
    tree = SparseMerkleTree(depth)
    truth = World(genesis, batches, tree)
    at = rng.randint(1, count)
    fault = Fault(at, rng.randrange(len(batches[at - 1])), "mint", rng.choice(keys), rng.randint(1, 9))
    lie = World(genesis, batches, tree, fault)
    board = make_board(Rules(depth=depth), truth.roots[0])
    account, other = board.accounts[:2]
    honest_challenger = rng.random() < 0.5
    # Differences are final and true in both cases; what is wrong is the root alone.
    post_all(board, Sequencer(truth), account)
    board.send("finalise", account, count, wait=board.rules.window + 1)
    if honest_challenger:
        name = rng.choice(tuple(SEQUENCERS))
        sequencer = SEQUENCERS[name](lie, truth, rng)
        challenger = Challenger(truth)
    else:
        name = rng.choice(tuple(CHALLENGERS))
        sequencer = Sequencer(truth)
        challenger = CHALLENGERS[name](lie, truth, rng, count)
    board.send("post_checkpoint", account, count, sequencer.checkpoint(count))
    if honest_challenger and not challenger.denies_checkpoint(board.rollup):
        return random_checkpoint_match(seed + 10**9, make_board, depth)
    bond, serial = board.rules.challenger_bond, board.rollup.pending.serial
    game_id = board.send("challenge_checkpoint", other, serial, value=bond)
    watch = invariants(truth, challenger_honest=honest_challenger)
    played = settle(board, game_id, sequencer, challenger, watch)
    honest = Outcome.CHALLENGER if honest_challenger else Outcome.SEQUENCER
    return check(board, truth, Verdict(honest, name, "mint", played))


def random_matches(seeds: Iterable[int], make_board: MakeBoard = LocalBoard) -> list[Verdict]:
    """Play random games, every eighth over a checkpoint; return their verdicts."""
    return [
        random_checkpoint_match(seed, make_board) if seed % 8 == 7 else random_match(seed, make_board)
        for seed in seeds
    ]
