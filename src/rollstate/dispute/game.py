"""The rules of the two-stage game, message by message: the same as ``contracts/rollup.vy``, without a chain.

Every message takes the sender, the time and the value sent, refuses with the contract's reason, and leaves the
same numbers behind; ``Game.commitment`` is the very word the contract stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from rollstate.dispute.batches import check_batch, merkle_root, proof_root, transactions_root
from rollstate.dispute.commitment import ZERO, Path, leaf_hash, path_root, vm_state, word
from rollstate.dispute.keccak import keccak256
from rollstate.dispute.records import NOBODY, Batch, Checkpoint, Game, Outcome, Rules, Stage
from rollstate.dispute.step import Refused, StepWitness, one_step, require
from rollstate.dispute.transition import exit_key, is_exit
from rollstate.errors import InputError

__all__ = ["NOBODY", "Batch", "Checkpoint", "Game", "Outcome", "Rollup", "Rules", "Stage"]


@dataclass
class Rollup:
    """The contract's storage and its messages.

    Parameters
    ----------
    rules : Rules
        Constants.
    root : bytes
        ``h(S_0)`` at first, then the most recent finalised state hash ``h(S_r)``.
    vault : int
        Wei that exits are paid from.

    Notes
    -----
    `published` keeps the middle values of each running game. The contract stores their Merkle root alone; the values
    are in calldata, where every party reads them.
    """

    rules: Rules
    root: bytes
    vault: int = 0
    r: int = 0
    posted: int = 0
    claimed: int = 0
    finalised: int = 0
    history: bytes = ZERO
    forced_at: int = 0
    game_count: int = 0
    sequencer: str = NOBODY
    active_at: int = 0
    stake: int = 0
    burned: int = 0
    balance: int = 0
    due: int = 0
    exit_count: int = 0
    pending: Checkpoint = field(default_factory=Checkpoint)
    accepted: dict[int, bytes] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    games: dict[int, Game] = field(default_factory=dict)
    published: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    credit: dict[str, int] = field(default_factory=dict)
    owner: dict[int, str] = field(default_factory=dict)
    exited: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.root != ZERO, "genesis is empty")
        self.balance = self.vault

    # --- the sequencer's seat -----------------------------------------------------------------------------------

    def _seat(self, by: str, now: int, value: int) -> None:
        """Let only the sequencer claim; a seat that is vacant or idle goes to whoever claims next."""
        if by == self.sequencer:
            require(value == 0, "bond is posted already")
        else:
            taken = self.sequencer != NOBODY
            if taken:
                require(now > self.active_at + self.rules.patience, "the seat is taken")
                require(
                    self.claimed == self.finalised and self.pending.serial == ZERO, "claims rest on the seat"
                )
            require(value == self.rules.sequencer_bond, "wrong sequencer bond")
            if taken:
                self._credit(self.sequencer, self.stake)
            self.sequencer, self.stake = by, value
            self.balance += value
        self.active_at = now

    def resign(self, by: str, now: int) -> None:
        """Leave the role and get the bond back."""
        require(by == self.sequencer, "only the sequencer resigns")
        require(self.claimed == self.finalised, "claims are not final")
        require(self.pending.serial == ZERO, "a checkpoint is pending")
        self._credit(by, self.stake)
        self.stake, self.sequencer = 0, NOBODY

    # --- batches ------------------------------------------------------------------------------------------------

    def post_batch(
        self, by: str, now: int, n: int, transactions: Sequence[bytes], delta: bytes, value: int = 0
    ) -> None:
        """Order ``T_n`` for ever and claim ``h(Delta_n)``."""
        with self._undo():
            self._seat(by, now, value)
            require(self.claimed == self.posted, "claim the posted batches first")
            self._order(n, transactions)
            self._claim(n, delta, now)

    def force_batch(self, by: str, now: int, n: int, transactions: Sequence[bytes]) -> None:
        """Order ``T_n`` without the sequencer, who has to claim it before it posts again."""
        require(now > self.forced_at + self.rules.patience, "a batch was forced lately")
        self._order(n, transactions)
        self.forced_at = now

    def claim_batch(self, by: str, now: int, n: int, delta: bytes, value: int = 0) -> None:
        """Claim ``h(Delta_n)`` of a batch that was forced, or whose earlier claim was withdrawn."""
        with self._undo():
            self._seat(by, now, value)
            require(n == self.claimed + 1, "not the next claim")
            require(n <= self.posted, "no batch to claim")
            self._claim(n, delta, now)

    def finalise(self, by: str, now: int, n: int) -> None:
        """Make batches up to `n` final."""
        require(n > self.finalised, "already final")
        require(n <= self.claimed, "no claim to finalise")
        for k in range(self.finalised + 1, n + 1):
            require(now > self.batches[k].posted_at + self.rules.window, "window is open")
            require(self.batches[k].held_by == 0, "a game is open")
        self.finalised = n

    def first_open(self, now: int) -> int:
        """Return the first batch whose window is open at `now`; one past the last claim if none is."""
        after = range(self.finalised + 1, self.claimed + 1)
        return next(
            (k for k in after if now <= self.batches[k].posted_at + self.rules.window), self.claimed + 1
        )

    # --- checkpoints --------------------------------------------------------------------------------------------

    def post_checkpoint(self, by: str, now: int, batch: int, root: bytes, value: int = 0) -> None:
        """Claim ``h(S_r')`` for a final batch."""
        with self._undo():
            self._seat(by, now, value)
            require(self.pending.serial == ZERO, "another checkpoint is pending")
            require(batch > self.r, "checkpoint does not advance")
            require(batch <= self.finalised, "batch is not final")
            require(self.due in (0, batch), "a withdrawn checkpoint is due first")
            self.history = keccak256(self.history + word(batch) + root)
            self.pending = Checkpoint(batch, root, self.history, now)

    def accept_checkpoint(self, by: str, now: int) -> None:
        """Make the pending checkpoint the finalised state hash."""
        require(self.pending.serial != ZERO, "no checkpoint to accept")
        require(now > self.pending.posted_at + self.rules.window, "checkpoint's window is open")
        require(self.pending.open_games == 0, "a game on the checkpoint is open")
        self.r, self.root, self.due = self.pending.batch, self.pending.root, 0
        self.accepted[self.r], self.pending = self.root, Checkpoint()

    # --- exits --------------------------------------------------------------------------------------------------

    def open_exit(self, by: str, now: int) -> int:
        """Get the key of an L2 account that nothing leaves; return it."""
        key = exit_key(self.rules.depth, self.exit_count)
        self.exit_count += 1
        self.owner[key] = by
        return key

    def exit(self, by: str, now: int, n: int, key: int, held: int, path: Path) -> None:
        """Pay what an exit account holds after batch `n`, less what was paid before."""
        require(0 < n <= self.finalised, "exit's batch is not final")
        require(is_exit(key, self.rules.depth), "no exit account")
        require(key in self.owner, "nobody owns this account")
        try:
            found = path_root(key, leaf_hash(key, held + 2), path, self.rules.depth)
        except InputError as error:
            raise Refused(str(error)) from None
        require(found == self.batches[n].delta, "value is not in the difference")
        amount = held - self.exited.get(key, 0)
        require(amount > 0, "nothing new to exit")
        require(amount <= self.vault, "the vault holds less")
        self.exited[key] = held
        self.vault -= amount
        self._credit(self.owner[key], amount)

    # --- the game -----------------------------------------------------------------------------------------------

    def open_challenge(
        self, by: str, now: int, n: int, serial: bytes, first: int, pre: bytes, value: int = 0
    ) -> int:
        """Deny claim `serial` of ``h(Delta_n)``, claiming ``h(S'_{n-1}) = pre``; return the game's number."""
        require(n <= self.claimed, "no claim to challenge")
        require(n in self.batches and serial == self.batches[n].serial, "another claim stands")
        require(first > self.finalised, "batch is final")
        require(first <= n, "held batch beyond the game")
        require(now <= self.batches[first].posted_at + self.rules.window, "window is over")
        if first > self.finalised + 1:
            earlier = self.batches[first - 1].posted_at
            require(now > earlier + self.rules.window, "an earlier window is open")
        if n == self.r + 1:
            require(pre == self.root, "the state before the batch is final")
        batch = self.batches[n]
        game = self._new_game(by, now, n, first, serial, batch.delta, on_checkpoint=False, value=value)
        self.batches[first].held_by += 1
        if batch.opener == NOBODY:
            batch.opener = by
        return self._open(replace(game, pre=pre), value)

    def challenge_checkpoint(self, by: str, now: int, serial: bytes, value: int = 0) -> int:
        """Deny the pending ``h(S_r')``; return the game's number."""
        pending = self.pending
        require(pending.serial != ZERO, "no checkpoint to challenge")
        require(serial == pending.serial, "another checkpoint stands")
        require(now <= pending.posted_at + self.rules.window, "checkpoint's window is over")
        game = self._new_game(
            by, now, pending.batch, 0, serial, pending.root, on_checkpoint=True, value=value
        )
        game = self._stage_one(replace(game, hi_hash=pending.root))
        opener = by if pending.opener == NOBODY else pending.opener
        self.pending = replace(pending, open_games=pending.open_games + 1, opener=opener)
        return self._open(game, value)

    def respond_agree(self, by: str, now: int, game_id: int, post: bytes, middles: Sequence[bytes]) -> None:
        """Case A: agree with ``h(S'_{n-1})``, reveal ``h(S_n)`` and every state inside the batch."""
        game = self._move(game_id, by, now, Stage.RESPOND, by_sequencer=True)
        game = self._stage_two(game, game.batch, game.pre, post)
        game = replace(game, hi_hash=vm_state(post, game.claim, game.hi))
        self._commit(game_id, game, middles)

    def respond_disagree(self, by: str, now: int, game_id: int, pre: bytes, middles: Sequence[bytes]) -> None:
        """Case B: ``h(S_{n-1})`` is another one, and here are the roots since ``h(S_r)``."""
        game = self._move(game_id, by, now, Stage.RESPOND, by_sequencer=True)
        require(game.batch - 1 > game.lo, "no batch to disagree on")
        require(pre != game.pre, "that is agreement")
        game = self._stage_one(replace(game, hi=game.batch - 1, hi_hash=pre))
        if game.stage == Stage.FIND_BATCH:
            self._commit(game_id, game, middles)
        else:
            self.games[game_id] = game

    def post_roots(self, by: str, now: int, game_id: int, middles: Sequence[bytes]) -> None:
        """Stage one: the sequencer's ``h(S_k)`` between the sections."""
        game = self._move(game_id, by, now, Stage.FIND_BATCH, by_sequencer=True)
        self._commit(game_id, game, middles)

    def pick(
        self, by: str, now: int, game_id: int, index: int, low: bytes, low_proof: Sequence[bytes],
        high: bytes, high_proof: Sequence[bytes], value: int = 0,
    ) -> int:  # fmt: skip
        """Stage one: agree with the lower end of a section and deny its upper end; return the game that goes on.

        The challenger moves its own game. Anyone else picks in a new game, with a bond, and leaves the first alone:
        every section of the sequencer's values is a claim of its own, so one pick says nothing about another.
        """
        game = self._move(game_id, by, now, Stage.FIND_BATCH, by_sequencer=False)
        self._check_bond(by, game, value)
        ends = game.ends
        require(index < len(ends) - 1, "no such section")
        check_end(game, index, low, low_proof)
        check_end(game, index + 1, high, high_proof)
        moved = replace(
            game, lo=ends[index], hi=ends[index + 1], lo_hash=low, hi_hash=high, middles=ZERO,
            sequencer_turn=True,
        )  # fmt: skip
        if moved.hi - moved.lo == 1:
            moved = self._stage_two(moved, moved.hi, low, high)
        return self._go_on(by, game_id, game, moved, value)

    def post_trace(self, by: str, now: int, game_id: int, delta: bytes, middles: Sequence[bytes]) -> None:
        """Stage two: ``h(Delta_x)`` and every state inside batch x."""
        game = self._move(game_id, by, now, Stage.FIND_STEP, by_sequencer=True)
        # T alone decides the state: a wrong difference that became final must not stand in the way of true roots.
        require(game.x <= self.finalised or delta == self.batches[game.x].delta, "not the claimed difference")
        self._commit(game_id, replace(game, hi_hash=vm_state(game.post, delta, game.hi)), middles)

    def prove(
        self, by: str, now: int, game_id: int, index: int, low_proof: Sequence[bytes], high: bytes,
        high_proof: Sequence[bytes], witness: StepWitness,
    ) -> None:  # fmt: skip
        """Stage two: run one transaction between two of the sequencer's states; anyone may show a wrong step."""
        game = self._move(game_id, by, now, Stage.FIND_STEP, by_sequencer=False)
        require(index < game.hi, "no such transaction")
        agreed = vm_state(witness.state_root, witness.delta_root, index)
        check_end(game, index, agreed, low_proof)
        check_end(game, index + 1, high, high_proof)
        batch = self.batches[game.x]
        found = climbs_to(keccak256(witness.transaction), index, batch.size, witness.proof)
        require(found == batch.tx_root, "transaction is not in the batch")
        if one_step(witness, game.pre, index, self.rules.depth) == high:
            require(by == game.challenger, "the step is right")
            self._sequencer_wins(game_id, game)
        else:
            self._challenger_wins(game_id, game)

    def timeout(self, by: str, now: int, game_id: int) -> None:
        """Close a game whose turn-holder has no time left; that side loses."""
        game = self._check(game_id)
        clock = game.sequencer_clock if game.sequencer_turn else game.challenger_clock
        require(now > game.last + clock, "clock still runs")
        if game.sequencer_turn:
            self._challenger_wins(game_id, game)
        else:
            self._sequencer_wins(game_id, game)

    def close_void(self, by: str, now: int, game_id: int) -> None:
        """Close a game whose claim another game has withdrawn, once it is known whether that claim was right."""
        require(game_id in self.games, "not the void game's state")
        game = self.games[game_id]
        require(not self.standing(game), "claim stands")
        known = self.r if game.on_checkpoint else self.finalised
        require(game.batch <= known, "truth is not final")
        truth = self.accepted[game.batch] if game.on_checkpoint else self.batches[game.batch].delta
        self._close(game_id, Outcome.REFUNDED if truth != game.claim else Outcome.FORFEITED)
        if truth != game.claim:
            self._credit(game.challenger, self.rules.challenger_bond)
        else:
            self.burned += self.rules.challenger_bond

    def withdraw(self, by: str, now: int) -> int:
        """Pay out the caller's credit; return it."""
        amount = self.credit.get(by, 0)
        require(amount > 0, "nothing to withdraw")
        self.credit[by] = 0
        self.balance -= amount
        return amount

    def standing(self, game: Game) -> bool:
        """Return whether the claim under dispute still stands."""
        if game.on_checkpoint:
            return self.pending.serial == game.serial
        return game.batch <= self.claimed and self.batches[game.batch].serial == game.serial

    # --- shared by the messages ---------------------------------------------------------------------------------

    @contextmanager
    def _undo(self) -> Iterator[None]:
        """Take the seat back if the rest of a message is refused, as a revert does."""
        kept = self.sequencer, self.stake, self.active_at, self.balance, dict(self.credit)
        try:
            yield
        except Refused:
            self.sequencer, self.stake, self.active_at, self.balance, self.credit = kept
            raise

    def _order(self, n: int, transactions: Sequence[bytes]) -> None:
        require(n == self.posted + 1, "not the next batch")
        try:
            check_batch(transactions)
        except InputError as error:
            raise Refused(str(error)) from None
        require(n - self.r <= self.rules.max_gap, "checkpoint overdue")
        self.posted = n
        self.batches[n] = Batch(transactions_root(transactions), len(transactions))

    def _claim(self, n: int, delta: bytes, now: int) -> None:
        old = self.batches[n]
        self.history = keccak256(self.history + word(n) + old.tx_root + delta)
        self.claimed = n
        self.batches[n] = Batch(old.tx_root, old.size, delta, self.history, now)

    def _credit(self, to: str, amount: int) -> None:
        self.credit[to] = self.credit.get(to, 0) + amount

    def _new_game(
        self, by: str, now: int, batch: int, first: int, serial: bytes, claim: bytes, *,
        on_checkpoint: bool, value: int,
    ) -> Game:  # fmt: skip
        require(value == self.rules.challenger_bond, "wrong challenger bond")
        clock = self.rules.clock
        return Game(
            batch, first, serial, claim, by, on_checkpoint, Stage.RESPOND, True, self.r, batch, self.root,
            ZERO, ZERO, ZERO, ZERO, 0, clock, clock, now,
        )  # fmt: skip

    def _open(self, game: Game, value: int) -> int:
        self.game_count += 1
        self.games[self.game_count] = game
        self.balance += value
        return self.game_count

    def _check(self, game_id: int) -> Game:
        require(game_id in self.games, "not the game's state")
        require(self.standing(self.games[game_id]), "claim was withdrawn")
        return self.games[game_id]

    def _move(self, game_id: int, by: str, now: int, stage: Stage, *, by_sequencer: bool) -> Game:
        game = self._check(game_id)
        require(game.stage == stage, "wrong stage")
        require(game.sequencer_turn == by_sequencer, "not your turn")
        require(not by_sequencer or by == self.sequencer, "only the sequencer answers")
        spent = now - game.last
        if by_sequencer:
            require(spent <= game.sequencer_clock, "sequencer's clock is spent")
            return replace(game, sequencer_clock=game.sequencer_clock - spent, last=now)
        require(spent <= game.challenger_clock, "challenger's clock is spent")
        return replace(game, challenger_clock=game.challenger_clock - spent, last=now)

    def _enter(self, game: Game, stage: Stage) -> Game:
        least = self.rules.extension
        return replace(
            game,
            stage=stage,
            sequencer_turn=True,
            sequencer_clock=max(game.sequencer_clock, least),
            challenger_clock=max(game.challenger_clock, least),
        )

    def _stage_one(self, game: Game) -> Game:
        if game.hi - game.lo > 1:
            return self._enter(game, Stage.FIND_BATCH)
        return self._stage_two(game, game.hi, game.lo_hash, game.hi_hash)

    def _stage_two(self, game: Game, x: int, pre: bytes, post: bytes) -> Game:
        return replace(
            self._enter(game, Stage.FIND_STEP),
            x=x,
            pre=pre,
            post=post,
            lo=0,
            hi=self.batches[x].size,
            lo_hash=vm_state(pre, ZERO, 0),
            hi_hash=ZERO,
            middles=ZERO,
        )

    def _commit(self, game_id: int, game: Game, middles: Sequence[bytes]) -> None:
        require(len(middles) == len(game.ends) - 2, "wrong number of middles")
        self.games[game_id] = replace(game, middles=merkle_root(middles), sequencer_turn=False)
        self.published[game_id] = tuple(middles)

    def _check_bond(self, by: str, game: Game, value: int) -> None:
        require(value == (0 if by == game.challenger else self.rules.challenger_bond), "wrong bond of a pick")

    def _go_on(self, by: str, game_id: int, game: Game, moved: Game, value: int) -> int:
        """Save a move of the challenger, or the new game of somebody else who made it; return which game goes on."""
        if by == game.challenger:
            self.games[game_id] = moved
            return game_id
        if game.on_checkpoint:
            self.pending = replace(self.pending, open_games=self.pending.open_games + 1)
        else:
            self.batches[game.first].held_by += 1
        return self._open(replace(moved, challenger=by), value)

    def _close(self, game_id: int, outcome: Outcome) -> None:
        del self.games[game_id]
        self.published.pop(game_id, None)
        self.outcomes[game_id] = outcome

    def _sequencer_wins(self, game_id: int, game: Game) -> None:
        self._close(game_id, Outcome.SEQUENCER)
        if game.on_checkpoint:
            self.pending = replace(self.pending, open_games=self.pending.open_games - 1)
        else:
            self.batches[game.first].held_by -= 1
        bond = self.rules.challenger_bond
        self._credit(self.sequencer, bond // 2)
        self.burned += bond - bond // 2

    def _challenger_wins(self, game_id: int, game: Game) -> None:
        self._close(game_id, Outcome.CHALLENGER)
        opener = self.pending.opener if game.on_checkpoint else self.batches[game.batch].opener
        reward = self.stake // 2
        self._credit(opener, reward // 2)
        self._credit(game.challenger, self.rules.challenger_bond + reward - reward // 2)
        self.burned += self.stake - reward
        self.stake, self.sequencer, self.claimed = 0, NOBODY, self.finalised
        if self.pending.serial != ZERO:
            self.due, self.pending = self.pending.batch, Checkpoint()


def climbs_to(leaf: bytes, index: int, count: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that a leaf of a list of `count` leads to, or refuse a proof of another length."""
    width = count
    for _ in proof:
        width = (width + 1) // 2
    require(width == 1, "wrong length of a Merkle proof")
    return proof_root(leaf, index, proof)


class Range(Protocol):
    """What games of every stage have in common: a range between two values of the sequencer, in sections."""

    @property
    def ends(self) -> tuple[int, ...]: ...
    @property
    def lo_hash(self) -> bytes: ...
    @property
    def hi_hash(self) -> bytes: ...
    @property
    def middles(self) -> bytes: ...


def check_end(game: Range, index: int, node: bytes, proof: Sequence[bytes]) -> None:
    """Check that the sequencer's value at the lower end of section `index` is `node`; ends need no proof."""
    count = len(game.ends) - 1
    if index == 0:
        require(node == game.lo_hash, "not the agreed state")
    elif index == count:
        require(node == game.hi_hash, "not the denied state")
    else:
        found = climbs_to(node, index - 1, count - 1, proof)
        require(found == game.middles, "not the sequencer's middle")
