"""The rules of the program stage, message by message: the same as ``contracts/program_stage.vy``, without a chain.

A rollup hands over a game about one transaction. The sequencer claims the run and states between; the challenger picks
a section until sections are single steps; then one step is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

from rollstate.dispute.batches import merkle_root
from rollstate.dispute.commitment import ZERO, vm_state
from rollstate.dispute.game import check_end
from rollstate.dispute.records import committed, section_ends
from rollstate.dispute.step import Refused, require
from rollstate.errors import InputError
from rollstate.riscv import guest, regions
from rollstate.riscv.machine import HALTED
from rollstate.riscv.regions import End
from rollstate.riscv.runs import MOST_STEPS
from rollstate.riscv.verifier import Witness, verified_step


class Verdict(IntEnum):
    """Who won."""

    SEQUENCER = 1
    CHALLENGER = 2


@dataclass(frozen=True)
class StageGame:
    """One game, as it travels in calldata and events; fields as in the contract.

    Attributes
    ----------
    sequencer, challenger : str
        The parties' addresses.
    sequencer_turn : bool
        Whose move it is.
    executed : int
        Transactions of the batch that are done after this one.
    claim : bytes
        What is denied: the batch's state then.
    lo, hi : int
        Steps; `hi` is 0 before the run is claimed.
    lo_hash, hi_hash, middles : bytes
        The agreed state, the denied one, and the Merkle root of the sequencer's states between.
    sequencer_clock, challenger_clock, last : int
        Seconds left to each side, and when the last move was made.
    """

    sequencer: str
    challenger: str
    sequencer_turn: bool
    executed: int
    claim: bytes
    lo: int
    hi: int
    lo_hash: bytes
    hi_hash: bytes
    middles: bytes
    sequencer_clock: int
    challenger_clock: int
    last: int

    @property
    def ends(self) -> tuple[int, ...]:
        """Where the sections begin and end."""
        return section_ends(self.lo, self.hi)

    @property
    def in_steps(self) -> bool:
        """Whether the sections are single steps."""
        return self.hi - self.lo == len(self.ends) - 1

    def as_tuple(self) -> tuple:
        """Return the fields in the contract's order."""
        return tuple(self.__dict__.values())

    def commitment(self) -> bytes:
        """Return the hash that the contract stores."""
        return committed(self.__dict__.values())


@dataclass
class ProgramStage:
    """The contract's storage for one rollup, and its messages; `published` is what calldata shows beside it.

    `program` is the compiled program whose runs it decides; the contract has its root.
    """

    games: dict[int, StageGame] = field(default_factory=dict)
    verdicts: dict[int, Verdict] = field(default_factory=dict)
    published: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    program: bytes = field(default_factory=guest.program)

    def open(
        self, now: int, game_id: int, parties: tuple[str, str], transaction: bytes, before: tuple[bytes, bytes],
        executed: int, claim: bytes, clocks: tuple[int, int],
    ) -> None:  # fmt: skip
        """Take over a game. What one transaction makes of a table and a difference, `before`, is what it is about."""
        require(game_id not in self.games and game_id not in self.verdicts, "game is known")
        start = regions.start_hash(self.program, transaction, *before)
        self.games[game_id] = StageGame(
            *parties, True, executed, claim, 0, 0, start, ZERO, ZERO, *clocks, now
        )

    def claim_run(
        self, by: str, now: int, game_id: int, steps: int, end: End, middles: Sequence[bytes]
    ) -> None:
        """Claim the run: the halted state that it ends in, whose memory holds what was claimed of the batch."""
        game = self._move(game_id, by, now, by_sequencer=True)
        require(game.hi == 0, "the run is claimed already")
        require(0 < steps <= MOST_STEPS, "no such number of steps")
        require(end.state.status == HALTED, "the run has not halted")
        require(end.memory_root == end.state.memory_root, "tables are not in the memory")
        claim = vm_state(end.table, end.difference, game.executed)
        require(claim == game.claim, "not the claimed state")
        self._commit(game_id, replace(game, hi=steps, hi_hash=end.state.hash()), middles)

    def post_states(self, by: str, now: int, game_id: int, middles: Sequence[bytes]) -> None:
        """Post the sequencer's states between the sections."""
        game = self._move(game_id, by, now, by_sequencer=True)
        require(game.hi > 0, "no run is claimed")
        self._commit(game_id, game, middles)

    def pick_states(
        self, by: str, now: int, game_id: int, index: int, low: bytes, low_proof: Sequence[bytes], high: bytes,
        high_proof: Sequence[bytes],
    ) -> None:  # fmt: skip
        """Agree with the lower end of a section and deny its upper end."""
        game = self._move(game_id, by, now, by_sequencer=False)
        require(by == game.challenger, "only the challenger picks")
        require(not game.in_steps, "the sections are steps")
        require(index < len(game.ends) - 1, "no such section")
        check_end(game, index, low, low_proof)
        check_end(game, index + 1, high, high_proof)
        self.games[game_id] = replace(
            game, lo=game.ends[index], hi=game.ends[index + 1], lo_hash=low, hi_hash=high, middles=ZERO,
            sequencer_turn=True,
        )  # fmt: skip

    def prove_step(
        self, by: str, now: int, game_id: int, index: int, low_proof: Sequence[bytes], high: bytes,
        high_proof: Sequence[bytes], witness: Witness,
    ) -> None:  # fmt: skip
        """Check one step between two of the sequencer's states; anyone may show a wrong one."""
        game = self._move(game_id, by, now, by_sequencer=False)
        require(game.in_steps, "the sections are longer than a step")
        require(index < len(game.ends) - 1, "no such step")
        low = witness.state.hash()
        check_end(game, index, low, low_proof)
        check_end(game, index + 1, high, high_proof)
        try:
            after = verified_step(low, witness)
        except InputError as error:
            raise Refused(str(error)) from None
        if after.hash() == high:
            require(by == game.challenger, "the step is right")
            self._decide(game_id, Verdict.SEQUENCER)
        else:
            self._decide(game_id, Verdict.CHALLENGER)

    def call_time(self, by: str, now: int, game_id: int) -> None:
        """Decide a game whose turn-holder has no time left against it."""
        require(game_id in self.games, "not the game's state")
        game = self.games[game_id]
        clock = game.sequencer_clock if game.sequencer_turn else game.challenger_clock
        require(now > game.last + clock, "clock still runs")
        self._decide(game_id, Verdict.CHALLENGER if game.sequencer_turn else Verdict.SEQUENCER)

    def _move(self, game_id: int, by: str, now: int, *, by_sequencer: bool) -> StageGame:
        require(game_id in self.games, "not the game's state")
        game = self.games[game_id]
        require(game.sequencer_turn == by_sequencer, "not your turn")
        require(not by_sequencer or by == game.sequencer, "only the sequencer answers")
        spent = now - game.last
        if by_sequencer:
            require(spent <= game.sequencer_clock, "sequencer's clock is spent")
            return replace(game, sequencer_clock=game.sequencer_clock - spent, last=now)
        require(spent <= game.challenger_clock, "challenger's clock is spent")
        return replace(game, challenger_clock=game.challenger_clock - spent, last=now)

    def _commit(self, game_id: int, game: StageGame, middles: Sequence[bytes]) -> None:
        require(len(middles) == len(game.ends) - 2, "wrong number of middles")
        self.games[game_id] = replace(game, middles=merkle_root(middles), sequencer_turn=False)
        self.published[game_id] = tuple(middles)

    def _decide(self, game_id: int, verdict: Verdict) -> None:
        del self.games[game_id]
        self.published.pop(game_id, None)
        self.verdicts[game_id] = verdict
