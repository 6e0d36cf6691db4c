"""Stories with more than two parties, or outside a single game: collusion, spam, late and void challenges."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from rollstate.dispute import adversaries
from rollstate.dispute.agents import Attempt, Challenger, Middles, Sequencer
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Game, Outcome, Rules
from rollstate.dispute.matches import bond_of, challenge, open_game, post_all, settle
from rollstate.dispute.step import Refused
from rollstate.dispute.transition import Transfer
from rollstate.dispute.worlds import Fault, World
from rollstate.errors import InputError


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
    """Let an adversary copy the honest challenger's moves and close its game first: the honest one is paid too."""
    liar, thief, watcher, successor = board.accounts[:4]
    sequencer, honest = adversaries.Liar(told.lie), Challenger(told.truth)
    post_all(board, sequencer, liar)
    own, stolen = (challenge(board, honest, account) for account in (watcher, thief))
    played = settle(board, stolen, sequencer, honest)
    refused = ""
    try:
        board.send("close_void", watcher, own)
    except Refused as error:
        refused = str(error)
    claim_again(board, told, successor)
    board.send("close_void", watcher, own)
    rules, credit = board.rules, board.rollup.credit[watcher]
    safe = (
        played.outcome == Outcome.CHALLENGER
        and refused == "truth is not final"
        and board.rollup.outcomes[own] == Outcome.REFUNDED
        and credit == rules.challenger_bond + rules.sequencer_bond // 4
    )
    return Finding(
        "copies the honest challenger and closes first", safe, "opener and closer share the reward"
    )


def claim_again(board: LocalBoard, told: Story, successor: str) -> None:
    """Let an honest successor claim every posted batch anew and make them final."""
    count = board.rollup.posted
    for n in range(board.rollup.claimed + 1, count + 1):
        board.send("claim_batch", successor, n, told.truth.deltas[n], value=bond_of(board, successor))
    board.send("finalise", successor, count, wait=board.rules.window + 1)


def sybil(board: LocalBoard, told: Story, games: int = 8) -> Finding:
    """Open many false games, of which the sequencer misses one: the others' bonds are gone all the same."""
    account, successor, *others = board.accounts
    post_all(board, Sequencer(told.truth), account)
    n, attackers = len(told.truth.batches), others[:games]
    opened = [open_game(board, one, n, bytes([7]) * 32) for one in attackers]
    board.send("timeout", attackers[0], opened[0], wait=board.rules.clock + 1)
    claim_again(board, told, successor)
    for one, game in zip(attackers[1:], opened[1:], strict=True):
        board.send("close_void", one, game)
    back = sum(board.rollup.credit.get(one, 0) for one in attackers)
    paid_in = games * board.rules.challenger_bond
    # What the reward adds is bounded by half a bond, however many games there are.
    safe = back == board.rules.challenger_bond + board.rules.sequencer_bond // 2 and all(
        board.rollup.outcomes[game] == Outcome.FORFEITED for game in opened[1:]
    )
    return Finding(
        f"opens {games} false games and wins one by the clock",
        safe,
        f"{back / paid_in:.1f} of what it paid in",
    )


def held_back(board: LocalBoard, told: Story) -> Finding:
    """Lie in batch 2, be challenged over the last batch in time, and finalise batch 2 while that game runs."""
    liar, watcher, other = board.accounts[:3]
    sequencer, honest = adversaries.Liar(told.lie), Challenger(told.truth, last=True)
    post_all(board, sequencer, liar)
    game_id = challenge(board, honest, watcher)
    board.send(*_first(sequencer, board, game_id, liar))
    refused = ""
    try:
        # The watcher's clock is longer than what is left of batch 2's window.
        wait = board.rollup.batches[2].posted_at + board.rules.window + 1 - board.now
        board.send("finalise", other, 2, wait=wait)
    except Refused as error:
        refused = str(error)
    played = settle(board, game_id, sequencer, honest)
    safe = refused == "a game is open" and played.outcome == Outcome.CHALLENGER
    return Finding("finalises its lie while a game over a later batch runs", safe, f"refused: {refused}")


def _first(sequencer: Sequencer, board: LocalBoard, game_id: int, account: str) -> tuple:
    attempt = sequencer.answer(board.rollup.games[game_id])[0]
    return (attempt.name, account, game_id, *attempt.arguments)


def poisoned(board: LocalBoard, told: Story) -> Finding:
    """Let a lie become final because nobody looks: true roots still go through, and a puppet wins nothing by it."""
    liar, puppet, successor = board.accounts[:3]
    post_all(board, adversaries.Liar(told.lie), liar, last=2)
    board.send("finalise", liar, 2, wait=board.rules.window + 1)
    board.send("resign", liar)
    honest = Sequencer(told.truth)
    post_all(board, honest, successor)
    accuser = adversaries.FalseChallenger(told.lie, len(told.truth.batches))
    game = settle(board, challenge(board, accuser, puppet), honest, accuser)
    board.send("finalise", successor, len(told.truth.batches), wait=board.rules.window + 1)
    board.send("post_checkpoint", successor, 2, told.truth.roots[2])
    bond, serial = board.rules.challenger_bond, board.rollup.pending.serial
    again = board.send("challenge_checkpoint", puppet, serial, value=bond)
    checkpoint = settle(board, again, honest, accuser)
    board.send("accept_checkpoint", successor, wait=board.rules.window + 1)
    safe = game.outcome == checkpoint.outcome == Outcome.SEQUENCER and board.rollup.r == 2
    return Finding("attacks honest successors of a false final difference", safe, "roots follow from T alone")


def squatter(board: LocalBoard, told: Story) -> Finding:
    """Sit on the seat and do nothing; what was forced meanwhile is claimed by whoever takes the seat by working."""
    idle, honest, user = board.accounts[:3]
    post_all(board, Sequencer(told.truth), idle, last=1)
    board.send("force_batch", user, 2, told.truth.batches[1])
    board.send("finalise", user, 1, wait=board.rules.window + 1)
    bond = board.rules.sequencer_bond
    refused = ""
    try:
        board.send("claim_batch", honest, 2, told.truth.deltas[2], value=bond)
    except Refused as error:
        refused = str(error)
    board.send("claim_batch", honest, 2, told.truth.deltas[2], value=bond, wait=board.rules.patience)
    safe = refused == "the seat is taken" and board.rollup.sequencer == honest
    return Finding("sits on the seat and does nothing", safe, "the next claim takes the seat")


def spam(board: LocalBoard, told: Story, games: int = 3) -> Finding:
    """Open many games on a true batch at the end of its window; all are lost, and finality waits two clocks."""
    account, *others = board.accounts
    honest = Sequencer(told.truth)
    post_all(board, honest, account)
    n, posted_at, rules = len(told.truth.batches), board.now, board.rules
    accusers = [adversaries.ForgesState(told.truth, n, random.Random(i)) for i in range(games)]
    opened: list[int] = []
    for other, accuser in zip(others, accusers, strict=False):
        # Late, but early enough for one message per second.
        wait = 1 if opened else rules.window - games - n
        opened.append(challenge(board, accuser, other, wait=wait))
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
        serial, bond = board.rollup.batches[n].serial, board.rules.challenger_bond
        board.send("open_challenge", late, n, serial, n, bytes(32), value=bond, wait=wait)
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
    claim_again(board, told, successor)
    safe = (
        thrown.outcome == Outcome.CHALLENGER
        and posted == count
        and board.rollup.finalised == count
        and board.rollup.burned == board.rules.sequencer_bond // 2
    )
    return Finding("loses on purpose over a true batch", safe, "T stays, half the bond is burned")


def taken_up(board: LocalBoard, told: Story) -> Finding:
    """Let the honest challenger fall silent after the window is over: strangers finish what it began."""
    liar, silent, stranger, other = board.accounts[:4]
    sequencer, honest = adversaries.Liar(told.lie), Challenger(told.truth, last=True)
    post_all(board, sequencer, liar)
    rollup, rules = board.rollup, board.rules
    n, pre = len(told.truth.batches), told.truth.roots[-2]
    closing = rollup.batches[2].posted_at + rules.window - board.now
    game_id = open_game(board, silent, n, pre, wait=closing)
    board.send(*_first(sequencer, board, game_id, liar))
    picked = honest.answer(rollup.games[game_id], rollup.published[game_id])[0]
    wait, bond = rules.clock // 2, rules.challenger_bond
    branch = board.send(picked.name, stranger, game_id, *picked.arguments, value=bond, wait=wait)
    board.send("timeout", liar, game_id, wait=rules.clock - wait + 1)
    refused = ""
    try:
        board.send("finalise", liar, 2)
    except Refused as error:
        refused = str(error)
    board.send(*_first(sequencer, board, branch, liar))
    proof = honest.answer(rollup.games[branch], rollup.published[branch])[0]
    board.send(proof.name, other, branch, *proof.arguments)
    safe = (
        refused == "a game is open"
        and rollup.outcomes[game_id] == Outcome.SEQUENCER
        and rollup.outcomes[branch] == Outcome.CHALLENGER
        and rollup.credit[stranger] > bond
    )
    return Finding("outlasts the one challenger of its lie", safe, "a stranger picks, another one proves")


def meddled(board: LocalBoard, told: Story) -> Finding:
    """Let a puppet move in the honest challenger's game, as badly as it can: that game is left as it was."""
    liar, puppet, watcher = board.accounts[:3]
    sequencer, honest = adversaries.Liar(told.lie), Challenger(told.truth, last=True)
    post_all(board, sequencer, liar)
    rollup, game_id = board.rollup, challenge(board, honest, watcher) or 0
    board.send(*_first(sequencer, board, game_id, liar))
    before, middles = rollup.games[game_id], rollup.published[game_id]
    fool = adversaries.PicksAlways(told.lie, before.batch, agree=True)
    bad = fool.answer(before, middles)[0]
    branch = board.send(bad.name, puppet, game_id, *bad.arguments, value=board.rules.challenger_bond)
    kept = rollup.games[game_id] == before
    lost = settle(board, branch, sequencer, fool)
    good = honest.answer(before, middles)[0]
    board.send(good.name, watcher, game_id, *good.arguments)
    board.send(*_first(sequencer, board, game_id, liar))
    right = honest.prove(rollup.games[game_id], rollup.published[game_id], 0)
    refused = ""
    try:
        board.send(right.name, puppet, game_id, *right.arguments)
    except Refused as error:
        refused = str(error)
    played = settle(board, game_id, sequencer, honest)
    outcomes = (lost.outcome, played.outcome)
    safe = kept and refused == "the step is right" and outcomes == (Outcome.SEQUENCER, Outcome.CHALLENGER)
    return Finding("lets a puppet move in the honest challenger's game", safe, f"refused: {refused}")


class _Slow(Challenger):
    """An honest challenger that leaves one second on its clock."""

    def answer(self, game: Game, middles: Middles = ()) -> list[Attempt]:
        """Return the honest move, made in the last second of the clock."""
        wait = max(1, game.challenger_clock - 1)
        return [replace(attempt, wait=wait) for attempt in super().answer(game, middles)]


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
    reason = ""
    try:
        board.send("timeout", liar, game_id)
    except Refused as error:
        reason = str(error)
    played = settle(board, game_id, sequencer, honest)
    safe = reason == "clock still runs" and played.outcome == Outcome.CHALLENGER
    return Finding("moves in the last second, then calls time", safe, f"refused: {reason}")


def exit_after_one_window(board: LocalBoard, world: World, n: int, key: int, held: int) -> None:
    """Let a user leave with what exit account `key`, the board's first, holds after batch `n`."""
    account, user = board.accounts[:2]
    if board.send("open_exit", user) != key:
        raise InputError(f"{key:#x} is not the key of the first exit account")
    post_all(board, Sequencer(world), account)
    board.send("finalise", user, len(world.batches), wait=board.rules.window + 1)
    board.send("exit", user, n, key, held, world.tree.prove(world.deltas[n], key))


SCENARIOS: dict[str, Callable[[LocalBoard, Story], Finding]] = {
    "sock_puppet": sock_puppet,
    "agreed_false_state": agreed_false_state,
    "front_run": front_run,
    "sybil": sybil,
    "held_back": held_back,
    "poisoned": poisoned,
    "squatter": squatter,
    "spam": spam,
    "after_window": lambda board, told: refused_challenge(board, told, final=False),
    "final_batch": lambda board, told: refused_challenge(board, told, final=True),
    "collusive_loss": collusive_loss,
    "taken_up": taken_up,
    "meddled": meddled,
    "last_second": last_second,
}


def play_scenarios(make_board: Callable[[Rules, bytes], LocalBoard]) -> list[Finding]:
    """Tell every story on a fresh board; return how each ended."""
    findings = []
    for tell in SCENARIOS.values():
        told = story()
        findings.append(tell(make_board(Rules(), told.truth.roots[0]), told))
    return findings
