"""Every reason of the contract: provoked once, refused by the Python rules with the same words, nothing changed.

`PROVOKED` has one entry for each reason in the contract's source, so a removed assertion breaks the test of its
reason; `test_mutations` removes them one by one.
"""

import copy
import re
from dataclasses import replace

import pytest

from rollstate.dispute.adversaries import FalseChallenger
from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.chain import ChainBoard, source
from rollstate.dispute.commitment import VALUE_LIMIT, SparseMerkleTree
from rollstate.dispute.game import Rules, Stage
from rollstate.dispute.matches import challenge, post_all, settle
from rollstate.dispute.scenarios import story
from rollstate.dispute.step import Refused
from rollstate.dispute.transition import Transfer
from rollstate.dispute.worlds import World
from rollstate.errors import RollstateError

FALSE = b"\7" * 32
PAIRS = ((1, 2, 1), (2, 3, 2), (1, 2, 1000))


class Table:
    """A board with a true sequencer, and short cuts to every stage."""

    def __init__(self, board):
        self.board, self.rules = board, board.rules
        self.sequencer, self.other, self.third = board.accounts[:3]
        genesis = {1: 100, 2: 50, 3: 7}
        self.world = World(genesis, [[Transfer(*p).encode() for p in PAIRS]] * 4, SparseMerkleTree(32))

    def registered(self):
        self.board.send("register", self.sequencer, value=self.rules.sequencer_bond)
        return self

    def posted(self, count=4):
        self.registered()
        for n in range(1, count + 1):
            self.board.send("post_batch", self.sequencer, self.world.batches[n - 1], self.world.deltas[n])
        return self

    def final(self, count=4):
        self.posted()
        self.board.send("finalise", self.third, count, wait=self.rules.window + 1)
        return self

    def checkpoint(self, root=None):
        self.final()
        self.board.send("post_checkpoint", self.sequencer, 4, root or self.world.roots[4])
        return self

    def opened(self, n=4, pre=FALSE):
        self.posted()
        return self.open(n, pre)

    def open(self, n=4, pre=FALSE):
        pre = self.world.roots[0] if n == 1 else pre
        bond = self.rules.challenger_bond
        self.game = self.board.send("open_challenge", self.other, n, pre, value=bond)
        return self

    def stage_one(self):
        self.opened()
        self.board.send("respond_disagree", self.sequencer, self.game, self.world.roots[3])
        return self

    def mid_posted(self):
        self.stage_one()
        self.board.send("post_mid", self.sequencer, self.game, self.world.roots[1])
        return self

    def prove(self, picks=(True, False)):
        """Reach the last step of batch 1 over three transactions; middles are at 1 and, above, at 2."""
        self.opened(1)
        self.board.send("respond_agree", self.sequencer, self.game, self.world.roots[1])
        for agree in picks:
            game = self.board.rollup.games[self.game]
            if game.stage == Stage.PROVE:
                break
            mid = self.world.vm_state(1, game.mid)
            self.board.send("post_mid", self.sequencer, self.game, mid)
            self.board.send("pick", self.other, self.game, agree)
        self.at = self.board.rollup.games[self.game].lo
        self.witness = self.world.witness(1, self.at)
        return self

    def challenger_won(self, games=1):
        """Let the sequencer fall silent; `games` further games are void then."""
        self.opened()
        first = self.game
        for _ in range(games):
            self.open()
        self.board.send("timeout", self.other, first, wait=self.rules.clock + 1)
        return self


def step_with(access=0, **changes):
    """Return a provocation: the last step with one access changed."""

    def provoke(table):
        table.prove()
        accesses = list(table.witness.accesses)
        made = {name: make(getattr(accesses[access], name)) for name, make in changes.items()}
        accesses[access] = replace(accesses[access], **made)
        return step(table, accesses=tuple(accesses))

    return provoke


def step(table, **changes):
    return msg("one_step", table.other, table.game, replace(table.witness, **changes))


def msg(name, by, *arguments, **more):
    return {"name": name, "by": by, "arguments": arguments, **more}


def more_bits(path):
    free = next(level for level in range(32) if not path.bitmap >> level & 1)
    return replace(path, bitmap=path.bitmap | 1 << free)


def junk_sibling(path):
    return replace(more_bits(path), siblings=(*path.siblings, FALSE))


def overdraft(table):
    table.prove(picks=(True, True))
    assert table.at == 2
    debit, credit = table.witness.accesses
    return step(table, accesses=(replace(debit, now=debit.now + 1), credit))


def stale(table):
    table.stage_one()
    before = table.board.rollup.games[table.game]
    table.board.send("post_mid", table.sequencer, table.game, FALSE)
    return msg("post_mid", table.sequencer, table.game, FALSE, game=before)


def stale_void(table):
    table.challenger_won()
    void = table.board.rollup.games[table.game]
    return msg("close_void", table.other, table.game, game=replace(void, batch=3))


def late_challenger(table):
    table.mid_posted()
    return msg("pick", table.other, table.game, True, wait=table.rules.clock + 1)


def blocked(table):
    table.opened()
    return msg("finalise", table.third, 4, wait=table.rules.window + 1)


def checkpoint_blocked(table):
    table.checkpoint()
    table.board.send("challenge_checkpoint", table.other, value=table.rules.challenger_bond)
    return msg("accept_checkpoint", table.third, wait=table.rules.window + 1)


def unclaimed(table):
    table.challenger_won()
    table.board.send("register", table.third, value=table.rules.sequencer_bond)
    return msg("post_batch", table.third, [b""], FALSE)


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
    "wrong length of the transaction's proof": lambda t: step(t.prove(), proof=t.witness.proof[:1]),
    "transaction is not in the batch": lambda t: step(t.prove(), transaction=bytes(96)),
    "not the agreed state": lambda t: step(t.prove(), delta_root=FALSE),
    "no single step yet": lambda t: msg("one_step", t.other, t.opened().game, t.world.witness(1, 0)),
    "there is a sequencer": lambda t: msg("register", t.registered().other, value=t.rules.sequencer_bond),
    "wrong sequencer bond": lambda t: msg("register", t.sequencer, value=1),
    "only the sequencer resigns": lambda t: msg("resign", t.registered().other),
    "claims are not final": lambda t: msg("resign", t.posted().sequencer),
    "a checkpoint is pending": lambda t: msg("resign", t.checkpoint().sequencer),
    "only the sequencer posts": lambda t: msg("post_batch", t.registered().other, [b""], FALSE),
    "claim the posted batches first": unclaimed,
    "batch is empty": lambda t: msg("post_batch", t.registered().sequencer, [], FALSE),
    "batch too large": lambda t: msg("post_batch", t.registered().sequencer, [b""] * 65, FALSE),
    "checkpoint overdue": lambda t: msg("post_batch", t.posted().sequencer, [b""], FALSE),
    "only the sequencer claims": lambda t: msg("claim_batch", t.challenger_won().other, FALSE),
    "every posted batch has a claim": lambda t: msg("claim_batch", t.posted().sequencer, FALSE),
    "already final": lambda t: msg("finalise", t.final().third, 4),
    "no claim to finalise": lambda t: msg("finalise", t.posted().third, 5, wait=t.rules.window + 1),
    "window is open": lambda t: msg("finalise", t.posted().third, 4, wait=t.rules.window),
    "a game is open": blocked,
    "only the sequencer checkpoints": lambda t: msg("post_checkpoint", t.final().other, 4, FALSE),
    "another checkpoint is pending": lambda t: msg(
        "post_checkpoint", t.checkpoint().sequencer, 4, t.world.roots[4]
    ),
    "checkpoint does not advance": lambda t: msg("post_checkpoint", t.final().sequencer, 0, FALSE),
    "batch is not final": lambda t: msg("post_checkpoint", t.posted().sequencer, 4, FALSE),
    "no checkpoint to accept": lambda t: msg("accept_checkpoint", t.posted().third),
    "checkpoint's window is open": lambda t: msg(
        "accept_checkpoint", t.checkpoint().third, wait=t.rules.window
    ),
    "a game on the checkpoint is open": checkpoint_blocked,
    "not the game's state": stale,
    "claim was withdrawn": lambda t: msg(
        "respond_disagree", t.challenger_won().sequencer, t.game, t.world.roots[3]
    ),
    "wrong stage": lambda t: msg("respond_agree", t.stage_one().sequencer, t.game, FALSE),
    "not your turn": lambda t: msg("post_mid", t.mid_posted().sequencer, t.game, FALSE),
    "not a party of this turn": lambda t: msg("respond_agree", t.opened().other, t.game, FALSE),
    "sequencer's clock is spent": lambda t: msg(
        "respond_agree", t.opened().sequencer, t.game, FALSE, wait=t.rules.clock + 1
    ),
    "challenger's clock is spent": late_challenger,
    "wrong challenger bond": lambda t: msg("open_challenge", t.posted().other, 4, FALSE, value=1),
    "batch is final": lambda t: msg(
        "open_challenge", t.final().other, 4, FALSE, value=t.rules.challenger_bond
    ),
    "no claim to challenge": lambda t: msg(
        "open_challenge", t.posted().other, 5, FALSE, value=t.rules.challenger_bond
    ),
    "window is over": lambda t: msg(
        "open_challenge", t.posted().other, 4, FALSE, value=t.rules.challenger_bond, wait=t.rules.window + 1
    ),
    "the state before the batch is final": lambda t: msg(
        "open_challenge", t.posted().other, 1, FALSE, value=t.rules.challenger_bond
    ),
    "no checkpoint to challenge": lambda t: msg(
        "challenge_checkpoint", t.posted().other, value=t.rules.challenger_bond
    ),
    "checkpoint's window is over": lambda t: msg(
        "challenge_checkpoint",
        t.checkpoint().other,
        value=t.rules.challenger_bond,
        wait=t.rules.window + 1,
    ),
    "no batch to disagree on": lambda t: msg("respond_disagree", t.opened(1).sequencer, t.game, FALSE),
    "that is agreement": lambda t: msg("respond_disagree", t.opened().sequencer, t.game, FALSE),
    "nothing to bisect": lambda t: msg("post_mid", t.opened().sequencer, t.game, FALSE),
    "clock still runs": lambda t: msg("timeout", t.opened().other, t.game, wait=t.rules.clock),
    "not the void game's state": stale_void,
    "claim stands": lambda t: msg("close_void", t.opened().other, t.game),
    "nothing to withdraw": lambda t: msg("withdraw", t.posted().other),
}
"""Reason to a function that sets a table and returns the message that provokes it."""
DEPLOYMENT = {"extension above clock"}
RULES = Rules(max_gap=4)


def reasons(text):
    return re.findall(r'assert .*, "(.*)"', text)


def provoke(board, reason):
    """Return the reason for which the contract refuses the message that should provoke `reason`."""
    message = PROVOKED[reason](Table(board))
    arguments = message.pop("arguments")
    return board.reason(message.pop("name"), message.pop("by"), *arguments, **message)


def test_every_assertion_has_its_own_reason_and_provocation():
    found = reasons(source())
    assert len(found) == len(set(found)) == source().count("    assert ")
    assert set(found) == set(PROVOKED) | DEPLOYMENT


@pytest.mark.parametrize("reason", PROVOKED)
def test_contract_and_rules_refuse_alike(make_board, reason):
    world = Table(type("Bare", (), {"rules": RULES, "accounts": ["", "", ""]})).world
    board = make_board(RULES, world.roots[0])
    message = PROVOKED[reason](Table(board))
    name, by, arguments = message.pop("name"), message.pop("by"), message.pop("arguments")
    assert board.reason(name, by, *arguments, **message) == reason
    if message.pop("game", None):
        return  # the Python rules hold the games themselves: there is no stale state to send
    before, now, sent = copy.deepcopy(board.rollup), board.now, len(board.messages)
    with pytest.raises(Refused, match=re.escape(reason)):
        board.send(name, by, *arguments, **message)
    assert (board.rollup, board.now, len(board.messages)) == (before, now, sent)
    assert board.differences() == {}


def test_an_extension_above_the_clock_is_refused_at_deployment(py_evm):
    with pytest.raises(Refused, match="extension above clock"):
        Rules(clock=10, extension=11)
    rules = Rules()
    object.__setattr__(rules, "extension", rules.clock + 1)
    with pytest.raises(RollstateError, match="refused its constants"):
        ChainBoard(py_evm, rules, bytes(32))


def test_a_closed_game_is_closed_for_every_message(make_board):
    told = story()
    board = make_board(Rules(), told.truth.roots[0])
    honest, accuser = Sequencer(told.truth), FalseChallenger(told.lie, 4)
    post_all(board, honest, board.accounts[0])
    game_id = challenge(board, accuser, board.accounts[1])
    state = board.rollup.games[game_id]
    settle(board, game_id, honest, accuser)
    for name, arguments in (
        ("respond_agree", (bytes(32),)),
        ("post_mid", (bytes(32),)),
        ("pick", (True,)),
        ("timeout", ()),
        ("one_step", (told.truth.witness(1, 0),)),
    ):
        found = board.reason(name, board.accounts[0], game_id, *arguments, game=state, wait=10**6)
        assert found == "not the game's state"
        with pytest.raises(Refused, match="not the game's state"):
            board.send(name, board.accounts[0], game_id, *arguments)


def test_an_honest_challenger_finds_nothing_wrong_with_a_true_sequencer(make_board):
    told = story()
    board = make_board(Rules(), told.truth.roots[0])
    post_all(board, Sequencer(told.truth), board.accounts[0])
    assert challenge(board, Challenger(told.truth), board.accounts[1]) is None
