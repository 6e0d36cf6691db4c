# pragma version ~=0.4.3
"""
@title   Optimistic rollup that posts (T_n, h(Delta_n)), with the two-stage fraud proof
@notice  After https://ethresear.ch/t/18134. `r` and h(S_r) are the last finalised state hash; a game over batch n
         finds a batch x, then a transaction of x, then runs that transaction on chain.
@dev     A game lives in calldata and events; storage keeps only its hash.
         Invariants of a running game: `lo_hash` is agreed by both sides, `hi_hash` is asserted by the sequencer
         and denied by the challenger, lo < hi, and every round halves hi - lo.
         A won or lost game never makes a batch final: only the window does, with no game open.
"""

DEPTH: constant(uint256) = 32  # of the state tree; fixed when the contract is compiled
MAX_TXS: constant(uint256) = 64
MAX_TX_BYTES: constant(uint256) = 128
VALUE_LIMIT: constant(uint256) = 2**128
TOMBSTONE: constant(uint256) = 1

# stages of a game
RESPOND: constant(uint256) = 0     # the sequencer must agree or disagree with h(S'_{n-1})
FIND_BATCH: constant(uint256) = 1  # stage one
FIND_STEP: constant(uint256) = 2   # stage two
PROVE: constant(uint256) = 3       # one transaction is left; the sequencer holds the burden of proof

struct Batch:
    tx_root: bytes32     # of T_n, computed here: data and root cannot differ
    size: uint256        # m
    delta: bytes32       # the claim h(Delta_n)
    serial: uint256      # of the claim
    posted_at: uint256   # of the claim
    open_games: uint256

struct Checkpoint:
    batch: uint256       # r'
    root: bytes32        # claimed h(S_r')
    serial: uint256      # 0: none is pending
    posted_at: uint256
    open_games: uint256

struct Game:
    batch: uint256       # n, or r' of a checkpoint
    serial: uint256      # of the claim under dispute
    challenger: address
    on_checkpoint: bool
    stage: uint256
    sequencer_turn: bool
    lo: uint256          # a batch in stage one, a number of executed transactions in stage two
    hi: uint256
    lo_hash: bytes32
    hi_hash: bytes32
    mid_hash: bytes32
    pre: bytes32         # h(S'_{n-1}) as the challenger claims it, then the agreed h(S_{x-1})
    x: uint256           # the batch that stage two runs in, 0 before
    sequencer_clock: uint256
    challenger_clock: uint256
    last: uint256        # when the last move was made

struct Path:
    bitmap: uint256                  # levels, leaf first, whose sibling is not zero
    siblings: DynArray[bytes32, DEPTH]

struct Access:
    before: uint256      # value of the key before the batch
    now: uint256         # value of the key before this write
    pre: Path            # under h(S_{x-1})
    state: Path          # under R
    diff: Path           # under A

event BatchPosted:
    n: indexed(uint256)
    delta: bytes32
event GameMoved:
    id: indexed(uint256)
    game: Game
event GameClosed:
    id: indexed(uint256)
    outcome: uint256     # 1 sequencer won, 2 challenger won, 3 void
event CheckpointAccepted:
    batch: uint256
    root: bytes32

WINDOW: public(immutable(uint256))
CLOCK: public(immutable(uint256))
EXTENSION: public(immutable(uint256))
SEQUENCER_BOND: public(immutable(uint256))
CHALLENGER_BOND: public(immutable(uint256))
MAX_GAP: public(immutable(uint256))

batches: public(HashMap[uint256, Batch])
posted: public(uint256)        # batches whose T is ordered, for ever
claimed: public(uint256)       # batches 1..claimed carry a standing claim
finalised: public(uint256)     # batches 1..finalised are final
serials: public(uint256)

r: public(uint256)             # the most recent finalised state hash
root: public(bytes32)
pending: public(Checkpoint)

games: public(HashMap[uint256, bytes32])
game_count: public(uint256)

sequencer: public(address)
stake: public(uint256)
credit: public(HashMap[address, uint256])
burned: public(uint256)


@deploy
def __init__(genesis: bytes32, window: uint256, clock: uint256, extension: uint256, sequencer_bond: uint256,
             challenger_bond: uint256, max_gap: uint256):
    assert extension <= clock, "extension above clock"
    WINDOW = window
    CLOCK = clock
    EXTENSION = extension
    SEQUENCER_BOND = sequencer_bond
    CHALLENGER_BOND = challenger_bond
    MAX_GAP = max_gap
    self.root = genesis


# --- hashes -----------------------------------------------------------------------------------------------------

@internal
@pure
def _pair(left: bytes32, right: bytes32) -> bytes32:
    if left == empty(bytes32) and right == empty(bytes32):
        return empty(bytes32)
    return keccak256(concat(left, right))


@internal
@pure
def _leaf(key: uint256, val: uint256) -> bytes32:
    if val == 0:
        return empty(bytes32)
    return keccak256(concat(convert(key, bytes32), convert(val, bytes32)))


@internal
@pure
def _change(before: uint256, after: uint256) -> uint256:
    if before == after:
        return 0
    if after == 0:
        return TOMBSTONE
    return after + 2


@internal
@pure
def _vm(state_root: bytes32, delta_root: bytes32, executed: uint256) -> bytes32:
    return keccak256(concat(state_root, delta_root, convert(executed, bytes32)))


@internal
@view
def _climb(key: uint256, old: bytes32, new: bytes32, path: Path) -> (bytes32, bytes32):
    """Roots of the old and of the new leaf over the same siblings."""
    assert path.bitmap >> DEPTH == 0, "bitmap beyond the tree's depth"
    a: bytes32 = old
    b: bytes32 = new
    same: bool = old == new
    used: uint256 = 0
    size: uint256 = len(path.siblings)
    bits: uint256 = key
    bitmap: uint256 = path.bitmap
    for level: uint256 in range(DEPTH):
        sibling: bytes32 = empty(bytes32)
        if bitmap & 1 == 1:
            assert used < size, "siblings do not match the bitmap"
            sibling = path.siblings[used]
            used = unsafe_add(used, 1)
        if bits & 1 == 1:
            if a != empty(bytes32) or sibling != empty(bytes32):
                a = keccak256(concat(sibling, a))
            if not same and (b != empty(bytes32) or sibling != empty(bytes32)):
                b = keccak256(concat(sibling, b))
        else:
            if a != empty(bytes32) or sibling != empty(bytes32):
                a = keccak256(concat(a, sibling))
            if not same and (b != empty(bytes32) or sibling != empty(bytes32)):
                b = keccak256(concat(b, sibling))
        bits = bits >> 1
        bitmap = bitmap >> 1
    assert used == size, "more siblings than the bitmap has"
    if same:
        return a, a
    return a, b


@internal
@view
def _write(key: uint256, val: uint256, access: Access, pre: bytes32, state_root: bytes32,
           delta_root: bytes32) -> (bytes32, bytes32):
    """Check that a key holds what the access says under the three roots; write it; return the new R and A."""
    assert access.before < VALUE_LIMIT, "earlier value too large"
    a: bytes32 = empty(bytes32)
    b: bytes32 = empty(bytes32)
    c: bytes32 = empty(bytes32)
    d: bytes32 = empty(bytes32)
    e: bytes32 = self._leaf(key, access.before)
    a, b = self._climb(key, e, e, access.pre)
    assert a == pre, "value is not in the state before the batch"
    a, b = self._climb(key, self._leaf(key, access.now), self._leaf(key, val), access.state)
    assert a == state_root, "value is not in the state"
    c, d = self._climb(key, self._leaf(key, self._change(access.before, access.now)),
                       self._leaf(key, self._change(access.before, val)), access.diff)
    assert c == delta_root, "change is not in the difference"
    return b, d


@internal
@view
def _step(transaction: Bytes[MAX_TX_BYTES], pre: bytes32, state_root: bytes32, delta_root: bytes32,
          executed: uint256, accesses: DynArray[Access, 2]) -> bytes32:
    """The state after one more transaction. Defined for every byte string: what is no valid transfer is a no-op."""
    unchanged: bytes32 = self._vm(state_root, delta_root, executed + 1)
    if len(transaction) != 96:
        return unchanged
    source: uint256 = extract32(transaction, 0, output_type=uint256)
    target: uint256 = extract32(transaction, 32, output_type=uint256)
    amount: uint256 = extract32(transaction, 64, output_type=uint256)
    if (source | target) >> DEPTH != 0:
        return unchanged
    assert len(accesses) == 2, "a transfer needs two accesses"
    held: uint256 = accesses[0].now
    there: uint256 = accesses[1].now
    assert held < VALUE_LIMIT and there < VALUE_LIMIT, "value too large"
    a: bytes32 = empty(bytes32)
    b: bytes32 = empty(bytes32)
    if held < amount:
        a, b = self._climb(source, self._leaf(source, held), self._leaf(source, held), accesses[0].state)
        assert a == state_root, "overdraft is not in the state"
        return unchanged
    a, b = self._write(source, held - amount, accesses[0], pre, state_root, delta_root)
    overflow: bool = there + amount >= VALUE_LIMIT
    result: uint256 = there if overflow else there + amount
    a, b = self._write(target, result, accesses[1], pre, a, b)
    if overflow:
        return unchanged
    return self._vm(a, b, executed + 1)


@external
@view
def step(transaction: Bytes[MAX_TX_BYTES], pre: bytes32, state_root: bytes32, delta_root: bytes32,
         executed: uint256, accesses: DynArray[Access, 2]) -> bytes32:
    """The step alone, for a party that wants to check its witness before it pays for the message."""
    return self._step(transaction, pre, state_root, delta_root, executed, accesses)


# --- batches ----------------------------------------------------------------------------------------------------

@external
@payable
def register():
    """Take the sequencer's role with a bond; it stands behind every claim that is not final."""
    assert self.sequencer == empty(address), "there is a sequencer"
    assert msg.value == SEQUENCER_BOND, "wrong sequencer bond"
    self.sequencer = msg.sender
    self.stake = msg.value


@external
def resign():
    """Leave the role and get the bond back, once nothing rests on it."""
    assert msg.sender == self.sequencer, "only the sequencer resigns"
    assert self.claimed == self.finalised, "claims are not final"
    assert self.pending.serial == 0, "a checkpoint is pending"
    self.credit[msg.sender] += self.stake
    self.stake = 0
    self.sequencer = empty(address)


@internal
def _claim(n: uint256, delta: bytes32):
    self.serials += 1
    self.claimed = n
    self.batches[n].delta = delta
    self.batches[n].serial = self.serials
    self.batches[n].posted_at = block.timestamp
    self.batches[n].open_games = 0
    log BatchPosted(n=n, delta=delta)


@external
def postBatch(transactions: DynArray[Bytes[MAX_TX_BYTES], 2 * MAX_TXS], delta: bytes32):
    """Order T_n for ever and claim h(Delta_n)."""
    assert msg.sender == self.sequencer, "only the sequencer posts"
    assert self.claimed == self.posted, "claim the posted batches first"
    size: uint256 = len(transactions)
    assert size > 0, "batch is empty"
    assert size <= MAX_TXS, "batch too large"
    n: uint256 = self.posted + 1
    assert n - self.r <= MAX_GAP, "checkpoint overdue"
    nodes: bytes32[MAX_TXS] = empty(bytes32[MAX_TXS])
    for i: uint256 in range(size, bound=MAX_TXS):
        nodes[i] = keccak256(transactions[i])
    count: uint256 = size
    for level: uint256 in range(6):
        if count == 1:
            break
        half: uint256 = (count + 1) // 2
        for i: uint256 in range(half, bound=32):
            right: bytes32 = nodes[2 * i + 1] if 2 * i + 1 < count else empty(bytes32)
            nodes[i] = self._pair(nodes[2 * i], right)
        count = half
    self.posted = n
    self.batches[n].tx_root = nodes[0]
    self.batches[n].size = size
    self._claim(n, delta)


@external
def claimBatch(delta: bytes32):
    """Claim h(Delta_n) of a batch whose earlier claim was withdrawn by a lost game; its T stays."""
    assert msg.sender == self.sequencer, "only the sequencer claims"
    assert self.claimed < self.posted, "every posted batch has a claim"
    self._claim(self.claimed + 1, delta)


@external
def finalise(n: uint256):
    """Make batches up to n final: their windows are over and no game on them is open."""
    assert n > self.finalised, "already final"
    assert n <= self.claimed, "no claim to finalise"
    for k: uint256 in range(self.finalised + 1, n + 1, bound=256):
        assert block.timestamp > self.batches[k].posted_at + WINDOW, "window is open"
        assert self.batches[k].open_games == 0, "a game is open"
    self.finalised = n


# --- checkpoints ------------------------------------------------------------------------------------------------

@external
def postCheckpoint(batch: uint256, root: bytes32):
    """Claim h(S_r') for a final batch r' > r."""
    assert msg.sender == self.sequencer, "only the sequencer checkpoints"
    assert self.pending.serial == 0, "another checkpoint is pending"
    assert batch > self.r, "checkpoint does not advance"
    assert batch <= self.finalised, "batch is not final"
    self.serials += 1
    self.pending = Checkpoint(batch=batch, root=root, serial=self.serials, posted_at=block.timestamp, open_games=0)


@external
def acceptCheckpoint():
    """Make the pending checkpoint the finalised state hash."""
    assert self.pending.serial != 0, "no checkpoint to accept"
    assert block.timestamp > self.pending.posted_at + WINDOW, "checkpoint's window is open"
    assert self.pending.open_games == 0, "a game on the checkpoint is open"
    self.r = self.pending.batch
    self.root = self.pending.root
    log CheckpointAccepted(batch=self.r, root=self.root)
    self.pending = empty(Checkpoint)


# --- the game ---------------------------------------------------------------------------------------------------

@internal
def _save(id: uint256, game: Game):
    self.games[id] = keccak256(abi_encode(game))
    log GameMoved(id=id, game=game)


@internal
@view
def _standing(game: Game) -> bool:
    """Whether the claim under dispute still stands; a lost game withdraws it under all others."""
    if game.on_checkpoint:
        return self.pending.serial == game.serial
    return game.batch <= self.claimed and self.batches[game.batch].serial == game.serial


@internal
@view
def _check(id: uint256, game: Game):
    assert self.games[id] == keccak256(abi_encode(game)), "not the game's state"
    assert self._standing(game), "claim was withdrawn"


@internal
@view
def _move(id: uint256, game: Game, stage: uint256, by_sequencer: bool) -> Game:
    """Check that a side may move now and charge its clock."""
    self._check(id, game)
    assert game.stage == stage, "wrong stage"
    assert game.sequencer_turn == by_sequencer, "not your turn"
    assert msg.sender == (self.sequencer if by_sequencer else game.challenger), "not a party of this turn"
    return self._charge(game)


@internal
@view
def _charge(game: Game) -> Game:
    moved: Game = game
    spent: uint256 = block.timestamp - game.last
    if game.sequencer_turn:
        assert spent <= game.sequencer_clock, "sequencer's clock is spent"
        moved.sequencer_clock -= spent
    else:
        assert spent <= game.challenger_clock, "challenger's clock is spent"
        moved.challenger_clock -= spent
    moved.last = block.timestamp
    return moved


@internal
@view
def _extend(game: Game) -> Game:
    """Both sides now have a trie or a trace to build: nobody enters a stage with less than EXTENSION."""
    extended: Game = game
    extended.sequencer_clock = max(game.sequencer_clock, EXTENSION)
    extended.challenger_clock = max(game.challenger_clock, EXTENSION)
    return extended


@internal
@view
def _stage_one(game: Game) -> Game:
    """Bisect over batches lo..hi, or go on where the first disagreed batch is known already."""
    if game.hi - game.lo > 1:
        moved: Game = self._extend(game)
        moved.stage = FIND_BATCH
        moved.sequencer_turn = True
        return moved
    return self._stage_two(game, game.hi, game.lo_hash, game.hi_hash)


@internal
@view
def _stage_two(game: Game, x: uint256, pre: bytes32, post: bytes32) -> Game:
    """Bisect over the transactions of batch x: from h(S_{x-1}), agreed, to (h(S_x), h(Delta_x)), disputed."""
    moved: Game = self._extend(game)
    size: uint256 = self.batches[x].size
    moved.x = x
    moved.pre = pre
    moved.lo = 0
    moved.hi = size
    moved.lo_hash = self._vm(pre, empty(bytes32), 0)
    moved.hi_hash = self._vm(post, self.batches[x].delta, size)
    moved.mid_hash = empty(bytes32)
    moved.sequencer_turn = True
    moved.stage = FIND_STEP if size > 1 else PROVE
    return moved


@internal
@payable
def _open(batch: uint256, serial: uint256, on_checkpoint: bool) -> (uint256, Game):
    assert msg.value == CHALLENGER_BOND, "wrong challenger bond"
    id: uint256 = self.game_count + 1
    self.game_count = id
    # r and h(S_r) are copied: a checkpoint accepted meanwhile does not reach into the game.
    return id, Game(batch=batch, serial=serial, challenger=msg.sender, on_checkpoint=on_checkpoint,
                    stage=RESPOND, sequencer_turn=True, lo=self.r, hi=batch, lo_hash=self.root,
                    hi_hash=empty(bytes32), mid_hash=empty(bytes32), pre=empty(bytes32), x=0,
                    sequencer_clock=CLOCK, challenger_clock=CLOCK, last=block.timestamp)


@external
@payable
def openChallenge(n: uint256, pre: bytes32):
    """Claim h(f(S_{n-1}, T_n) - S_{n-1}) != h(Delta_n), with h(S'_{n-1}) = pre."""
    assert n > self.finalised, "batch is final"
    assert n <= self.claimed, "no claim to challenge"
    assert block.timestamp <= self.batches[n].posted_at + WINDOW, "window is over"
    if n == self.r + 1:
        assert pre == self.root, "the state before the batch is final"
    self.batches[n].open_games += 1
    id: uint256 = 0
    game: Game = empty(Game)
    id, game = self._open(n, self.batches[n].serial, False)
    game.pre = pre
    self._save(id, game)


@external
@payable
def challengeCheckpoint():
    """Deny the pending h(S_r'); the game is stage one over (r, r']."""
    assert self.pending.serial != 0, "no checkpoint to challenge"
    assert block.timestamp <= self.pending.posted_at + WINDOW, "checkpoint's window is over"
    self.pending.open_games += 1
    id: uint256 = 0
    game: Game = empty(Game)
    id, game = self._open(self.pending.batch, self.pending.serial, True)
    game.hi_hash = self.pending.root
    self._save(id, self._stage_one(game))


@external
def respondAgree(id: uint256, game: Game, post: bytes32):
    """Case A: agree with h(S'_{n-1}), reveal h(S_n)."""
    moved: Game = self._move(id, game, RESPOND, True)
    self._save(id, self._stage_two(moved, game.batch, game.pre, post))


@external
def respondDisagree(id: uint256, game: Game, pre: bytes32):
    """Case B: h(S_{n-1}) is another one; both sides agree on h(S_r)."""
    moved: Game = self._move(id, game, RESPOND, True)
    assert game.batch - 1 > game.lo, "no batch to disagree on"
    assert pre != game.pre, "that is agreement"
    moved.hi = game.batch - 1
    moved.hi_hash = pre
    self._save(id, self._stage_one(moved))


@external
def postMid(id: uint256, game: Game, mid_hash: bytes32):
    """The sequencer's h(S_mid) in stage one, or state s_mid in stage two, at mid = (lo + hi) // 2."""
    moved: Game = self._move(id, game, game.stage, True)
    assert game.stage == FIND_BATCH or game.stage == FIND_STEP, "nothing to bisect"
    moved.mid_hash = mid_hash
    moved.sequencer_turn = False
    self._save(id, moved)


@external
def pick(id: uint256, game: Game, agree: bool):
    """The challenger agrees with the middle (go on above it) or not (go on below it)."""
    moved: Game = self._move(id, game, game.stage, False)
    mid: uint256 = (game.lo + game.hi) // 2
    if agree:
        moved.lo = mid
        moved.lo_hash = game.mid_hash
    else:
        moved.hi = mid
        moved.hi_hash = game.mid_hash
    moved.mid_hash = empty(bytes32)
    moved.sequencer_turn = True
    if moved.hi - moved.lo == 1:
        if game.stage == FIND_BATCH:
            moved = self._stage_two(moved, moved.hi, moved.lo_hash, moved.hi_hash)
        else:
            moved.stage = PROVE
    self._save(id, moved)


@external
def oneStep(id: uint256, game: Game, transaction: Bytes[MAX_TX_BYTES], proof: DynArray[bytes32, 6],
            state_root: bytes32, delta_root: bytes32, accesses: DynArray[Access, 2]):
    """Run the one disputed transaction; anyone may. The sequencer's claim is right or it is not."""
    self._check(id, game)
    assert game.stage == PROVE, "no single step yet"
    self._charge(game)
    node: bytes32 = keccak256(transaction)
    index: uint256 = game.lo
    width: uint256 = self.batches[game.x].size
    for sibling: bytes32 in proof:
        node = self._pair(sibling, node) if index & 1 == 1 else self._pair(node, sibling)
        index = index >> 1
        width = (width + 1) // 2
    assert width == 1, "wrong length of the transaction's proof"
    assert node == self.batches[game.x].tx_root, "transaction is not in the batch"
    assert game.lo_hash == self._vm(state_root, delta_root, game.lo), "not the agreed state"
    if self._step(transaction, game.pre, state_root, delta_root, game.lo, accesses) == game.hi_hash:
        self._sequencer_wins(id, game)
    else:
        self._challenger_wins(id, game)


@external
def timeout(id: uint256, game: Game):
    """Close a game whose turn-holder has no time left; that side loses."""
    self._check(id, game)
    clock: uint256 = game.sequencer_clock if game.sequencer_turn else game.challenger_clock
    assert block.timestamp > game.last + clock, "clock still runs"
    if game.sequencer_turn:
        self._challenger_wins(id, game)
    else:
        self._sequencer_wins(id, game)


@external
def closeVoid(id: uint256, game: Game):
    """Give the bond back in a game whose claim another game has withdrawn."""
    assert self.games[id] == keccak256(abi_encode(game)), "not the void game's state"
    assert not self._standing(game), "claim stands"
    self.games[id] = empty(bytes32)
    self.credit[game.challenger] += CHALLENGER_BOND
    log GameClosed(id=id, outcome=3)


@internal
def _sequencer_wins(id: uint256, game: Game):
    # Nothing becomes final here: the challenger may have lost on purpose.
    self.games[id] = empty(bytes32)
    if game.on_checkpoint:
        self.pending.open_games -= 1
    else:
        self.batches[game.batch].open_games -= 1
    self.credit[self.sequencer] += CHALLENGER_BOND // 2
    self.burned += CHALLENGER_BOND - CHALLENGER_BOND // 2
    log GameClosed(id=id, outcome=1)


@internal
def _challenger_wins(id: uint256, game: Game):
    # The bond behind every claim that is not final is gone, so those claims are withdrawn; their T stays.
    self.games[id] = empty(bytes32)
    self.claimed = self.finalised
    self.pending = empty(Checkpoint)
    self.sequencer = empty(address)
    self.credit[game.challenger] += CHALLENGER_BOND + self.stake // 2
    self.burned += self.stake - self.stake // 2
    self.stake = 0
    log GameClosed(id=id, outcome=2)


@external
def withdraw():
    """Pay out the caller's credit."""
    amount: uint256 = self.credit[msg.sender]
    assert amount > 0, "nothing to withdraw"
    self.credit[msg.sender] = 0
    raw_call(msg.sender, b"", value=amount)
