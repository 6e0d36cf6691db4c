"""The rules of the two-stage game, message by message: the same as ``contracts/rollup.vy``, without a chain.

Every message takes the sender, the time and the value sent, refuses with the contract's reason, and leaves the
same numbers behind; ``Game.commitment`` is the very word the contract stores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from rollstate.dispute.batches import check_batch, proof_root, transactions_root
from rollstate.dispute.commitment import ZERO, check_depth, vm_state, word
from rollstate.dispute.keccak import keccak256
from rollstate.dispute.step import Refused, StepWitness, one_step, require
from rollstate.errors import InputError

NOBODY = "0x" + "00" * 20


class Stage(IntEnum):
    """Where a game stands."""

    RESPOND = 0
    FIND_BATCH = 1
    FIND_STEP = 2
    PROVE = 3


class Outcome(IntEnum):
    """How a game was closed."""

    SEQUENCER = 1
    CHALLENGER = 2
    VOID = 3


@dataclass(frozen=True)
class Rules:
    """Constants of a rollup; the defaults are the book's toy scale.

    Attributes
    ----------
    depth : int
        Depth of the state tree.
    window : int
        Seconds in which a claim may be challenged.
    clock : int
        Seconds each side may think in a game.
    extension : int
        Seconds each side has at least when it enters a stage.
    sequencer_bond, challenger_bond : int
        Wei.
    max_gap : int
        Largest ``n - r``.
    """

    depth: int = 32
    window: int = 1200
    clock: int = 600
    extension: int = 60
    sequencer_bond: int = 10**18
    challenger_bond: int = 10**17
    max_gap: int = 1024

    def __post_init__(self) -> None:
        check_depth(self.depth)
        require(self.extension <= self.clock, "extension above clock")


@dataclass
class Batch:
    """A posted batch and the claim about it."""

    tx_root: bytes
    size: int
    delta: bytes = ZERO
    serial: int = 0
    posted_at: int = 0
    open_games: int = 0


@dataclass(frozen=True)
class Checkpoint:
    """A pending claim of ``h(S_r')``; serial 0 means none."""

    batch: int = 0
    root: bytes = ZERO
    serial: int = 0
    posted_at: int = 0
    open_games: int = 0


@dataclass(frozen=True)
class Game:
    """One game, as it travels in calldata and events; fields as in the contract."""

    batch: int
    serial: int
    challenger: str
    on_checkpoint: bool
    stage: Stage
    sequencer_turn: bool
    lo: int
    hi: int
    lo_hash: bytes
    hi_hash: bytes
    mid_hash: bytes
    pre: bytes
    x: int
    sequencer_clock: int
    challenger_clock: int
    last: int

    @property
    def mid(self) -> int:
        """The next index to be asked for."""
        return (self.lo + self.hi) // 2

    def as_tuple(self) -> tuple:
        """Return the fields in the contract's order and plain types."""
        return tuple(int(v) if isinstance(v, Stage) else v for v in self.__dict__.values())

    def commitment(self) -> bytes:
        """Return the hash that the contract stores."""
        words = []
        for value in self.__dict__.values():
            if isinstance(value, str):
                words.append(bytes(12) + bytes.fromhex(value[2:]))
            else:
                words.append(value if isinstance(value, bytes) else word(int(value)))
        return keccak256(b"".join(words))


@dataclass
class Rollup:
    """The contract's storage and its messages.

    Parameters
    ----------
    rules : Rules
        Constants.
    root : bytes
        ``h(S_0)`` at first, then the most recent finalised state hash ``h(S_r)``.
    genesis : bytes
        ``h(S_0)``.
    """

    rules: Rules
    root: bytes
    r: int = 0
    posted: int = 0
    claimed: int = 0
    finalised: int = 0
    serials: int = 0
    game_count: int = 0
    sequencer: str = NOBODY
    stake: int = 0
    burned: int = 0
    balance: int = 0
    pending: Checkpoint = Checkpoint()
    batches: dict[int, Batch] = field(default_factory=dict)
    games: dict[int, Game] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    credit: dict[str, int] = field(default_factory=dict)

    # --- batches ------------------------------------------------------------------------------------------------

    def register(self, by: str, now: int, value: int = 0) -> None:
        """Take the sequencer's role with a bond."""
        require(self.sequencer == NOBODY, "there is a sequencer")
        require(value == self.rules.sequencer_bond, "wrong sequencer bond")
        self.sequencer, self.stake = by, value
        self.balance += value

    def resign(self, by: str, now: int) -> None:
        """Leave the role and get the bond back."""
        require(by == self.sequencer, "only the sequencer resigns")
        require(self.claimed == self.finalised, "claims are not final")
        require(self.pending.serial == 0, "a checkpoint is pending")
        self._credit(by, self.stake)
        self.stake, self.sequencer = 0, NOBODY

    def post_batch(self, by: str, now: int, transactions: Sequence[bytes], delta: bytes) -> None:
        """Order ``T_n`` for ever and claim ``h(Delta_n)``."""
        require(by == self.sequencer, "only the sequencer posts")
        require(self.claimed == self.posted, "claim the posted batches first")
        try:
            check_batch(transactions)
        except InputError as error:
            raise Refused(str(error)) from None
        require(self.posted + 1 - self.r <= self.rules.max_gap, "checkpoint overdue")
        self.posted += 1
        self.batches[self.posted] = Batch(transactions_root(transactions), len(transactions))
        self._claim(self.posted, delta, now)

    def claim_batch(self, by: str, now: int, delta: bytes) -> None:
        """Claim ``h(Delta_n)`` of a batch whose earlier claim was withdrawn."""
        require(by == self.sequencer, "only the sequencer claims")
        require(self.claimed < self.posted, "every posted batch has a claim")
        self._claim(self.claimed + 1, delta, now)

    def finalise(self, by: str, now: int, n: int) -> None:
        """Make batches up to `n` final."""
        require(n > self.finalised, "already final")
        require(n <= self.claimed, "no claim to finalise")
        for k in range(self.finalised + 1, n + 1):
            require(now > self.batches[k].posted_at + self.rules.window, "window is open")
            require(self.batches[k].open_games == 0, "a game is open")
        self.finalised = n

    # --- checkpoints --------------------------------------------------------------------------------------------

    def post_checkpoint(self, by: str, now: int, batch: int, root: bytes) -> None:
        """Claim ``h(S_r')`` for a final batch."""
        require(by == self.sequencer, "only the sequencer checkpoints")
        require(self.pending.serial == 0, "another checkpoint is pending")
        require(batch > self.r, "checkpoint does not advance")
        require(batch <= self.finalised, "batch is not final")
        self.serials += 1
        self.pending = Checkpoint(batch, root, self.serials, now)

    def accept_checkpoint(self, by: str, now: int) -> None:
        """Make the pending checkpoint the finalised state hash."""
        require(self.pending.serial != 0, "no checkpoint to accept")
        require(now > self.pending.posted_at + self.rules.window, "checkpoint's window is open")
        require(self.pending.open_games == 0, "a game on the checkpoint is open")
        self.r, self.root, self.pending = self.pending.batch, self.pending.root, Checkpoint()

    # --- the game -----------------------------------------------------------------------------------------------

    def open_challenge(self, by: str, now: int, n: int, pre: bytes, value: int = 0) -> int:
        """Deny ``h(Delta_n)``, claiming ``h(S'_{n-1}) = pre``; return the game's number."""
        require(n > self.finalised, "batch is final")
        require(n <= self.claimed, "no claim to challenge")
        require(now <= self.batches[n].posted_at + self.rules.window, "window is over")
        if n == self.r + 1:
            require(pre == self.root, "the state before the batch is final")
        game = self._new_game(by, now, n, self.batches[n].serial, on_checkpoint=False, value=value)
        self.batches[n].open_games += 1
        return self._open(replace(game, pre=pre), value)

    def challenge_checkpoint(self, by: str, now: int, value: int = 0) -> int:
        """Deny the pending ``h(S_r')``; return the game's number."""
        require(self.pending.serial != 0, "no checkpoint to challenge")
        require(now <= self.pending.posted_at + self.rules.window, "checkpoint's window is over")
        game = self._new_game(
            by, now, self.pending.batch, self.pending.serial, on_checkpoint=True, value=value
        )
        game = self._stage_one(replace(game, hi_hash=self.pending.root))
        self.pending = replace(self.pending, open_games=self.pending.open_games + 1)
        return self._open(game, value)

    def respond_agree(self, by: str, now: int, game_id: int, post: bytes) -> None:
        """Case A: agree with ``h(S'_{n-1})``, reveal ``h(S_n)``."""
        game = self._move(game_id, by, now, by_sequencer=True, stage=Stage.RESPOND)
        self.games[game_id] = self._stage_two(game, game.batch, game.pre, post)

    def respond_disagree(self, by: str, now: int, game_id: int, pre: bytes) -> None:
        """Case B: ``h(S_{n-1})`` is another one."""
        game = self._move(game_id, by, now, by_sequencer=True, stage=Stage.RESPOND)
        require(game.batch - 1 > game.lo, "no batch to disagree on")
        require(pre != game.pre, "that is agreement")
        self.games[game_id] = self._stage_one(replace(game, hi=game.batch - 1, hi_hash=pre))

    def post_mid(self, by: str, now: int, game_id: int, mid_hash: bytes) -> None:
        """Post the sequencer's ``h(S_mid)`` in stage one, or ``s_mid`` in stage two."""
        game = self._move(game_id, by, now, by_sequencer=True)
        require(game.stage in (Stage.FIND_BATCH, Stage.FIND_STEP), "nothing to bisect")
        self.games[game_id] = replace(game, mid_hash=mid_hash, sequencer_turn=False)

    def pick(self, by: str, now: int, game_id: int, agree: bool) -> None:
        """Agree with the middle, or not, as the challenger."""
        game = self._move(game_id, by, now, by_sequencer=False)
        if agree:
            moved = replace(game, lo=game.mid, lo_hash=game.mid_hash)
        else:
            moved = replace(game, hi=game.mid, hi_hash=game.mid_hash)
        moved = replace(moved, mid_hash=ZERO, sequencer_turn=True)
        if moved.hi - moved.lo == 1:
            if game.stage == Stage.FIND_BATCH:
                moved = self._stage_two(moved, moved.hi, moved.lo_hash, moved.hi_hash)
            else:
                moved = replace(moved, stage=Stage.PROVE)
        self.games[game_id] = moved

    def one_step(self, by: str, now: int, game_id: int, witness: StepWitness) -> None:
        """Run the one disputed transaction and close the game."""
        game = self._check(game_id)
        require(game.stage == Stage.PROVE, "no single step yet")
        self._charge(game, now)
        batch = self.batches[game.x]
        width = batch.size
        for _ in witness.proof:
            width = (width + 1) // 2
        require(width == 1, "wrong length of the transaction's proof")
        found = proof_root(witness.transaction, game.lo, witness.proof)
        require(found == batch.tx_root, "transaction is not in the batch")
        agreed = vm_state(witness.state_root, witness.delta_root, game.lo)
        require(game.lo_hash == agreed, "not the agreed state")
        if one_step(witness, game.pre, game.lo, self.rules.depth) == game.hi_hash:
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
        """Give the bond back in a game whose claim another game has withdrawn."""
        require(game_id in self.games, "not the void game's state")
        game = self.games[game_id]
        require(not self.standing(game), "claim stands")
        del self.games[game_id]
        self._credit(game.challenger, self.rules.challenger_bond)
        self.outcomes[game_id] = Outcome.VOID

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

    def _claim(self, n: int, delta: bytes, now: int) -> None:
        self.serials += 1
        self.claimed = n
        batch = self.batches[n]
        batch.delta, batch.serial, batch.posted_at, batch.open_games = delta, self.serials, now, 0

    def _credit(self, to: str, amount: int) -> None:
        self.credit[to] = self.credit.get(to, 0) + amount

    def _new_game(
        self, by: str, now: int, batch: int, serial: int, *, on_checkpoint: bool, value: int
    ) -> Game:
        require(value == self.rules.challenger_bond, "wrong challenger bond")
        clock = self.rules.clock
        return Game(
            batch, serial, by, on_checkpoint, Stage.RESPOND, True, self.r, batch, self.root,
            ZERO, ZERO, ZERO, 0, clock, clock, now,
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

    def _move(
        self, game_id: int, by: str, now: int, *, by_sequencer: bool, stage: Stage | None = None
    ) -> Game:
        game = self._check(game_id)
        require(stage is None or game.stage == stage, "wrong stage")
        require(game.sequencer_turn == by_sequencer, "not your turn")
        require(by == (self.sequencer if by_sequencer else game.challenger), "not a party of this turn")
        return self._charge(game, now)

    def _charge(self, game: Game, now: int) -> Game:
        spent = now - game.last
        if game.sequencer_turn:
            require(spent <= game.sequencer_clock, "sequencer's clock is spent")
            return replace(game, sequencer_clock=game.sequencer_clock - spent, last=now)
        require(spent <= game.challenger_clock, "challenger's clock is spent")
        return replace(game, challenger_clock=game.challenger_clock - spent, last=now)

    def _extend(self, game: Game) -> Game:
        least = self.rules.extension
        return replace(
            game,
            sequencer_clock=max(game.sequencer_clock, least),
            challenger_clock=max(game.challenger_clock, least),
        )

    def _stage_one(self, game: Game) -> Game:
        if game.hi - game.lo > 1:
            return replace(self._extend(game), stage=Stage.FIND_BATCH, sequencer_turn=True)
        return self._stage_two(game, game.hi, game.lo_hash, game.hi_hash)

    def _stage_two(self, game: Game, x: int, pre: bytes, post: bytes) -> Game:
        batch = self.batches[x]
        return replace(
            self._extend(game),
            x=x,
            pre=pre,
            lo=0,
            hi=batch.size,
            lo_hash=vm_state(pre, ZERO, 0),
            hi_hash=vm_state(post, batch.delta, batch.size),
            mid_hash=ZERO,
            sequencer_turn=True,
            stage=Stage.FIND_STEP if batch.size > 1 else Stage.PROVE,
        )

    def _sequencer_wins(self, game_id: int, game: Game) -> None:
        del self.games[game_id]
        if game.on_checkpoint:
            self.pending = replace(self.pending, open_games=self.pending.open_games - 1)
        else:
            self.batches[game.batch].open_games -= 1
        bond = self.rules.challenger_bond
        self._credit(self.sequencer, bond // 2)
        self.burned += bond - bond // 2
        self.outcomes[game_id] = Outcome.SEQUENCER

    def _challenger_wins(self, game_id: int, game: Game) -> None:
        del self.games[game_id]
        self.claimed, self.pending, self.sequencer = self.finalised, Checkpoint(), NOBODY
        self._credit(game.challenger, self.rules.challenger_bond + self.stake // 2)
        self.burned += self.stake - self.stake // 2
        self.stake = 0
        self.outcomes[game_id] = Outcome.CHALLENGER
