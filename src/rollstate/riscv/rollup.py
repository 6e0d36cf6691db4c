"""The dispute contract whose last step is an instruction: its rules, its source, and boards to play it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from rollstate.dispute import chain
from rollstate.dispute.chain import ChainBoard, LocalBoard, edited
from rollstate.dispute.commitment import vm_state
from rollstate.dispute.game import Rollup, Stage, check_end, climbs_to
from rollstate.dispute.keccak import keccak256
from rollstate.dispute.records import Rules
from rollstate.dispute.step import require
from rollstate.riscv import guest, regions, verifier
from rollstate.riscv.stage import ProgramStage, Verdict

FOR_EVER = 1 << 64
"""When the last move of a game was made whose clocks run in the program stage."""


@dataclass
class ProgramRollup(Rollup):
    """The rules of the dispute contract with ``contracts/program.vy`` in the place of its transfers.

    Its contract has no message ``prove`` and no exits: stage two ends with `enter_program`, and `take_verdict` closes
    the game when the program stage has decided it.
    """

    stage: ProgramStage = field(default_factory=ProgramStage)

    def enter_program(
        self, by: str, now: int, game_id: int, index: int, low_proof: Sequence[bytes], high: bytes,
        high_proof: Sequence[bytes], transaction: bytes, proof: Sequence[bytes], table: bytes, difference: bytes,
        value: int = 0,
    ) -> int:  # fmt: skip
        """Deny what the sequencer says one transaction does; return the game that goes on."""
        game = self._move(game_id, by, now, Stage.FIND_STEP, by_sequencer=False)
        self._check_bond(by, game, value)
        require(index < game.hi, "no such transaction")
        low = vm_state(table, difference, index)
        check_end(game, index, low, low_proof)
        check_end(game, index + 1, high, high_proof)
        batch = self.batches[game.x]
        found = climbs_to(keccak256(transaction), index, batch.size, proof)
        require(found == batch.tx_root, "transaction is not in the batch")
        entered = self._enter(game, Stage.PROGRAM)
        clocks = (entered.sequencer_clock, entered.challenger_clock)
        moved = replace(entered, lo=index, hi=index + 1, lo_hash=low, hi_hash=high, last=FOR_EVER)
        at = self._go_on(by, game_id, game, moved, value)
        parties = (self.sequencer, by)
        self.stage.open(now, at, parties, transaction, (table, difference), index + 1, high, clocks)
        return at

    def take_verdict(self, by: str, now: int, game_id: int) -> None:
        """Close a game that the program stage has decided."""
        game = self._check(game_id)
        require(game.stage == Stage.PROGRAM, "wrong stage")
        require(game_id in self.stage.verdicts, "no verdict yet")
        if self.stage.verdicts[game_id] == Verdict.SEQUENCER:
            self._sequencer_wins(game_id, game)
        else:
            self._challenger_wins(game_id, game)


STAGE_MESSAGES = {
    "claim_run": "claimRun",
    "post_states": "postStates",
    "pick_states": "pick",
    "prove_step": "prove",
    "call_time": "timeout",
}
"""Messages of the program stage: Python name and the contract's."""
ENTERING = {"enter_program": "enterProgram", "take_verdict": "takeVerdict"}
"""Messages of the rollup that lead into the program stage and out of it."""

_CONSTRUCTOR = (
    (
        "max_gap: uint256, patience: uint256):",
        "max_gap: uint256, patience: uint256,\n             stage: address):",
    ),
    ("    self.vault = msg.value\n", "    self.vault = msg.value\n    PROGRAM_STAGE = stage\n"),
)
"""What the dispute contract's constructor has more, in this form of it."""


def source(edits: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the source of the dispute contract that hands its last stage over."""
    joined = "\n\n".join((chain.part("rollup.vy"), chain.part("lists.vy"), verifier.part("program.vy")))
    return edited(edited(joined, _CONSTRUCTOR), edits)


def stage_source(edits: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the source of the program stage."""
    return edited("\n\n".join((verifier.part("program_stage.vy"), chain.part("lists.vy"))), edits)


class LocalProgramBoard(LocalBoard):
    """A board of the Python rules alone, whose games end in an instruction."""

    rollup: ProgramRollup
    game_messages: ClassVar[dict[str, str]] = {
        **{name: text for name, text in chain.GAME_MESSAGES.items() if name != "prove"},
        **ENTERING,
        **STAGE_MESSAGES,
    }

    def __init__(self, rules: Rules, genesis: bytes, vault: int = 0, program: bytes | None = None) -> None:
        self.program = guest.program() if program is None else program
        super().__init__(rules, genesis, vault)

    def _begin(self, rules: Rules, genesis: bytes, vault: int) -> Rollup:
        return ProgramRollup(rules, genesis, vault, stage=ProgramStage(program=self.program))

    def rules_of(self, name: str) -> Any:
        """Return whose message `name` is."""
        return self.rollup.stage if name in STAGE_MESSAGES else self.rollup


class ProgramBoard(LocalProgramBoard, ChainBoard):
    """The same beside its three contracts: the rollup, the program stage, and the step.

    Parameters
    ----------
    node, rules, genesis, edits, vault
        As in `ChainBoard`; edits are those of the rollup.
    stage_edits : tuple of (old, new)
        Changes to the source of the program stage.
    program : bytes, optional
        The program whose runs it decides; that of transfers if not given.
    """

    def __init__(
        self,
        node: chain.Node,
        rules: Rules,
        genesis: bytes,
        edits: tuple[tuple[str, str], ...] = (),
        stage_edits: tuple[tuple[str, str], ...] = (),
        program: bytes | None = None,
    ) -> None:
        self.program = guest.program() if program is None else program
        self._stage_edits = stage_edits
        ChainBoard.__init__(self, node, rules, genesis, edits)

    def _deploy_all(self, constants: tuple, edits: tuple[tuple[str, str], ...], vault: int) -> Any:
        step = self.deploy(verifier.source(), ())
        self.now += 1
        stage = stage_source(self._stage_edits)
        self.stage_contract = self.deploy(stage, (step.address, regions.code(self.program)))
        self.now += 1
        return self.deploy(source(edits), (*constants, self.stage_contract.address), vault)

    def _function(self, name: str) -> Any:
        if name not in STAGE_MESSAGES:
            return getattr(self.contract.functions, {**chain.MESSAGES, **ENTERING}[name])
        function = getattr(self.stage_contract.functions, STAGE_MESSAGES[name])
        return lambda *arguments: function(self.contract.address, *arguments)

    def stored(self, name: str, game_id: int) -> bytes:
        """Return what the contract that takes message `name` stores of a game."""
        if name in STAGE_MESSAGES:
            return self.stage_contract.functions.games(self.contract.address, game_id).call()
        return super().stored(name, game_id)

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Return every stored number on which the contracts and the Python rules differ: name to both."""
        found, read, ours = super().differences(), self.stage_contract.functions, self.rollup.stage
        for game_id in range(1, self.rollup.game_count + 1):
            key, game = (self.contract.address, game_id), ours.games.get(game_id)
            pairs = {
                f"stage game {game_id}": (read.games(*key).call(), game.commitment() if game else bytes(32)),
                f"verdict {game_id}": (read.verdicts(*key).call(), ours.verdicts.get(game_id, 0)),
            }
            found |= {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        return found
