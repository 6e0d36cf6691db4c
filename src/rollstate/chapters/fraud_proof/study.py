"""What the chapter ``fraud_proof`` computes: games on a chain, searches of the model, random play, exits, prices."""

from __future__ import annotations

import random
from dataclasses import dataclass

import polars as pl

from rollstate import scalars
from rollstate.chapters.fraud_proof.parameters import FraudProof
from rollstate.compendium.stamps import Model
from rollstate.dispute import adversaries, chain, crowds, economics, matches, scenarios, schedules, zoo
from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Rules
from rollstate.dispute.matches import Played
from rollstate.dispute.transition import Transfer, exit_key
from rollstate.dispute.worlds import Fault, World

PROOF_INPUTS = 5
"""Public inputs of a proof of one batch: states before and after it, transactions, difference, and their number."""
GAS_BATCH = 8
"""Transactions per batch of the games whose gas is drawn."""


def stamp(p: FraudProof) -> Model:
    """Return what the chapter's results come from."""
    return Model(f"the contract on {p.chain}, transactions drawn at random, no chain data")


def worlds(
    n: int, m: int, fault_batch: int, fault_transaction: int, kind: str, depth: int, accounts: int, seed: int
) -> tuple[World, World]:
    """Return a true and a wrong world; one account moves in every batch, so that a lie shows in all later ones."""
    rng = random.Random(seed)
    keys = rng.sample(range(exit_key(min(depth, 60), 0)), accounts)
    genesis = {key: rng.randint(10**6, 2 * 10**6) for key in keys}
    hot = keys[0]
    batches = [
        [Transfer(hot, keys[1], 1).encode()]
        + [Transfer(rng.choice(keys), rng.choice(keys), rng.randint(1, 9)).encode() for _ in range(m - 1)]
        for _ in range(n)
    ]
    tree = SparseMerkleTree(depth)
    fault = Fault(fault_batch, fault_transaction, kind, hot, 1000)
    return World(genesis, batches, tree), World(genesis, batches, tree, fault)


@dataclass(frozen=True)
class Walkthrough:
    """The two worlds of the walkthrough.

    Attributes
    ----------
    p : FraudProof
        The chapter's parameters.
    truth, lie : World
        What is so, and what the sequencer says.
    """

    p: FraudProof
    truth: World
    lie: World

    @property
    def posted(self) -> pl.DataFrame:
        """What the contract holds: ``batch``, ``status`` (checkpoint, final, right, wrong)."""
        p = self.p
        deltas = zip(self.truth.deltas, self.lie.deltas, strict=True)
        status = ["wrong" if a != b else "final" if n < p.r else "right" for n, (a, b) in enumerate(deltas)]
        status[p.r] = "checkpoint"
        return pl.DataFrame({"batch": range(p.n + 1), "status": status})

    def play(self, node: chain.Node, *, last: bool) -> tuple[pl.DataFrame, Played]:
        """Play the game over the first wrong claim (Case A) or the last one (Case B); return its messages too."""
        p = self.p
        board = chain.ChainBoard(node, p.rules(), self.truth.roots[0])
        sequencer = zoo.SEQUENCERS[p.sequencer](self.lie, self.truth, random.Random(p.seed))
        zoo.settle_until(board, sequencer, board.accounts[0], p.r)
        matches.post_all(board, sequencer, board.accounts[0])
        challenger = Challenger(self.truth, last=last)
        game_id = matches.challenge(board, challenger, board.accounts[1])
        played = matches.settle(board, game_id, sequencer, challenger)
        return _messages(board, played), played


def walkthrough(p: FraudProof) -> Walkthrough:
    """Return the walkthrough's worlds."""
    made = worlds(p.n, p.m, p.fault_batch, p.fault_transaction, p.fault, p.depth, p.accounts, p.seed)
    return Walkthrough(p, *made)


def _messages(board: chain.ChainBoard, played: Played) -> pl.DataFrame:
    """Return what went over the chain in a game, with the range that it leaves."""
    names = {board.accounts[0]: "sequencer", board.accounts[1]: "challenger"}
    stages = ("response awaited", "stage one", "stage two")
    rows = []
    for message in board.messages[played.first : played.last]:
        game = message.game
        after = (stages[game.stage], game.lo, game.hi) if game else ("closed", None, None)
        rows.append((chain.MESSAGES[message.name], names[message.by], message.gas, *after))
    columns = ["message", "by", "gas", "stage after it", "agreed at", "denied at"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def gas_by_gap(p: FraudProof, node: chain.Node) -> pl.DataFrame:
    """Play Case B for each gap: ``gap``, ``message``, ``gas``, one line for each message in order."""
    rows: list[tuple[int, str, int]] = []
    for gap in sorted(p.gaps):
        truth, lie = worlds(gap, GAS_BATCH, max(1, gap // 3), 5, "mint", 32, 64, p.seed)
        board = chain.ChainBoard(node, Rules(), truth.roots[0])
        liar, honest = adversaries.Liar(lie), Challenger(truth, last=True)
        matches.post_all(board, liar, board.accounts[0])
        game_id = matches.challenge(board, honest, board.accounts[1])
        game = matches.settle(board, game_id, liar, honest)
        sent = board.messages[game.first : game.last]
        rows += [(gap, chain.MESSAGES[message.name], message.gas) for message in sent]
    return pl.DataFrame(rows, schema=["gap", "message", "gas"], orient="row")


def gas_by_side(gas: pl.DataFrame) -> tuple[int, int]:
    """Return the gas of the sequencer's and of the challenger's messages in the longest game of `gas_by_gap`."""
    longest = gas.filter(pl.col("gap") == pl.col("gap").max())
    answers = pl.col("message").str.contains("respond|post")
    sides = [int(longest.filter(mine)["gas"].sum()) for mine in (answers, ~answers)]
    return sides[0], sides[1]


def stage_two_gas(gas: pl.DataFrame) -> dict[str, int]:
    """Return the gas of stage two in the longest game, and of one proof in its place; by names of results."""
    longest = gas.filter(pl.col("gap") == pl.col("gap").max())
    played = longest.filter(pl.col("message").is_in(["postTrace", "prove"]))
    return {"stage_two": int(played["gas"].sum()), "zk_stage_two": economics.groth16_gas(PROOF_INPUTS)}


def budgets(p: FraudProof, gas: pl.DataFrame) -> list[economics.Campaign]:
    """Return what the chapter's budget buys an adversary of this contract, at the gas of the longest game."""
    sequencer, challenger = gas_by_side(gas)
    return economics.campaigns(
        p.rules(), p.budget, sequencer_gas=sequencer, challenger_gas=challenger, gwei=p.gas_price
    )


def budget_results(p: FraudProof, gas: pl.DataFrame) -> dict[str, float]:
    """Return what the chapter records of `budgets`."""
    games, losses = budgets(p, gas)
    return {
        "budget": p.budget,
        "budget_games": games.times,
        "honest_share": games.honest_gas_eth / p.budget,
        "honest_income": games.honest_income_eth / p.budget,
        "budget_delay": losses.seconds / 86_400,
    }


def same_budget(p: FraudProof, gas: pl.DataFrame) -> pl.DataFrame:
    """Return what the same budget does to this contract, computed, and to other designs, as they publish it.

    Sources: OP Stack, ``FaultDisputeGame``; the tables of Dave (arXiv 2411.05463), which give the share of the attacker's
    spending that an honest side needs, for OP Stack and for BoLD with three levels; Kailua's documentation.
    """
    b = p.budget
    rows = [
        ("this contract", f"{c.attack}, {c.times:,} times", f"{c.seconds:,.0f} s",
         f"gas {c.honest_gas_eth:,.1f} ETH, income {c.honest_income_eth:,.1f} ETH",
         f"{c.honest_capital_eth:,.1f} ETH", "computed")
        for c in budgets(p, gas)
    ]  # fmt: skip
    op = b / economics.op_bond(0)
    rows += [
        ("OP Stack, dispute game", f"false claims at depth 0, {op:,.0f}", "two clocks of 3.5 days",
         "not published", f"{0.51 * b:,.0f} ETH (51 %)", "published"),
        ("Arbitrum BoLD, three levels", "false assertions", "at most 2 challenge periods", "not published",
         f"{0.134 * b:,.0f} ETH (13.4 %)", "published"),
        ("Cartesi Dave", "false claims", "2 to 5 challenge periods", "gas of at most 7 ETH", "3 ETH",
         "published, for up to 3 million ETH"),
        ("Kailua", f"false proposals, {b / 0.08:,.0f}", "time of one proof", f"at most {100 * b / 0.08:,.0f} USD of proofs",
         "0.08 ETH", "published"),
    ]  # fmt: skip
    columns = ["design", "attack", "delay", "honest side spends", "honest side locks", "source"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def model(p: FraudProof) -> pl.DataFrame:
    """Search the timed model, with each rule removed and with all: ``rule``, ``harm``, ``attack``, ``length``, ``states``."""
    whole = schedules.Size(batches=p.model_batches, window=1, clock=2, patience=1, puppets=1, bonds=2)
    rows = []
    for rule in (*schedules.RULES, None):
        found = schedules.search(whole, rule)
        steps = "; ".join(found.attack).replace("!", "")
        name = rule or "none: all rules are in force"
        rows.append((name, found.harm or "none", steps, len(found.attack), found.states))
    return pl.DataFrame(rows, schema=["rule", "harm", "attack", "length", "states"], orient="row")


def random_games(p: FraudProof) -> tuple[int, int]:
    """Return how many random games of two parties were played and how many the honest one won."""
    start = p.seed * 10_000_000
    verdicts = zoo.random_matches(range(start, start + p.random_games))
    return len(verdicts), sum(verdict.honest_won for verdict in verdicts)


def broken_plays(p: FraudProof) -> int:
    """Return in how many plays of many parties a promise was broken by the rules as they are."""
    start, broken = p.seed * 10_000_000, 0
    for seed in range(start, start + p.crowd_plays):
        try:
            crowds.Crowd(seed).play()
        except zoo.Broken:
            broken += 1
    return broken


def kills(p: FraudProof) -> pl.DataFrame:
    """Return ``rule``, ``play`` and ``found``: plays until broken rules were found out, or the number tried if not."""
    rows = []
    for name, mutant in crowds.MUTANTS.items():
        for play, kill, most in (
            ("many parties", crowds.killed, p.crowd_plays),
            ("two parties", crowds.killed_by_pairs, p.random_games),
        ):
            after = kill(mutant, most, p.seed)
            rows.append((name, play, after or most, after is not None))
    return pl.DataFrame(rows, schema=["rule", "play", "plays", "found"], orient="row")


def crowd_results(kills: pl.DataFrame, p: FraudProof) -> dict[str, int]:
    """Return what the chapter records of random plays and of the broken rules that they find."""
    games, won = random_games(p)
    found = kills.filter("found").group_by("play").len()
    by_play = dict(found.iter_rows())
    return {
        "games": games,
        "won": won,
        "crowd_plays": p.crowd_plays,
        "crowd_broken": broken_plays(p),
        "mutants": kills["rule"].n_unique(),
        "found_by_crowds": by_play.get("many parties", 0),
        "found_by_pairs": by_play.get("two parties", 0),
    }


def model_results(found: pl.DataFrame) -> dict[str, int]:
    """Return what the chapter records of `model`: its last line has all rules in force, the others lack one each."""
    removed, whole = found.head(-1), found.row(-1, named=True)
    return {
        "states": whole["states"],
        "attacks": int(whole["length"] > 0),
        "rules": removed.height,
        "needed": removed.filter(removed["length"] > 0).height,
        "longest_attack": scalars.whole(removed["length"].max() or 0),
    }


def stories(node: chain.Node) -> pl.DataFrame:
    """Tell every story on the chain: who does what, whether it ended safely, and what decided it."""
    findings = scenarios.play_scenarios(lambda rules, genesis: chain.ChainBoard(node, rules, genesis))
    return pl.DataFrame(
        [(f.adversary, f.safe, f.what) for f in findings],
        schema=["who does what", "safe", "what decided it"],
        orient="row",
    )


def naive(node: chain.Node) -> pl.DataFrame:
    """Let a puppet lose on purpose on two contracts: ``contract``, ``final``, ``challenge`` (accepted, or the reason)."""
    told, rows = scenarios.story(), []
    for name, edits in (("naive", chain.NAIVE), ("this chapter's", ())):
        board = chain.ChainBoard(node, Rules(), told.truth.roots[0], edits)
        liar, puppet, watcher = board.accounts[:3]
        sequencer, thrower = adversaries.Liar(told.lie), adversaries.Throws(told.lie, 4, random.Random(0))
        matches.post_all(board, sequencer, liar)
        game_id = matches.challenge(board, thrower, puppet)
        matches.settle(board, game_id, sequencer, thrower)
        final = board.contract.functions.finalised().call()
        serial, bond = board.rollup.batches[2].serial, board.rules.challenger_bond
        arguments = (2, serial, 1, told.truth.roots[1])
        reason = board.reason("open_challenge", watcher, *arguments, value=bond)
        rows.append((name, final, reason or "accepted"))
    return pl.DataFrame(rows, schema=["contract", "final", "challenge"], orient="row")


def exit_costs(p: FraudProof, node: chain.Node) -> dict[str, int]:
    """Return gas and time of an exit proven in h(Delta_n), and when the state hash of its batch is final."""
    key, rng = exit_key(p.depth, 0), random.Random(p.seed)
    keys = rng.sample(range(exit_key(min(p.depth, 60), 0)), 16)
    batch = [Transfer(a, rng.choice(keys), 1).encode() for a in keys[1:]] + [
        Transfer(keys[0], key, 30).encode()
    ]
    world = World(dict.fromkeys(keys, 100), [batch], SparseMerkleTree(p.depth))
    board = chain.ChainBoard(node, p.rules(), world.roots[0], vault=1600)
    scenarios.exit_after_one_window(board, world, 1, key, 30)
    posted = next(message.now for message in board.messages if message.name == "post_batch")
    left, gas = board.now, board.messages[-1].gas
    board.send("post_checkpoint", board.accounts[0], 1, Sequencer(world).checkpoint(1))
    board.send("accept_checkpoint", board.accounts[0], wait=board.rules.window + 1)
    return {"exit_gas": gas, "exit_s": left - posted, "checkpoint_s": board.now - posted}


SCHEME = (
    ("open", 0.15, 0.85, "openChallenge\nclaim, h(S′) before it", "challenger", "respond", ""),
    ("respond", 0.5, 0.85, "same state before it?", "sequencer", "agree|disagree", ""),
    ("agree", 0.5, 0.5, "respondAgree\nall states inside n", "sequencer", "prove", "yes: Case A"),
    ("disagree", 0.85, 0.5, "respondDisagree\nall roots since r", "sequencer", "pick", "no: Case B"),
    ("pick", 0.85, 0.15, "pick\nfirst root that differs", "challenger", "trace", ""),
    ("trace", 0.5, 0.15, "postTrace\nall states inside x", "sequencer", "prove", ""),
    ("prove", 0.15, 0.15, "prove\nrun one transaction", "challenger", "", ""),
)


def scheme() -> pl.DataFrame:
    """Return the game as boxes: ``box``, ``x``, ``y``, ``text``, ``side``, ``to``, ``label``."""
    columns = ["box", "x", "y", "text", "side", "to", "label"]
    return pl.DataFrame(SCHEME, schema=columns, orient="row")


def prices(p: FraudProof) -> pl.DataFrame:
    """Return ways to delay finality under the chapter's constants: delay, cost, and delay for one ETH."""
    return pl.DataFrame(
        [
            (d.attack, d.seconds, d.eth, d.seconds_per_eth, "yes" if d.repeats else "no")
            for d in economics.delays(p.rules())
        ],
        schema=["attack", "delay (s)", "cost (ETH)", "delay for one ETH (s)", "can be repeated"],
        orient="row",
    )
