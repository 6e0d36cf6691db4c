"""Any order of messages by anyone, with one honest watcher: what becomes final is true, and no wei is lost."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.needs import examples

from rollstate.dispute.agents import Challenger, Sequencer
from rollstate.dispute.chain import LocalBoard
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.game import Outcome, Rules, Stage
from rollstate.dispute.matches import bond_of, open_game, random_transactions
from rollstate.dispute.step import Refused
from rollstate.dispute.worlds import Fault, World
from rollstate.dispute.zoo import conserved

DEPTH = 8
BATCHES = 5
RULES = Rules(depth=DEPTH, window=100, clock=50, extension=10, patience=150)
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
            if game_id not in rollup.games or game.challenger != self.watcher:
                continue
            if not rollup.standing(game):
                if game.batch <= (rollup.r if game.on_checkpoint else rollup.finalised):
                    self.board.send("close_void", self.watcher, game_id)
            elif not game.sequencer_turn:
                one = self.honest.answer(game, rollup.published.get(game_id, ()))[0]
                self.board.send(one.name, self.watcher, game_id, *one.arguments)
        target = self.honest.target(rollup)
        if target and rollup.batches[target[0]].serial not in self.attacked:
            self.attacked.add(rollup.batches[target[0]].serial)
            open_game(self.board, self.watcher, *target)
        if self.honest.denies_checkpoint(rollup) and rollup.pending.serial not in self.attacked:
            self.attacked.add(rollup.pending.serial)
            bond, serial = RULES.challenger_bond, rollup.pending.serial
            self.board.send("challenge_checkpoint", self.watcher, serial, value=bond)

    @rule(by=st.integers(1, 3), true=st.sampled_from((True, True, True, False)), force=st.booleans())
    def post_or_claim(self, by, true, force):
        world, n = (self.truth if true else self.lie), self.rollup.claimed + 1
        if n > BATCHES:
            return
        bond = bond_of(self.board, self.board.accounts[by])
        if self.rollup.claimed < self.rollup.posted:
            self.send("claim_batch", by, n, world.deltas[n], value=bond)
        elif force:
            self.send("force_batch", by, n, world.batches[n - 1])
        else:
            self.send("post_batch", by, n, world.batches[n - 1], world.deltas[n], value=bond)

    @rule(by=st.integers(1, 4), n=st.integers(1, BATCHES), true=coins)
    def open_a_challenge(self, by, n, true):
        if n in self.rollup.batches:
            serial, first = self.rollup.batches[n].serial, self.rollup.first_open(self.board.now + 1)
            pre = (self.truth if true else self.lie).roots[n - 1]
            self.send("open_challenge", by, n, serial, first, pre, value=RULES.challenger_bond)

    @rule(by=st.integers(1, 4))
    def challenge_the_checkpoint(self, by):
        serial = self.rollup.pending.serial
        self.send("challenge_checkpoint", by, serial, value=RULES.challenger_bond)

    @rule(pick=st.integers(0, 100), true=coins, index=st.integers(0, 4), agree=coins)
    def move_in_a_game(self, pick, true, index, agree):
        """One party of one of the running games moves, out of a true or a wrong world, or against its own."""
        rollup = self.rollup
        games = [g for g in sorted(rollup.games) if rollup.standing(rollup.games[g])]
        if not games:
            return
        game_id = games[pick % len(games)]
        game, middles = rollup.games[game_id], rollup.published.get(games[pick % len(games)], ())
        world = self.truth if true else self.lie
        if game.sequencer_turn:
            sequencer, by = Sequencer(world), self.board.accounts.index(rollup.sequencer)
            one = sequencer.answer(game)[0]
            if game.stage == Stage.RESPOND and agree:
                one = sequencer.agree(game)
        elif game.challenger != self.watcher:
            by = self.board.accounts.index(game.challenger)
            challenger = Challenger(world)
            section = challenger.first_denied(game, middles) if agree else index % (len(middles) + 1)
            step = challenger.pick if game.stage == Stage.FIND_BATCH else challenger.prove
            one = step(game, middles, section)
        else:
            return
        self.send(one.name, by, game_id, *one.arguments)

    @rule(seconds=st.sampled_from((1, 10, 49, 51, 101, 151)), prefix=st.integers(1, BATCHES))
    def let_time_pass_and_close_what_is_over(self, seconds, prefix):
        """The watcher answers all its games before time passes; then clocks are called and a prefix is finalised."""
        self.board.now += seconds
        for game_id in list(self.rollup.games):
            self.send("timeout", 4, game_id)
            self.send("close_void", 4, game_id)
        self.send("finalise", 4, prefix)

    @rule(n=st.integers(1, BATCHES))
    def finalise_a_prefix(self, n):
        self.send("finalise", 3, n)

    @rule(by=st.integers(1, 3), n=st.integers(1, BATCHES), true=coins)
    def checkpoint(self, by, n, true):
        bond = bond_of(self.board, self.board.accounts[by])
        self.send("post_checkpoint", by, n, (self.truth if true else self.lie).roots[n], value=bond)

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
            lost = (Outcome.SEQUENCER, Outcome.FORFEITED)
            assert all(rollup.outcomes.get(game_id) not in lost for game_id in opened)


AnyoneSendsAnything.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=50)
TestAnyoneSendsAnything = AnyoneSendsAnything.TestCase
