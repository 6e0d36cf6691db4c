# pragma version ~=0.4.3
# pragma optimize codesize
"""
@title   Optimistic rollup that posts (T_n, h(Delta_n)), with the two-stage fraud proof
@notice  After https://ethresear.ch/t/18134. `r` and h(S_r) are the last finalised state hash; a game over batch n
         finds a batch x, then a transaction of x, then runs that transaction on chain.
@dev     A game lives in calldata and events; storage keeps only its hash.
         Each stage is one message of the sequencer, all middle values in calldata under a Merkle root, and one pick of
         the challenger. Invariants of a running game: `lo_hash` is agreed by both sides, `hi_hash` is asserted by the
         sequencer and denied by the challenger, lo < hi.
         A won or lost game never makes a batch final: only the window does, with no game open that could still
         disprove the claim. Appended to this file when it is compiled: `lists.vy`, and a machine with the
         game's last step, `transfers.vy` or the program's.
"""

# stages of a game
RESPOND: constant(uint256) = 0     # the sequencer must agree or disagree with h(S'_{n-1})
FIND_BATCH: constant(uint256) = 1  # stage one
FIND_STEP: constant(uint256) = 2   # stage two; ends with the step itself

struct Batch:
    tx_root: bytes32     # of T_n, computed here: data and root cannot differ
    size: uint256        # m
    delta: bytes32       # the claim h(Delta_n)
    serial: bytes32      # of the claim: hash of every claim up to this one
    posted_at: uint256   # of the claim
    held_by: uint256     # open games that hold this and every later claim
    opener: address      # who opened the first game on the claim

struct Checkpoint:
    batch: uint256       # r'
    root: bytes32        # claimed h(S_r')
    serial: bytes32      # zero: none is pending
    posted_at: uint256
    open_games: uint256
    opener: address

struct Game:
    batch: uint256       # n, or r' of a checkpoint
    first: uint256       # first batch that this game holds back; 0 for a checkpoint
    serial: bytes32      # of the claim under dispute
    claim: bytes32       # what is denied: h(Delta_n), or h(S_r')
    challenger: address
    on_checkpoint: bool
    stage: uint256
    sequencer_turn: bool
    lo: uint256          # a batch in stage one, a number of executed transactions in stage two
    hi: uint256
    lo_hash: bytes32
    hi_hash: bytes32
    middles: bytes32     # Merkle root of the sequencer's values between lo and hi
    pre: bytes32         # h(S'_{n-1}) as the challenger claims it, then the agreed h(S_{x-1})
    post: bytes32        # the denied h(S_x)
    x: uint256           # the batch that stage two runs in, 0 before
    sequencer_clock: uint256
    challenger_clock: uint256
    last: uint256        # when the last move was made

event BatchOrdered:
    n: indexed(uint256)
    tx_root: bytes32
    transactions: DynArray[Bytes[MAX_TX_BYTES], 2 * MAX_TXS]
event BatchClaimed:
    n: indexed(uint256)
    delta: bytes32
    serial: bytes32
event GameMoved:
    id: indexed(uint256)
    game: Game
event GameClosed:
    id: indexed(uint256)
    outcome: uint256     # 1 sequencer won, 2 challenger won, 3 void and right, 4 void and wrong
event CheckpointClaimed:
    batch: uint256
    root: bytes32
    serial: bytes32
event CheckpointAccepted:
    batch: uint256
    root: bytes32
event Exited:
    key: indexed(uint256)
    amount: uint256

WINDOW: public(immutable(uint256))
CLOCK: public(immutable(uint256))
EXTENSION: public(immutable(uint256))
SEQUENCER_BOND: public(immutable(uint256))
CHALLENGER_BOND: public(immutable(uint256))
MAX_GAP: public(immutable(uint256))
PATIENCE: public(immutable(uint256))

batches: public(HashMap[uint256, Batch])
posted: public(uint256)        # batches whose T is ordered, for ever
claimed: public(uint256)       # batches 1..claimed carry a standing claim
finalised: public(uint256)     # batches 1..finalised are final
history: public(bytes32)       # hash of every claim made
forced_at: public(uint256)

r: public(uint256)             # the most recent finalised state hash
root: public(bytes32)
pending: public(Checkpoint)
due: public(uint256)           # batch of a withdrawn checkpoint, which must be claimed anew first
accepted: public(HashMap[uint256, bytes32])

games: public(HashMap[uint256, bytes32])
game_count: public(uint256)

sequencer: public(address)
active_at: public(uint256)     # when the sequencer last claimed anything
stake: public(uint256)
credit: public(HashMap[address, uint256])
burned: public(uint256)

vault: public(uint256)         # what exits are paid from
exit_count: public(uint256)
owner: public(HashMap[uint256, address])
exited: public(HashMap[uint256, uint256])


@deploy
@payable
def __init__(genesis: bytes32, window: uint256, clock: uint256, extension: uint256, sequencer_bond: uint256,
             challenger_bond: uint256, max_gap: uint256, patience: uint256):
    assert genesis != empty(bytes32), "genesis is empty"
    assert window > 0, "no window"
    assert clock > 0, "no clock"
    assert extension <= clock, "extension above clock"
    assert sequencer_bond >= challenger_bond, "sequencer bond below challenger bond"
    assert challenger_bond > 1, "challenger bond cannot be halved"
    assert max_gap > 0, "no gap"
    assert patience >= window, "patience below window"
    WINDOW = window
    CLOCK = clock
    EXTENSION = extension
    SEQUENCER_BOND = sequencer_bond
    CHALLENGER_BOND = challenger_bond
    MAX_GAP = max_gap
    PATIENCE = patience
    self.root = genesis
    self.vault = msg.value


# --- the sequencer's seat ---------------------------------------------------------------------------------------

@internal
@payable
def _seat():
    """Only the sequencer claims. A seat that is vacant or idle goes to whoever claims next, with a bond."""
    if msg.sender == self.sequencer:
        assert msg.value == 0, "bond is posted already"
    else:
        if self.sequencer != empty(address):
            assert block.timestamp > self.active_at + PATIENCE, "the seat is taken"
            assert self.claimed == self.finalised and self.pending.serial == empty(bytes32), "claims rest on the seat"
            self.credit[self.sequencer] += self.stake
        assert msg.value == SEQUENCER_BOND, "wrong sequencer bond"
        self.sequencer = msg.sender
        self.stake = msg.value
    self.active_at = block.timestamp


@external
def resign():
    """Leave the role and get the bond back, once nothing rests on it."""
    assert msg.sender == self.sequencer, "only the sequencer resigns"
    assert self.claimed == self.finalised, "claims are not final"
    assert self.pending.serial == empty(bytes32), "a checkpoint is pending"
    self.credit[msg.sender] += self.stake
    self.stake = 0
    self.sequencer = empty(address)


# --- batches ----------------------------------------------------------------------------------------------------

@internal
def _order(n: uint256, transactions: DynArray[Bytes[MAX_TX_BYTES], 2 * MAX_TXS]):
    size: uint256 = len(transactions)
    assert n == self.posted + 1, "not the next batch"
    assert size > 0, "batch is empty"
    assert size <= MAX_TXS, "batch too large"
    assert n - self.r <= MAX_GAP, "checkpoint overdue"
    leaves: DynArray[bytes32, MAX_TXS] = []
    for transaction: Bytes[MAX_TX_BYTES] in transactions:
        leaves.append(keccak256(transaction))
    self.posted = n
    self.batches[n].tx_root = self._root(leaves)
    self.batches[n].size = size
    log BatchOrdered(n=n, tx_root=self.batches[n].tx_root, transactions=transactions)


@internal
def _claim(n: uint256, delta: bytes32):
    serial: bytes32 = keccak256(concat(self.history, convert(n, bytes32), self.batches[n].tx_root, delta))
    self.history = serial
    self.claimed = n
    self.batches[n].delta = delta
    self.batches[n].serial = serial
    self.batches[n].posted_at = block.timestamp
    self.batches[n].held_by = 0
    self.batches[n].opener = empty(address)
    log BatchClaimed(n=n, delta=delta, serial=serial)


@external
@payable
def postBatch(n: uint256, transactions: DynArray[Bytes[MAX_TX_BYTES], 2 * MAX_TXS], delta: bytes32):
    """Order T_n for ever and claim h(Delta_n)."""
    self._seat()
    assert self.claimed == self.posted, "claim the posted batches first"
    self._order(n, transactions)
    self._claim(n, delta)


@external
def forceBatch(n: uint256, transactions: DynArray[Bytes[MAX_TX_BYTES], 2 * MAX_TXS]):
    """Order T_n without the sequencer, who has to claim it before it posts again; anyone, once in PATIENCE."""
    assert block.timestamp > self.forced_at + PATIENCE, "a batch was forced lately"
    self.forced_at = block.timestamp
    self._order(n, transactions)


@external
@payable
def claimBatch(n: uint256, delta: bytes32):
    """Claim h(Delta_n) of a batch that was forced, or whose earlier claim was withdrawn; its T stays."""
    self._seat()
    assert n == self.claimed + 1, "not the next claim"
    assert n <= self.posted, "no batch to claim"
    self._claim(n, delta)


@external
def finalise(n: uint256):
    """Make batches up to n final: their windows are over and no open game holds them."""
    assert n > self.finalised, "already final"
    assert n <= self.claimed, "no claim to finalise"
    for k: uint256 in range(self.finalised + 1, n + 1, bound=2**64):
        assert block.timestamp > self.batches[k].posted_at + WINDOW, "window is open"
        assert self.batches[k].held_by == 0, "a game is open"
    self.finalised = n


# --- checkpoints ------------------------------------------------------------------------------------------------

@external
@payable
def postCheckpoint(batch: uint256, root: bytes32):
    """Claim h(S_r') for a final batch r' > r."""
    self._seat()
    assert self.pending.serial == empty(bytes32), "another checkpoint is pending"
    assert batch > self.r, "checkpoint does not advance"
    assert batch <= self.finalised, "batch is not final"
    assert self.due == 0 or batch == self.due, "a withdrawn checkpoint is due first"
    serial: bytes32 = keccak256(concat(self.history, convert(batch, bytes32), root))
    self.history = serial
    self.pending = Checkpoint(batch=batch, root=root, serial=serial, posted_at=block.timestamp, open_games=0,
                              opener=empty(address))
    log CheckpointClaimed(batch=batch, root=root, serial=serial)


@external
def acceptCheckpoint():
    """Make the pending checkpoint the finalised state hash."""
    assert self.pending.serial != empty(bytes32), "no checkpoint to accept"
    assert block.timestamp > self.pending.posted_at + WINDOW, "checkpoint's window is open"
    assert self.pending.open_games == 0, "a game on the checkpoint is open"
    self.r = self.pending.batch
    self.root = self.pending.root
    self.accepted[self.r] = self.root
    self.due = 0
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
    """Check that a side may move now and charge its clock. Anyone may move for the challenger, see `pick`, `prove`."""
    self._check(id, game)
    assert game.stage == stage, "wrong stage"
    assert game.sequencer_turn == by_sequencer, "not your turn"
    assert not by_sequencer or msg.sender == self.sequencer, "only the sequencer answers"
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


@internal
@view
def _enter(game: Game, stage: uint256) -> Game:
    """Both sides now have a trie or a trace to build: nobody enters a stage with less than EXTENSION."""
    moved: Game = game
    moved.stage = stage
    moved.sequencer_turn = True
    moved.sequencer_clock = max(game.sequencer_clock, EXTENSION)
    moved.challenger_clock = max(game.challenger_clock, EXTENSION)
    return moved


@internal
@view
def _stage_one(game: Game) -> Game:
    """Search batches lo..hi, or go on where the first disagreed batch is known already."""
    if game.hi - game.lo > 1:
        return self._enter(game, FIND_BATCH)
    return self._stage_two(game, game.hi, game.lo_hash, game.hi_hash)


@internal
@view
def _stage_two(game: Game, x: uint256, pre: bytes32, post: bytes32) -> Game:
    """Search the transactions of batch x, from h(S_{x-1}), agreed, to h(S_x), denied."""
    moved: Game = self._enter(game, FIND_STEP)
    moved.x = x
    moved.pre = pre
    moved.post = post
    moved.lo = 0
    moved.hi = self.batches[x].size
    moved.lo_hash = self._vm(pre, empty(bytes32), 0)
    moved.hi_hash = empty(bytes32)
    moved.middles = empty(bytes32)
    return moved


@internal
@payable
def _open(batch: uint256, first: uint256, serial: bytes32, claim: bytes32, on_checkpoint: bool) -> (uint256, Game):
    assert msg.value == CHALLENGER_BOND, "wrong challenger bond"
    id: uint256 = self.game_count + 1
    self.game_count = id
    # r and h(S_r) are copied: a checkpoint accepted meanwhile does not reach into the game.
    return id, Game(batch=batch, first=first, serial=serial, claim=claim, challenger=msg.sender,
                    on_checkpoint=on_checkpoint, stage=RESPOND, sequencer_turn=True, lo=self.r, hi=batch,
                    lo_hash=self.root, hi_hash=empty(bytes32), middles=empty(bytes32), pre=empty(bytes32),
                    post=empty(bytes32), x=0, sequencer_clock=CLOCK, challenger_clock=CLOCK, last=block.timestamp)


@external
@payable
def openChallenge(n: uint256, serial: bytes32, first: uint256, pre: bytes32):
    """Deny claim `serial` of h(Delta_n), with h(S'_{n-1}) = pre; hold every claim whose window is open."""
    assert n <= self.claimed, "no claim to challenge"
    assert serial == self.batches[n].serial, "another claim stands"
    assert first > self.finalised, "batch is final"
    assert first <= n, "held batch beyond the game"
    assert block.timestamp <= self.batches[first].posted_at + WINDOW, "window is over"
    if first > self.finalised + 1:
        assert block.timestamp > self.batches[first - 1].posted_at + WINDOW, "an earlier window is open"
    if n == self.r + 1:
        assert pre == self.root, "the state before the batch is final"
    self.batches[first].held_by += 1
    if self.batches[n].opener == empty(address):
        self.batches[n].opener = msg.sender
    id: uint256 = 0
    game: Game = empty(Game)
    id, game = self._open(n, first, serial, self.batches[n].delta, False)
    game.pre = pre
    self._save(id, game)


@external
@payable
def challengeCheckpoint(serial: bytes32):
    """Deny the pending h(S_r'); the game is stage one over (r, r']."""
    assert self.pending.serial != empty(bytes32), "no checkpoint to challenge"
    assert serial == self.pending.serial, "another checkpoint stands"
    assert block.timestamp <= self.pending.posted_at + WINDOW, "checkpoint's window is over"
    self.pending.open_games += 1
    if self.pending.opener == empty(address):
        self.pending.opener = msg.sender
    id: uint256 = 0
    game: Game = empty(Game)
    id, game = self._open(self.pending.batch, 0, serial, self.pending.root, True)
    game.hi_hash = self.pending.root
    self._save(id, self._stage_one(game))


@external
def respondAgree(id: uint256, game: Game, post: bytes32, middles: DynArray[bytes32, MAX_MIDDLES]):
    """Case A: agree with h(S'_{n-1}), reveal h(S_n) and every state inside batch n."""
    moved: Game = self._move(id, game, RESPOND, True)
    moved = self._stage_two(moved, game.batch, game.pre, post)
    moved.hi_hash = self._vm(post, game.claim, moved.hi)
    self._save(id, self._commit(moved, middles))


@external
def respondDisagree(id: uint256, game: Game, pre: bytes32, middles: DynArray[bytes32, MAX_MIDDLES]):
    """Case B: h(S_{n-1}) is another one, and here are the roots since h(S_r), on which both sides agree."""
    moved: Game = self._move(id, game, RESPOND, True)
    assert game.batch - 1 > game.lo, "no batch to disagree on"
    assert pre != game.pre, "that is agreement"
    moved.hi = game.batch - 1
    moved.hi_hash = pre
    moved = self._stage_one(moved)
    if moved.stage == FIND_BATCH:
        moved = self._commit(moved, middles)
    self._save(id, moved)


@external
def postRoots(id: uint256, game: Game, middles: DynArray[bytes32, MAX_MIDDLES]):
    """Stage one: the sequencer's h(S_k) between the sections of lo..hi."""
    moved: Game = self._move(id, game, FIND_BATCH, True)
    self._save(id, self._commit(moved, middles))


@internal
def _go_on(id: uint256, game: Game, game_after: Game) -> uint256:
    """Save a move of the challenger, or the new game of somebody else who made it; return which game goes on."""
    moved: Game = game_after
    if msg.sender == game.challenger:
        self._save(id, moved)
        return id
    else:
        moved.challenger = msg.sender
        self.game_count += 1
        if game.on_checkpoint:
            self.pending.open_games += 1
        else:
            self.batches[game.first].held_by += 1
        self._save(self.game_count, moved)
        return self.game_count


@external
@payable
def pick(id: uint256, game: Game, index: uint256, low: bytes32, low_proof: DynArray[bytes32, 6], high: bytes32,
         high_proof: DynArray[bytes32, 6]):
    """Stage one: agree with the lower end of a section and deny its upper end; anyone else does so in a new game.

    Every section of the sequencer's values is a claim of its own, so one pick says nothing about another.
    """
    moved: Game = self._move(id, game, FIND_BATCH, False)
    assert msg.value == (0 if msg.sender == game.challenger else CHALLENGER_BOND), "wrong bond of a pick"
    part: uint256 = 0
    count: uint256 = 0
    part, count = self._sections(game)
    assert index < count, "no such section"
    self._check_end(game, index, count, low, low_proof)
    self._check_end(game, index + 1, count, high, high_proof)
    moved.lo = game.lo + index * part
    moved.hi = min(moved.lo + part, game.hi)
    moved.lo_hash = low
    moved.hi_hash = high
    moved.middles = empty(bytes32)
    moved.sequencer_turn = True
    if moved.hi - moved.lo == 1:
        moved = self._stage_two(moved, moved.hi, low, high)
    self._go_on(id, game, moved)


@external
def postTrace(id: uint256, game: Game, delta: bytes32, middles: DynArray[bytes32, MAX_MIDDLES]):
    """Stage two: h(Delta_x) and every state inside batch x."""
    moved: Game = self._move(id, game, FIND_STEP, True)
    # T alone decides the state: a wrong difference that became final must not stand in the way of true roots.
    assert game.x <= self.finalised or delta == self.batches[game.x].delta, "not the claimed difference"
    moved.hi_hash = self._vm(game.post, delta, game.hi)
    self._save(id, self._commit(moved, middles))


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
    """Close a game whose claim another game has withdrawn, once it is known whether that claim was right."""
    assert self.games[id] == keccak256(abi_encode(game)), "not the void game's state"
    assert not self._standing(game), "claim stands"
    assert (game.batch <= self.r) if game.on_checkpoint else (game.batch <= self.finalised), "truth is not final"
    truth: bytes32 = self.accepted[game.batch] if game.on_checkpoint else self.batches[game.batch].delta
    self.games[id] = empty(bytes32)
    if truth != game.claim:
        self.credit[game.challenger] += CHALLENGER_BOND
        log GameClosed(id=id, outcome=3)
    else:
        self.burned += CHALLENGER_BOND
        log GameClosed(id=id, outcome=4)


@internal
def _sequencer_wins(id: uint256, game: Game):
    # Nothing becomes final here: the challenger may have lost on purpose.
    self.games[id] = empty(bytes32)
    if game.on_checkpoint:
        self.pending.open_games -= 1
    else:
        self.batches[game.first].held_by -= 1
    self.credit[self.sequencer] += CHALLENGER_BOND // 2
    self.burned += CHALLENGER_BOND - CHALLENGER_BOND // 2
    log GameClosed(id=id, outcome=1)


@internal
def _challenger_wins(id: uint256, game: Game):
    # The bond behind every claim that is not final is gone, so those claims are withdrawn; their T stays.
    self.games[id] = empty(bytes32)
    # Whoever opened the first game on the claim shares the reward with whoever closed one: a copy must beat both.
    opener: address = self.pending.opener if game.on_checkpoint else self.batches[game.batch].opener
    reward: uint256 = self.stake // 2
    self.credit[opener] += reward // 2
    self.credit[game.challenger] += CHALLENGER_BOND + reward - reward // 2
    self.burned += self.stake - reward
    self.stake = 0
    self.sequencer = empty(address)
    self.claimed = self.finalised
    if self.pending.serial != empty(bytes32):
        self.due = self.pending.batch
        self.pending = empty(Checkpoint)
    log GameClosed(id=id, outcome=2)


@external
def withdraw():
    """Pay out the caller's credit."""
    amount: uint256 = self.credit[msg.sender]
    assert amount > 0, "nothing to withdraw"
    self.credit[msg.sender] = 0
    raw_call(msg.sender, b"", value=amount)
