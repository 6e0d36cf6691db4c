# pragma version ~=0.4.3
# pragma optimize codesize
"""
@title   The last stage of a dispute: which instruction of one transaction was executed falsely
@notice  A rollup hands over a game about one transaction. The sequencer claims the program's run: how many steps, the
         halted state that it ends in, and states between, in calldata under a Merkle root. The challenger picks a
         section, until sections are single steps; then one step is checked by the step contract.
@dev     Any contract may be a rollup here: games and verdicts are kept by its address. As there, a game lives in calldata
         and events and storage keeps its hash; `lo_hash` is agreed, `hi_hash` is asserted and denied, lo < hi.
         Appended when it is compiled: `lists.vy`.
"""

MAX_TX_BYTES: constant(uint256) = 128
TRANSFER_BYTES: constant(uint256) = 49     # of a transaction that the program is given
DEPTH: constant(uint256) = 16              # of the memory's tree
REGION_DEPTH: constant(uint256) = 13       # of the part of it under each of eight regions
HALTED: constant(uint256) = 1
MOST_STEPS: constant(uint256) = 2**24           # a run of more is no run: four messages of the sequencer find a step in them

SEQUENCER: constant(uint256) = 1
CHALLENGER: constant(uint256) = 2

struct State:
    memory: bytes32
    pc: uint256
    status: uint256
    steps: uint256
    registers: uint256[32]

struct Leaf:
    content: bytes32
    siblings: bytes32[DEPTH]

struct Game:
    sequencer: address
    challenger: address
    sequencer_turn: bool
    executed: uint256    # transactions of the batch that are done after this one
    claim: bytes32       # what is denied: the batch's state then
    lo: uint256          # steps
    hi: uint256          # 0 before the run is claimed
    lo_hash: bytes32
    hi_hash: bytes32
    middles: bytes32     # Merkle root of the sequencer's states between lo and hi
    sequencer_clock: uint256
    challenger_clock: uint256
    last: uint256        # when the last move was made

interface Machine:
    def step(before: bytes32, state: State, code: Leaf, data: Leaf) -> bytes32: view

event GameMoved:
    rollup: indexed(address)
    id: indexed(uint256)
    game: Game
event GameDecided:
    rollup: indexed(address)
    id: indexed(uint256)
    verdict: uint256

MACHINE: public(immutable(address))   # the contract that checks a step
CODE: public(immutable(bytes32))      # root of the region that holds the program

games: public(HashMap[address, HashMap[uint256, bytes32]])
verdicts: public(HashMap[address, HashMap[uint256, uint256]])


@deploy
def __init__(machine: address, code: bytes32):
    assert machine != empty(address), "no machine"
    assert code != empty(bytes32), "no program"
    MACHINE = machine
    CODE = code


@internal
@pure
def _memory(left: bytes32, table: bytes32, difference: bytes32, right: bytes32) -> bytes32:
    """Root of a memory: regions 0 and 1, the table, the difference, regions 4 to 7."""
    return self._pair(self._pair(left, self._pair(table, difference)), right)


@internal
@pure
def _input(transaction: Bytes[MAX_TX_BYTES]) -> bytes32:
    """Root of the region that holds the input: the number of transactions, 1 or, for other bytes than a transfer's, 0."""
    if len(transaction) != TRANSFER_BYTES:
        return empty(bytes32)
    # A count of two bytes, the 49 bytes, and zeros up to two leaves.
    text: Bytes[MAX_TX_BYTES + 64] = concat(b"\x01\x00", transaction, empty(bytes13))
    node: bytes32 = self._pair(extract32(text, 0), extract32(text, 32))
    for level: uint256 in range(REGION_DEPTH - 1):
        node = self._pair(node, empty(bytes32))
    return node


@internal
def _save(rollup: address, id: uint256, game: Game):
    self.games[rollup][id] = keccak256(abi_encode(game))
    log GameMoved(rollup=rollup, id=id, game=game)


@internal
def _decide(rollup: address, id: uint256, verdict: uint256):
    self.games[rollup][id] = empty(bytes32)
    self.verdicts[rollup][id] = verdict
    log GameDecided(rollup=rollup, id=id, verdict=verdict)


@internal
@view
def _move(rollup: address, id: uint256, game: Game, by_sequencer: bool) -> Game:
    """Check that a side may move now and charge its clock; who may move for the challenger is up to the message."""
    assert self.games[rollup][id] == keccak256(abi_encode(game)), "not the game's state"
    assert game.sequencer_turn == by_sequencer, "not your turn"
    assert not by_sequencer or msg.sender == game.sequencer, "only the sequencer answers"
    moved: Game = game
    spent: uint256 = block.timestamp - game.last
    if by_sequencer:
        assert spent <= game.sequencer_clock, "sequencer's clock is spent"
        moved.sequencer_clock -= spent
    else:
        assert spent <= game.challenger_clock, "challenger's clock is spent"
        moved.challenger_clock -= spent
    moved.last = block.timestamp
    return moved


@external
def open(id: uint256, sequencer: address, challenger: address, transaction: Bytes[MAX_TX_BYTES], table: bytes32,
         difference: bytes32, executed: uint256, claim: bytes32, sequencer_clock: uint256, challenger_clock: uint256):
    """Take over a game of the calling rollup: what does one transaction make of a table and a difference?"""
    assert self.games[msg.sender][id] == empty(bytes32) and self.verdicts[msg.sender][id] == 0, "game is known"
    start: State = empty(State)
    start.memory = self._memory(self._pair(CODE, self._input(transaction)), table, difference, empty(bytes32))
    self._save(msg.sender, id, Game(
        sequencer=sequencer, challenger=challenger, sequencer_turn=True, executed=executed, claim=claim, lo=0, hi=0,
        lo_hash=keccak256(abi_encode(start)), hi_hash=empty(bytes32), middles=empty(bytes32),
        sequencer_clock=sequencer_clock, challenger_clock=challenger_clock, last=block.timestamp))


@external
def claimRun(rollup: address, id: uint256, game: Game, steps: uint256, end: State, left: bytes32, table: bytes32,
             difference: bytes32, right: bytes32, middles: DynArray[bytes32, MAX_MIDDLES]):
    """The sequencer's run: the halted state that it ends in, whose memory holds what was claimed of the batch."""
    moved: Game = self._move(rollup, id, game, True)
    assert game.hi == 0, "the run is claimed already"
    assert steps > 0 and steps <= MOST_STEPS, "no such number of steps"
    assert end.status == HALTED, "the run has not halted"
    assert self._memory(left, table, difference, right) == end.memory, "tables are not in the memory"
    assert keccak256(concat(table, difference, convert(game.executed, bytes32))) == game.claim, "not the claimed state"
    moved.hi = steps
    moved.hi_hash = keccak256(abi_encode(end))
    self._save(rollup, id, self._commit(moved, middles))


@external
def postStates(rollup: address, id: uint256, game: Game, middles: DynArray[bytes32, MAX_MIDDLES]):
    """The sequencer's states between the sections of lo..hi."""
    moved: Game = self._move(rollup, id, game, True)
    assert game.hi > 0, "no run is claimed"
    self._save(rollup, id, self._commit(moved, middles))


@external
def pick(rollup: address, id: uint256, game: Game, index: uint256, low: bytes32, low_proof: DynArray[bytes32, 6],
         high: bytes32, high_proof: DynArray[bytes32, 6]):
    """Agree with the lower end of a section and deny its upper end; whoever else wants to, enters from the rollup."""
    moved: Game = self._move(rollup, id, game, False)
    assert msg.sender == game.challenger, "only the challenger picks"
    part: uint256 = 0
    count: uint256 = 0
    part, count = self._sections(game)
    assert part > 1, "the sections are steps"
    assert index < count, "no such section"
    self._check_end(game, index, count, low, low_proof)
    self._check_end(game, index + 1, count, high, high_proof)
    moved.lo = game.lo + index * part
    moved.hi = min(moved.lo + part, game.hi)
    moved.lo_hash = low
    moved.hi_hash = high
    moved.middles = empty(bytes32)
    moved.sequencer_turn = True
    self._save(rollup, id, moved)


@external
def prove(rollup: address, id: uint256, game: Game, index: uint256, low_proof: DynArray[bytes32, 6], high: bytes32,
          high_proof: DynArray[bytes32, 6], state: State, code: Leaf, data: Leaf):
    """Check one step between two of the sequencer's states. Anyone may show a wrong one."""
    self._move(rollup, id, game, False)
    part: uint256 = 0
    count: uint256 = 0
    part, count = self._sections(game)
    assert part == 1, "the sections are longer than a step"
    assert index < count, "no such step"
    low: bytes32 = keccak256(abi_encode(state))
    self._check_end(game, index, count, low, low_proof)
    self._check_end(game, index + 1, count, high, high_proof)
    if staticcall Machine(MACHINE).step(low, state, code, data) == high:
        assert msg.sender == game.challenger, "the step is right"
        self._decide(rollup, id, SEQUENCER)
    else:
        self._decide(rollup, id, CHALLENGER)


@external
def timeout(rollup: address, id: uint256, game: Game):
    """Decide a game whose turn-holder has no time left against it."""
    assert self.games[rollup][id] == keccak256(abi_encode(game)), "not the game's state"
    clock: uint256 = game.sequencer_clock if game.sequencer_turn else game.challenger_clock
    assert block.timestamp > game.last + clock, "clock still runs"
    self._decide(rollup, id, CHALLENGER if game.sequencer_turn else SEQUENCER)
