"""Every reason of the contract: provoked once, refused by the Python rules with the same words, nothing changed.

`PROVOKED` has one entry for each reason in the contract's source, so a removed assertion breaks the test of its
reason; `test_mutations` removes them one by one.
"""

import copy
import re
from dataclasses import astuple, replace

import pytest
from eth_tester.exceptions import TransactionFailed

from rollstate.dispute.adversaries import FalseChallenger
from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.batches import merkle_proof
from rollstate.dispute.chain import ChainBoard, compile_source, source
from rollstate.dispute.commitment import VALUE_LIMIT, SparseMerkleTree
from rollstate.dispute.game import Rollup, Rules
from rollstate.dispute.matches import challenge, open_game, post_all, settle
from rollstate.dispute.scenarios import story
from rollstate.dispute.step import Refused
from rollstate.dispute.transition import Transfer, exit_key
from rollstate.dispute.worlds import World
from rollstate.errors import InputError

FALSE = b"\7" * 32
EXIT = exit_key(32, 0)
PAIRS = ((1, 2, 1), (2, 3, 2), (1, 2, 1000))


class Table:
    """A board with a true sequencer, and short cuts to every stage."""

    def __init__(self, board):
        self.board, self.rules = board, board.rules
        self.sequencer, self.other, self.third = board.accounts[:3]
        genesis = {1: 100, 2: 50, 3: 7}
        batches = [
            [Transfer(*p).encode() for p in PAIRS],
            *([Transfer(1, EXIT, 1).encode()] for _ in range(3)),
        ]
        self.world = World(genesis, batches, SparseMerkleTree(32))

    def posted(self, count=4):
        post_all(self.board, Sequencer(self.world), self.sequencer, last=count)
        return self

    def post(self, n, transactions, by=None, value=0, **more):
        return msg("post_batch", by or self.sequencer, n, transactions, FALSE, value=value, **more)

    def final(self, count=4):
        self.posted()
        self.board.send("finalise", self.third, count, wait=self.rules.window + 1)
        return self

    def checkpoint(self, batch=4):
        self.final()
        self.board.send("post_checkpoint", self.sequencer, batch, self.world.roots[batch])
        return self

    def deny(self, n=4, pre=FALSE, serial=None, first=1, value=None, **more):
        """Return a challenge; what is left out is right."""
        standing = self.board.rollup.batches[n].serial if n in self.board.rollup.batches else FALSE
        value = self.rules.challenger_bond if value is None else value
        return msg("open_challenge", self.other, n, serial or standing, first, pre, value=value, **more)

    def deny_checkpoint(self, serial=None, **more):
        standing = self.board.rollup.pending.serial
        return msg(
            "challenge_checkpoint", self.other, serial or standing, value=self.rules.challenger_bond, **more
        )

    def opened(self, n=4, pre=FALSE):
        self.posted()
        return self.open(n, pre)

    def open(self, n=4, pre=FALSE):
        self.game = open_game(self.board, self.other, n, self.world.roots[0] if n == 1 else pre)
        return self

    def play(self, moves):
        """Let both sides play their own worlds for a number of moves."""
        false = World({1: 100, 2: 51, 3: 7}, self.world.batches, self.world.tree)
        parties = {True: Sequencer(self.world), False: FalseChallenger(false, 4)}
        for _ in range(moves):
            game = self.board.rollup.games[self.game]
            middles = self.board.rollup.published.get(self.game, ())
            one = parties[game.sequencer_turn].answer(game, middles)[0]
            by = self.sequencer if game.sequencer_turn else self.other
            self.board.send(one.name, by, self.game, *one.arguments)
        return self

    def picking(self):
        """Reach stage one, with the roots of batches 1 and 2 posted; the challenger is to pick."""
        return self.opened().play(1)

    def picked(self):
        """Reach stage two, the sequencer is to post the trace of batch 1."""
        return self.picking().play(1)

    def pick(self, index=0, low=None, low_proof=(), high=None, high_proof=None):
        """Return the pick of section 0, between h(S_0) and h(S_1), with something changed."""
        middles = self.board.rollup.published[self.game]
        return msg(
            "pick", self.other, self.game, index, low or self.world.roots[0], low_proof, high or middles[0],
            merkle_proof(middles, 0) if high_proof is None else high_proof,
        )  # fmt: skip

    def prove(self, at=1):
        """Reach the step of batch 1 after `at` of its three transactions, with its true message in `step`."""
        self.opened(1).play(1)
        game, middles = self.board.rollup.games[self.game], self.board.rollup.published[self.game]
        self.move = Challenger(self.world).prove(game, middles, at).arguments
        self.witness = self.move[-1]
        return self

    def challenger_won(self, games=1):
        """Let the sequencer fall silent; `games` further games are void then."""
        self.opened()
        first = self.game
        for _ in range(games):
            self.open()
        self.board.send("timeout", self.other, first, wait=self.rules.clock + 1)
        return self

    def bond(self):
        return {"value": self.rules.sequencer_bond}


def step_with(access=0, **changes):
    """Return a provocation: the last step with one access changed."""

    def provoke(table):
        table.prove()
        accesses = list(table.witness.accesses)
        made = {name: make(getattr(accesses[access], name)) for name, make in changes.items()}
        accesses[access] = replace(accesses[access], **made)
        return step(table, accesses=tuple(accesses))

    return provoke


def step(table, index=None, high=None, **changes):
    """Return the proof of the step with something changed."""
    old_index, low_proof, old_high, high_proof, witness = table.move
    index = old_index if index is None else index
    witness = replace(witness, **changes)
    return msg("prove", table.other, table.game, index, low_proof, high or old_high, high_proof, witness)


def msg(name, by, *arguments, **more):
    return {"name": name, "by": by, "arguments": arguments, **more}


def more_bits(path):
    free = next(level for level in range(32) if not path.bitmap >> level & 1)
    return replace(path, bitmap=path.bitmap | 1 << free)


def junk_sibling(path):
    return replace(more_bits(path), siblings=(*path.siblings, FALSE))


def overdraft(table):
    table.prove(at=2)
    debit, credit = table.witness.accesses
    return step(table, accesses=(replace(debit, now=debit.now + 1), credit))


def stale(table):
    table.opened()
    before = table.board.rollup.games[table.game]
    table.play(1)
    return msg("respond_agree", table.sequencer, table.game, FALSE, (), game=before)


def stale_void(table):
    table.challenger_won()
    void = table.board.rollup.games[table.game]
    return msg("close_void", table.other, table.game, game=replace(void, batch=3))


def late_challenger(table):
    return {**table.picking().pick(), "wait": table.rules.clock + 1}


def blocked(table):
    table.opened()
    return msg("finalise", table.third, 4, wait=table.rules.window + 1)


def checkpoint_blocked(table):
    challenge = table.checkpoint().deny_checkpoint()
    table.board.send(challenge["name"], challenge["by"], *challenge["arguments"], value=challenge["value"])
    return msg("accept_checkpoint", table.third, wait=table.rules.window + 1)


def earlier_window(table):
    table.posted(2)
    table.board.now += 10
    table.posted(4)
    return table.deny(4, first=3)


def seat_with_claims(table):
    table.posted()
    return msg("claim_batch", table.other, 5, FALSE, wait=table.rules.patience + 1, **table.bond())


def checkpoint_due(table):
    challenge = table.checkpoint(3).deny_checkpoint()
    game = table.board.send(
        challenge["name"], challenge["by"], *challenge["arguments"], value=challenge["value"]
    )
    table.board.send("timeout", table.other, game, wait=table.rules.clock + 1)
    return msg("post_checkpoint", table.sequencer, 4, table.world.roots[4], **table.bond())


def unclaimed(table):
    table.challenger_won()
    return table.post(5, [b""], by=table.third, **table.bond())


def forced(table):
    table.posted(1)
    table.board.send("force_batch", table.other, 2, [b""])
    return msg("force_batch", table.third, 3, [b""], wait=table.rules.patience)


def leaving(owned=True, twice=False, batch=2, held=1, key=EXIT, vault=True):
    """Return a provocation: an exit of 1 after batch 2, with something changed."""

    def provoke(table):
        if owned:
            table.board.send("open_exit", table.other)
        table.final()
        path = table.world.tree.prove(table.world.deltas[2], EXIT)
        one = msg("exit", table.other, batch, key, held, path)
        if twice:
            table.board.send(one["name"], one["by"], *one["arguments"])
        if not vault:
            # The vault holds 2; batch 4 shows 3.
            return msg("exit", table.other, 4, EXIT, 3, table.world.tree.prove(table.world.deltas[4], EXIT))
        return one

    return provoke


PROVOKED = {
    "bitmap beyond the tree's depth": step_with(
        state=lambda p: replace(p, bitmap=p.bitmap | 1 << 32, siblings=(*p.siblings, FALSE))
    ),
    "siblings do not match the bitmap": step_with(pre=more_bits),
    "more siblings than the bitmap has": step_with(pre=lambda p: replace(p, siblings=(*p.siblings, FALSE))),
    "earlier value too large": step_with(before=lambda v: VALUE_LIMIT),
    "value is not in the state before the batch": step_with(before=lambda v: v + 1),
    "value is not in the state": step_with(access=1, now=lambda v: v + 1),
    "change is not in the difference": step_with(diff=junk_sibling),
    "a transfer needs two accesses": lambda t: step(t.prove(), accesses=t.witness.accesses[:1]),
    "value too large": step_with(access=1, now=lambda v: VALUE_LIMIT),
    "overdraft is not in the state": overdraft,
    "wrong length of a Merkle proof": lambda t: step(t.prove(), proof=t.witness.proof[:1]),
    "transaction is not in the batch": lambda t: step(t.prove(), transaction=bytes(96)),
    "not the sequencer's middle": lambda t: step(t.prove(), delta_root=FALSE),
    "not the agreed state": lambda t: t.picking().pick(low=FALSE),
    "not the denied state": lambda t: step(t.prove(at=2), high=FALSE),
    "no such transaction": lambda t: step(t.prove(), index=3),
    "wrong bond of a pick": lambda t: {**t.picking().pick(), "by": t.third},
    "the step is right": lambda t: {**step(t.prove()), "by": t.third},
    "no such section": lambda t: t.picking().pick(index=3),
    "bond is posted already": lambda t: t.posted(1).post(2, [b""], value=1),
    "the seat is taken": lambda t: t.posted(1).post(
        2, [b""], by=t.other, wait=t.rules.patience - 1, **t.bond()
    ),
    "claims rest on the seat": seat_with_claims,
    "wrong sequencer bond": lambda t: t.post(1, [b""], value=1),
    "only the sequencer resigns": lambda t: msg("resign", t.posted().other),
    "claims are not final": lambda t: msg("resign", t.posted().sequencer),
    "a checkpoint is pending": lambda t: msg("resign", t.checkpoint().sequencer),
    "not the next batch": lambda t: t.posted(2).post(4, [b""]),
    "claim the posted batches first": unclaimed,
    "batch is empty": lambda t: t.post(1, [], **t.bond()),
    "batch too large": lambda t: t.post(1, [b""] * 65, **t.bond()),
    "checkpoint overdue": lambda t: t.posted().post(5, [b""]),
    "a batch was forced lately": forced,
    "not the next claim": lambda t: msg("claim_batch", t.challenger_won().third, 2, FALSE, **t.bond()),
    "no batch to claim": lambda t: msg("claim_batch", t.posted().sequencer, 5, FALSE),
    "already final": lambda t: msg("finalise", t.final().third, 4),
    "no claim to finalise": lambda t: msg("finalise", t.posted().third, 5, wait=t.rules.window + 1),
    "window is open": lambda t: msg("finalise", t.posted().third, 4, wait=t.rules.window),
    "a game is open": blocked,
    "another checkpoint is pending": lambda t: msg(
        "post_checkpoint", t.checkpoint().sequencer, 4, t.world.roots[4]
    ),
    "checkpoint does not advance": lambda t: msg("post_checkpoint", t.final().sequencer, 0, FALSE),
    "batch is not final": lambda t: msg("post_checkpoint", t.posted().sequencer, 4, FALSE),
    "a withdrawn checkpoint is due first": checkpoint_due,
    "no checkpoint to accept": lambda t: msg("accept_checkpoint", t.posted().third),
    "checkpoint's window is open": lambda t: msg(
        "accept_checkpoint", t.checkpoint().third, wait=t.rules.window
    ),
    "a game on the checkpoint is open": checkpoint_blocked,
    "exit's batch is not final": leaving(batch=5),
    "no exit account": leaving(key=1),
    "nobody owns this account": leaving(owned=False),
    "value is not in the difference": leaving(held=2),
    "nothing new to exit": leaving(twice=True),
    "the vault holds less": leaving(vault=False),
    "not the game's state": stale,
    "claim was withdrawn": lambda t: msg(
        "respond_agree", t.challenger_won().sequencer, t.game, t.world.roots[3], ()
    ),
    "wrong stage": lambda t: msg("respond_agree", t.picked().sequencer, t.game, FALSE, ()),
    "not your turn": lambda t: msg("post_roots", t.picking().sequencer, t.game, ()),
    "only the sequencer answers": lambda t: msg("respond_agree", t.opened().other, t.game, FALSE, ()),
    "sequencer's clock is spent": lambda t: msg(
        "respond_agree", t.opened().sequencer, t.game, FALSE, (), wait=t.rules.clock + 1
    ),
    "challenger's clock is spent": late_challenger,
    "wrong number of middles": lambda t: msg("respond_agree", t.opened(1).sequencer, t.game, FALSE, (FALSE,)),
    "wrong challenger bond": lambda t: t.posted().deny(value=1),
    "batch is final": lambda t: t.final().deny(),
    "no claim to challenge": lambda t: t.posted().deny(5),
    "another claim stands": lambda t: t.posted().deny(serial=FALSE),
    "held batch beyond the game": lambda t: t.posted().deny(3, first=4),
    "window is over": lambda t: t.posted().deny(first=4, wait=t.rules.window + 1),
    "an earlier window is open": earlier_window,
    "the state before the batch is final": lambda t: t.posted().deny(1),
    "no checkpoint to challenge": lambda t: t.posted().deny_checkpoint(),
    "another checkpoint stands": lambda t: t.checkpoint().deny_checkpoint(serial=FALSE),
    "checkpoint's window is over": lambda t: t.checkpoint().deny_checkpoint(wait=t.rules.window + 1),
    "no batch to disagree on": lambda t: msg("respond_disagree", t.opened(1).sequencer, t.game, FALSE, ()),
    "that is agreement": lambda t: msg("respond_disagree", t.opened().sequencer, t.game, FALSE, (FALSE,) * 2),
    "not the claimed difference": lambda t: msg(
        "post_trace", t.picked().sequencer, t.game, FALSE, (FALSE,) * 2
    ),
    "clock still runs": lambda t: msg("timeout", t.opened().other, t.game, wait=t.rules.clock),
    "not the void game's state": stale_void,
    "claim stands": lambda t: msg("close_void", t.opened().other, t.game),
    "truth is not final": lambda t: msg("close_void", t.challenger_won().other, t.game),
    "nothing to withdraw": lambda t: msg("withdraw", t.posted().other),
}
"""Reason to a function that sets a table and returns the message that provokes it."""
DEPLOYMENT = {
    "genesis is empty": None,
    "no window": {"window": 0},
    "no clock": {"clock": 0, "extension": 0},
    "extension above clock": {"extension": 601},
    "sequencer bond below challenger bond": {"sequencer_bond": 10**17 - 1},
    "challenger bond cannot be halved": {"challenger_bond": 1},
    "no gap": {"max_gap": 0},
    "patience below window": {"patience": 1199},
}
"""Reason to the constants that the constructor refuses; None stands for an empty genesis."""
RULES = Rules(max_gap=4)
VAULT = 2


def reasons(text):
    return re.findall(r'assert .*, "(.*)"', text)


def genesis_root():
    return Table(type("Bare", (), {"rules": RULES, "accounts": ["", "", ""]})).world.roots[0]


def provoke(board, reason):
    """Return the reason for which the contract refuses the message that should provoke `reason`."""
    message = PROVOKED[reason](Table(board))
    arguments = message.pop("arguments")
    return board.reason(message.pop("name"), message.pop("by"), *arguments, **message)


def test_every_assertion_has_its_own_reason_and_provocation():
    found = reasons(source())
    assert len(found) == len(set(found)) == source().count("    assert ")
    assert set(found) == set(PROVOKED) | set(DEPLOYMENT)


@pytest.mark.parametrize("reason", PROVOKED)
def test_contract_and_rules_refuse_alike(node, reason):
    board = ChainBoard(node, RULES, genesis_root(), vault=VAULT)
    message = PROVOKED[reason](Table(board))
    name, by, arguments = message.pop("name"), message.pop("by"), message.pop("arguments")
    assert board.reason(name, by, *arguments, **message) == reason
    if message.pop("game", None):
        return  # the Python rules hold the games themselves: there is no stale state to send
    before, now, sent = copy.deepcopy(board.rollup), board.now, len(board.messages)
    with pytest.raises(Refused, match=re.escape(reason)):
        board.send(name, by, *arguments, **message)
    assert (board.rollup, board.now, len(board.messages)) == (before, now, sent)


@pytest.mark.parametrize("reason", DEPLOYMENT)
def test_impossible_constants_are_refused_at_deployment(py_evm, reason):
    changes = DEPLOYMENT[reason]
    if changes is None:
        with pytest.raises(Refused, match=reason):
            Rollup(Rules(), bytes(32))
        # The Python rules refuse first; the contract is asked past them.
        assert deployment_refused(py_evm, Rules(), bytes(32))
        return
    with pytest.raises(Refused, match=reason):
        Rules(**changes)
    rules = Rules()
    for name, value in changes.items():
        object.__setattr__(rules, name, value)
    assert deployment_refused(py_evm, rules, FALSE)


def deployment_refused(py_evm, rules, genesis, edits=()):
    """Whether the contract's constructor reverts."""
    factory = py_evm.w3.eth.contract(**compile_source(source(rules.depth, edits)))
    try:
        factory.constructor(genesis, *astuple(rules)[1:]).estimate_gas()
    except TransactionFailed:
        return True
    return False


@pytest.mark.thorough
def test_a_claim_can_be_challenged_up_to_the_last_second_of_its_window(make_board):
    for checkpoint in (False, True):
        board = make_board(RULES, genesis_root())
        table = Table(board)
        table.checkpoint() if checkpoint else table.posted()
        wait = (
            board.rules.window
            if checkpoint
            else board.rollup.batches[4].posted_at - board.now + board.rules.window
        )
        one = table.deny_checkpoint(wait=wait) if checkpoint else table.deny(first=4, wait=wait)
        board.send(one["name"], one["by"], *one["arguments"], value=one["value"], wait=wait)
        assert board.differences() == {}


def test_a_lost_game_withdraws_a_pending_checkpoint_too(make_board):
    board = make_board(RULES, genesis_root())
    table = Table(board).posted(3)
    board.send("finalise", table.third, 3, wait=RULES.window + 1)
    board.send("post_checkpoint", table.sequencer, 3, table.world.roots[3])
    table.posted(4).open(4)
    board.send("timeout", table.other, table.game, wait=RULES.clock + 1)
    assert board.rollup.pending.serial == bytes(32)
    assert board.rollup.due == 3
    assert board.differences() == {}


def test_a_pick_by_a_stranger_holds_the_checkpoint_too(make_board):
    board = make_board(RULES, genesis_root())
    table = Table(board).checkpoint()
    one = table.deny_checkpoint()
    table.game = board.send(one["name"], one["by"], *one["arguments"], value=one["value"])
    table.play(1)
    pick = table.pick()
    bond = RULES.challenger_bond
    branch = board.send("pick", table.third, *pick["arguments"], value=bond)
    assert branch != table.game
    board.send("timeout", table.sequencer, table.game, wait=RULES.clock + 1)
    board.now = board.rollup.pending.posted_at + RULES.window
    with pytest.raises(Refused, match="a game on the checkpoint is open"):
        board.send("accept_checkpoint", table.third)
    assert board.rollup.pending.open_games == 1
    assert board.differences() == {}


def test_a_closed_game_is_closed_for_every_message(make_board):
    told = story()
    board = make_board(Rules(), told.truth.roots[0])
    honest, accuser = Sequencer(told.truth), FalseChallenger(told.lie, 4)
    post_all(board, honest, board.accounts[0])
    game_id = challenge(board, accuser, board.accounts[1])
    state = board.rollup.games[game_id]
    settle(board, game_id, honest, accuser)
    for name, arguments in (
        ("respond_agree", (bytes(32), ())),
        ("post_roots", ((),)),
        ("post_trace", (bytes(32), ())),
        ("pick", (0, bytes(32), (), bytes(32), ())),
        ("timeout", ()),
        ("prove", (0, (), bytes(32), (), told.truth.witness(1, 0))),
    ):
        found = board.reason(name, board.accounts[0], game_id, *arguments, game=state, wait=10**6)
        assert found == "not the game's state"
        with pytest.raises(Refused, match="not the game's state"):
            board.send(name, board.accounts[0], game_id, *arguments)


def test_an_honest_challenger_finds_nothing_wrong_with_a_true_sequencer(make_board):
    told = story()
    board = make_board(Rules(), told.truth.roots[0])
    post_all(board, Sequencer(told.truth), board.accounts[0])
    with pytest.raises(InputError, match="finds no wrong claim"):
        challenge(board, Challenger(told.truth), board.accounts[1])
