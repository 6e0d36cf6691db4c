# A machine of the dispute contract whose last step is an instruction: what a transaction does is what a program says that
# runs on RISC-V. A state inside a batch commits to two regions of that program's memory, its table and its difference.
# Stage two ends by handing the game over to the program stage, a contract of its own, and by taking its verdict.
# Nothing leaves this state by an exit. The constructor takes one more address: that of the program stage.

MAX_TX_BYTES: constant(uint256) = 128
PROGRAM: constant(uint256) = 3         # stage of a game that the program stage decides
FOR_EVER: constant(uint256) = 2**64    # `last` of such a game: its clocks run in the program stage

interface ProgramStage:
    def open(id: uint256, sequencer: address, challenger: address, transaction: Bytes[MAX_TX_BYTES], table: bytes32,
             difference: bytes32, executed: uint256, claim: bytes32, sequencer_clock: uint256,
             challenger_clock: uint256): nonpayable
    def verdicts(rollup: address, id: uint256) -> uint256: view

PROGRAM_STAGE: public(immutable(address))


@internal
@pure
def _vm(table: bytes32, difference: bytes32, executed: uint256) -> bytes32:
    return keccak256(concat(table, difference, convert(executed, bytes32)))


@external
@payable
def enterProgram(id: uint256, game: Game, index: uint256, low_proof: DynArray[bytes32, 6], high: bytes32,
                 high_proof: DynArray[bytes32, 6], transaction: Bytes[MAX_TX_BYTES], proof: DynArray[bytes32, 6],
                 table: bytes32, difference: bytes32):
    """Stage two: deny what the sequencer says one transaction does; anyone else does so in a new game, as in `pick`."""
    moved: Game = self._move(id, game, FIND_STEP, False)
    assert msg.value == (0 if msg.sender == game.challenger else CHALLENGER_BOND), "wrong bond of a pick"
    assert index < game.hi, "no such transaction"
    self._check_end(game, index, game.hi, self._vm(table, difference, index), low_proof)
    self._check_end(game, index + 1, game.hi, high, high_proof)
    found: bytes32 = self._climbs_to(keccak256(transaction), index, self.batches[game.x].size, proof)
    assert found == self.batches[game.x].tx_root, "transaction is not in the batch"
    moved = self._enter(moved, PROGRAM)
    moved.lo = index
    moved.hi = index + 1
    moved.lo_hash = self._vm(table, difference, index)
    moved.hi_hash = high
    moved.last = FOR_EVER
    at: uint256 = self._go_on(id, game, moved)
    extcall ProgramStage(PROGRAM_STAGE).open(
        at, self.sequencer, msg.sender, transaction, table, difference, index + 1, high, moved.sequencer_clock,
        moved.challenger_clock)


@external
def takeVerdict(id: uint256, game: Game):
    """Close a game that the program stage has decided."""
    self._check(id, game)
    assert game.stage == PROGRAM, "wrong stage"
    verdict: uint256 = staticcall ProgramStage(PROGRAM_STAGE).verdicts(self, id)
    assert verdict != 0, "no verdict yet"
    if verdict == 1:
        self._sequencer_wins(id, game)
    else:
        self._challenger_wins(id, game)
