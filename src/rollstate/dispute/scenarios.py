"""Stories with more than two parties, or outside a single game: collusion, spam, late and void challenges."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from rollstate.dispute import adversaries
from rollstate.dispute.agents import Attempt, Challenger, Sequencer
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Game, Outcome, Rules
from rollstate.dispute.matches import challenge, post_all, settle
from rollstate.dispute.step import Refused
from rollstate.dispute.transition import Transfer
from rollstate.dispute.worlds import Fault, World


@dataclass(frozen=True)
class Story:
    """A small rollup to tell a story on: four batches, of which batch `fault` is minted in.

    Attributes
    ----------
    truth, lie : World
        What is so, and what the liar says.
    """

    truth: World
    lie: World


def story(depth: int = 32, batches: int = 4, fault: int = 2) -> Story:
    """Return worlds in which every batch touches the minted account, so every claim from `fault` on is wrong."""
    genesis = {1: 100, 2: 50, 3: 7}
    posted = [
        [Transfer(1, 2, 1).encode(), Transfer(2, 3, 2).encode(), Transfer(3, 4, n).encode()]
        for n in range(1, batches + 1)
    ]
    tree = SparseMerkleTree(depth)
    lie = World(genesis, posted, tree, Fault(fault, 1, "mint", 2, 1000))
    return Story(World(genesis, posted, tree), lie)


@dataclass(frozen=True)
class Finding:
    """How a story ended.

    Attributes
    ----------
    adversary : str
        Who did what.
    safe : bool
        Whether the honest parties kept what the protocol promises.
    what : str
        What decided it: an outcome or the contract's reason.
    """

    adversary: str
    safe: bool
    what: str


def sock_puppet(board: LocalBoard, told: Story) -> Finding:
    """Let a liar's own puppet challenge its fraud and lose; the fraud must stay open to an honest challenger."""
    liar, puppet, watcher = board.accounts[:3]
    sequencer = adversaries.Liar(told.lie)
    post_all(board, sequencer, liar)
    n = len(told.lie.batches)
    puppet_game = challenge(board, adversaries.Throws(told.lie, n, random.Random(0)), puppet)
    thrown = settle(board, puppet_game, sequencer, adversaries.Throws(told.lie, n, random.Random(0)))
    honest = Challenger(told.truth)
    played = settle(board, challenge(board, honest, watcher), sequencer, honest)
    safe = thrown.outcome == Outcome.SEQUENCER and played.outcome == Outcome.CHALLENGER
    return Finding("sock puppet throws a game on the fraud", safe, f"then {played.outcome.name.lower()} wins")


def agreed_false_state(board: LocalBoard, told: Story) -> Finding:
    """Let liar and puppet agree on a false state before the last batch; that must bind nobody else."""
    liar, puppet, watcher = board.accounts[:3]
    sequencer = adversaries.Liar(told.lie)
    post_all(board, sequencer, liar)
    accuser = adversaries.FalseChallenger(told.lie, len(told.lie.batches))
    colluded = settle(board, challenge(board, accuser, puppet), sequencer, accuser)
    honest = Challenger(told.truth)
    played = settle(board, challenge(board, honest, watcher), sequencer, honest)
    safe = colluded.case == "A" and played.outcome == Outcome.CHALLENGER
    return Finding("both agree on a false h(S'_{n-1})", safe, f"then {played.outcome.name.lower()} wins")


def front_run(board: LocalBoard, told: Story) -> Finding:
    """Let an adversary take the honest challenger's claim first and fall silent; the honest one still plays."""
    liar, thief, watcher = board.accounts[:3]
    sequencer, honest = adversaries.Liar(told.lie), Challenger(told.truth)
    post_all(board, sequencer, liar)
    stolen, own = (challenge(board, honest, account) for account in (thief, watcher))
    played = settle(board, own, sequencer, honest)
    board.send("close_void", thief, stolen)
    safe = played.outcome == Outcome.CHALLENGER and board.rollup.outcomes[stolen] == Outcome.VOID
    return Finding(
        "front-runs the honest challenger", safe, f"{played.outcome.name.lower()} wins its own game"
    )


def spam(board: LocalBoard, told: Story, games: int = 5) -> Finding:
    """Open many games on a true batch at the end of its window; all are lost, and finality waits two clocks."""
    account, *others = board.accounts
    honest = Sequencer(told.truth)
    post_all(board, honest, account)
    n, posted_at, rules = len(told.truth.batches), board.now, board.rules
    accusers = [adversaries.ForgesState(told.truth, n, random.Random(i)) for i in range(games)]
    opened = []
    for other, accuser in zip(others, accusers, strict=False):
        # Late, but early enough for one message per second.
        wait = 1 if opened else rules.window - games
        target = accuser.target(board.rollup)
        opened.append(board.send("open_challenge", other, *target, value=rules.challenger_bond, wait=wait))
    outcomes = [settle(board, game, honest, a).outcome for game, a in zip(opened, accusers, strict=True)]
    # The games may be over before the window is.
    board.send("finalise", account, n, wait=max(1, posted_at + rules.window + 1 - board.now))
    bound = rules.window + 2 * (rules.clock + 2 * rules.extension)
    took = board.now - posted_at
    safe = set(outcomes) == {Outcome.SEQUENCER} and took <= bound
    return Finding(f"opens {games} games on a true batch", safe, f"final after {took} s, bound {bound} s")


def refused_challenge(board: LocalBoard, told: Story, *, final: bool) -> Finding:
    """Challenge after the window, or a final batch: both are refused."""
    account, late = board.accounts[:2]
    post_all(board, Sequencer(told.truth), account)
    n = len(told.truth.batches)
    wait = board.rules.window + 1
    if final:
        board.send("finalise", account, n, wait=wait)
        wait = 1
    reason = ""
    try:
        board.send("open_challenge", late, n, bytes(32), value=board.rules.challenger_bond, wait=wait)
    except Refused as error:
        reason = str(error)
    name = "challenges a final batch" if final else "challenges after the window"
    return Finding(name, reason == ("batch is final" if final else "window is over"), f"refused: {reason}")


def collusive_loss(board: LocalBoard, told: Story) -> Finding:
    """Let a sequencer lose on purpose over a true batch: claims go, ``T`` stays, an honest successor finishes."""
    thrower, puppet, successor = board.accounts[:3]
    post_all(board, Sequencer(told.truth), thrower)
    accuser = adversaries.FalseChallenger(told.truth, len(told.truth.batches))
    thrown = settle(board, challenge(board, accuser, puppet), adversaries.Silent(told.truth, 0), accuser)
    posted, count = board.rollup.posted, len(told.truth.batches)
    board.send("register", successor, value=board.rules.sequencer_bond)
    for n in range(1, count + 1):
        board.send("claim_batch", successor, told.truth.deltas[n])
    board.send("finalise", successor, count, wait=board.rules.window + 1)
    safe = (
        thrown.outcome == Outcome.CHALLENGER
        and posted == count
        and board.rollup.finalised == count
        and board.rollup.burned == board.rules.sequencer_bond // 2
    )
    return Finding("loses on purpose over a true batch", safe, "T stays, half the bond is burned")


class _Slow(Challenger):
    """An honest challenger that leaves one second on its clock."""

    def answer(self, game: Game) -> list[Attempt]:
        """Answer late."""
        wait = max(1, game.challenger_clock - 1)
        return [replace(attempt, wait=wait) for attempt in super().answer(game)]


def last_second(board: LocalBoard, told: Story) -> Finding:
    """Move in the last second, then claim the other side's time: its clock must be its own.

    The honest challenger then moves in its last seconds too: every stage must leave it time to build its trace.
    """
    liar, watcher = board.accounts[:2]
    sequencer, honest = adversaries.Liar(told.lie), _Slow(told.truth, last=True)
    post_all(board, sequencer, liar)
    game_id = challenge(board, honest, watcher)
    first: Attempt = sequencer.answer(board.rollup.games[game_id])[0]
    board.send(first.name, liar, game_id, *first.arguments, wait=board.rules.clock)
    board.send("post_mid", liar, game_id, sequencer.middle(board.rollup.games[game_id]))
    reason = ""
    try:
        board.send("timeout", liar, game_id)
    except Refused as error:
        reason = str(error)
    played = settle(board, game_id, sequencer, honest)
    safe = reason == "clock still runs" and played.outcome == Outcome.CHALLENGER
    return Finding("moves in the last second, then calls time", safe, f"refused: {reason}")


SCENARIOS: dict[str, Callable[[LocalBoard, Story], Finding]] = {
    "sock_puppet": sock_puppet,
    "agreed_false_state": agreed_false_state,
    "front_run": front_run,
    "spam": spam,
    "after_window": lambda board, told: refused_challenge(board, told, final=False),
    "final_batch": lambda board, told: refused_challenge(board, told, final=True),
    "collusive_loss": collusive_loss,
    "last_second": last_second,
}


def play_scenarios(make_board: Callable[[Rules, bytes], LocalBoard]) -> list[Finding]:
    """Tell every story on a fresh board; return how each ended."""
    findings = []
    for tell in SCENARIOS.values():
        told = story()
        findings.append(tell(make_board(Rules(), told.truth.roots[0]), told))
    return findings
