"""Any order of messages by anyone, with one honest watcher: what becomes final is true, and no wei is lost."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import NOBODY, Rules, Stage
from rollstate.dispute.matches import random_transactions
from rollstate.dispute.step import Refused
from rollstate.dispute.worlds import Fault, World
from rollstate.dispute.zoo import conserved

DEPTH = 8
BATCHES = 5
RULES = Rules(depth=DEPTH, window=100, clock=50, extension=10)
coins = st.booleans()


class AnyoneSendsAnything(RuleBasedStateMachine):
    """The watcher acts after every message and before time passes; everybody else does as hypothesis likes."""

    @initialize(seed=st.integers(0, 10**6))
    def start(self, seed):
        rng = random.Random(seed)
        keys = rng.sample(range(1 << DEPTH), 4)
        genesis = {key: rng.randint(1, 20) for key in keys[:3]}
        batches = random_transactions(rng, keys, BATCHES, 4)
        tree = SparseMerkleTree(DEPTH)
        self.truth = World(genesis, batches, tree)
        at = rng.randint(1, BATCHES)
        fault = Fault(at, rng.randrange(len(batches[at - 1])), "mint", keys[0], 5)
        self.lie = World(genesis, batches, tree, fault)
        self.board = LocalBoard(RULES, self.truth.roots[0])
        self.rollup = self.board.rollup
        self.watcher = self.board.accounts[0]
        self.honest = Challenger(self.truth)
        self.attacked: set[int] = set()

    def send(self, name, by, *arguments, **more):
        try:
            self.board.send(name, self.board.accounts[by], *arguments, **more)
        except Refused:
            return
        self.watch()

    def watch(self):
        """The honest watcher: challenge every wrong claim once, answer every own game at once."""
        rollup = self.rollup
        for game_id, game in list(rollup.games.items()):
            if game_id not in rollup.games:
                continue
            if not rollup.standing(game):
                self.board.send("close_void", self.watcher, game_id)
            elif game.challenger == self.watcher:
                attempts = self.honest.interrupt(game) + (
                    [] if game.sequencer_turn else self.honest.answer(game)
                )
                if attempts:
                    one = attempts[0]
                    self.board.send(one.name, self.watcher, game_id, *one.arguments)
        bond = RULES.challenger_bond
        target = self.honest.target(rollup)
        if target and rollup.batches[target[0]].serial not in self.attacked:
            self.attacked.add(rollup.batches[target[0]].serial)
            self.board.send("open_challenge", self.watcher, *target, value=bond)
        if self.honest.denies_checkpoint(rollup) and rollup.pending.serial not in self.attacked:
            self.attacked.add(rollup.pending.serial)
            self.board.send("challenge_checkpoint", self.watcher, value=bond)

    @rule(by=st.integers(1, 3))
    def register(self, by):
        self.send("register", by, value=RULES.sequencer_bond)

    @rule(true=st.sampled_from((True, True, True, False)))
    def post_or_claim(self, true):
        world, n = (self.truth if true else self.lie), self.rollup.claimed + 1
        if self.rollup.sequencer == NOBODY or n > BATCHES:
            return
        by = self.board.accounts.index(self.rollup.sequencer)
        if self.rollup.claimed < self.rollup.posted:
            self.send("claim_batch", by, world.deltas[n])
        else:
            self.send("post_batch", by, world.batches[n - 1], world.deltas[n])

    @rule(by=st.integers(1, 4), n=st.integers(1, BATCHES), true=coins)
    def open_a_challenge(self, by, n, true):
        pre = (self.truth if true else self.lie).roots[n - 1]
        self.send("open_challenge", by, n, pre, value=RULES.challenger_bond)

    @rule(pick=st.integers(0, 100), true=coins, agree=coins)
    def move_in_a_game(self, pick, true, agree):
        if not self.rollup.games:
            return
        game_id = sorted(self.rollup.games)[pick % len(self.rollup.games)]
        game = self.rollup.games[game_id]
        if game.sequencer_turn and self.rollup.sequencer != NOBODY:
            by = self.board.accounts.index(self.rollup.sequencer)
            one = Sequencer(self.truth if true else self.lie).answer(game)[0]
            self.send(one.name, by, game_id, *one.arguments)
        elif game.challenger != self.watcher:
            self.send("pick", self.board.accounts.index(game.challenger), game_id, agree)

    @rule(pick=st.integers(0, 100), n=st.integers(1, BATCHES), i=st.integers(0, 3), true=coins)
    def prove_anything(self, pick, n, i, true):
        if self.rollup.games:
            game_id = sorted(self.rollup.games)[pick % len(self.rollup.games)]
            game = self.rollup.games[game_id]
            if game.stage == Stage.PROVE and pick % 2:
                n, i = game.x, game.lo
            world = self.truth if true else self.lie
            self.send("one_step", 4, game_id, world.witness(n, i % len(world.batches[n - 1])))

    @rule(seconds=st.sampled_from((1, 10, 49, 51, 101)))
    def let_time_pass_and_close_what_is_over(self, seconds):
        self.board.now += seconds
        for game_id in list(self.rollup.games):
            self.send("timeout", 4, game_id)
        self.send("finalise", 4, self.rollup.claimed)

    @rule(n=st.integers(1, BATCHES), true=coins)
    def checkpoint(self, n, true):
        if self.rollup.sequencer != NOBODY:
            by = self.board.accounts.index(self.rollup.sequencer)
            self.send("post_checkpoint", by, n, (self.truth if true else self.lie).roots[n])

    @rule()
    def accept(self):
        self.send("accept_checkpoint", 4)

    @rule(by=st.integers(0, 4), leave=coins)
    def take_money(self, by, leave):
        self.send("resign" if leave else "withdraw", by)

    @invariant()
    def final_is_true(self):
        if not hasattr(self, "board"):
            return
        for n in range(1, self.rollup.finalised + 1):
            assert self.rollup.batches[n].delta == self.truth.deltas[n]
        assert self.rollup.root == self.truth.roots[self.rollup.r]
        assert self.rollup.r <= self.rollup.finalised <= self.rollup.claimed <= self.rollup.posted

    @invariant()
    def no_wei_is_lost(self):
        if hasattr(self, "board"):
            conserved(self.board)

    @invariant()
    def the_watcher_never_loses(self):
        if hasattr(self, "board"):
            rollup = self.rollup
            opened = [
                m.game_id for m in self.board.messages if m.by == self.watcher and "challenge" in m.name
            ]
            assert all(rollup.outcomes.get(game_id) != 1 for game_id in opened)


AnyoneSendsAnything.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestAnyoneSendsAnything = AnyoneSendsAnything.TestCase
