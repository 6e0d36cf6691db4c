# The machine: one transfer checked against roots alone. Another machine replaces this file: it has to define
# MAX_TX_BYTES, _vm (what a state inside a batch commits to) and the message that ends stage two. Exits are read from this
# machine's state.

DEPTH: constant(uint256) = 32  # of the state tree; fixed when the contract is compiled
MAX_TX_BYTES: constant(uint256) = 128
MAX_ACCESSES: constant(uint256) = 2
VALUE_LIMIT: constant(uint256) = 2**128
TOMBSTONE: constant(uint256) = 1

struct Path:
    bitmap: uint256                  # levels, leaf first, whose sibling is not zero
    siblings: DynArray[bytes32, DEPTH]

struct Access:
    before: uint256      # value of the key before the batch
    now: uint256         # value of the key before this write
    pre: Path            # under h(S_{x-1})
    state: Path          # under R
    diff: Path           # under A


@internal
@pure
def _is_exit(key: uint256) -> bool:
    """Keys whose three highest bits are set belong to accounts that nothing leaves on L2."""
    return key >> (DEPTH - 3) == 7


@internal
@view
def _exit_root(key: uint256, held: uint256, path: Path) -> bytes32:
    """The h(Delta) that a path shows an account's new value under."""
    a: bytes32 = empty(bytes32)
    b: bytes32 = empty(bytes32)
    a, b = self._climb(key, self._leaf(key, held + 2), self._leaf(key, held + 2), path)
    return a


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
          executed: uint256, accesses: DynArray[Access, MAX_ACCESSES]) -> bytes32:
    """The state after one more transaction. Defined for every byte string: what is no valid transfer is a no-op."""
    unchanged: bytes32 = self._vm(state_root, delta_root, executed + 1)
    if len(transaction) != 96:
        return unchanged
    source: uint256 = extract32(transaction, 0, output_type=uint256)
    target: uint256 = extract32(transaction, 32, output_type=uint256)
    amount: uint256 = extract32(transaction, 64, output_type=uint256)
    if (source | target) >> DEPTH != 0:
        return unchanged
    if self._is_exit(source):
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
         executed: uint256, accesses: DynArray[Access, MAX_ACCESSES]) -> bytes32:
    """The step alone, for a party that wants to check its witness before it pays for the message."""
    return self._step(transaction, pre, state_root, delta_root, executed, accesses)


# --- exits ------------------------------------------------------------------------------------------------------

@external
def openExit() -> uint256:
    """Get the key of an L2 account that nothing leaves; what arrives there is the caller's on this chain."""
    key: uint256 = (7 << (DEPTH - 3)) + self.exit_count
    self.exit_count += 1
    self.owner[key] = msg.sender
    return key


@external
def exit(n: uint256, key: uint256, held: uint256, path: Path):
    """Pay what an exit account holds after batch n, shown in the final h(Delta_n), less what was paid before."""
    assert n > 0 and n <= self.finalised, "exit's batch is not final"
    assert self._is_exit(key), "no exit account"
    assert self.owner[key] != empty(address), "nobody owns this account"
    assert self._exit_root(key, held, path) == self.batches[n].delta, "value is not in the difference"
    assert held > self.exited[key], "nothing new to exit"
    amount: uint256 = held - self.exited[key]
    assert amount <= self.vault, "the vault holds less"
    self.exited[key] = held
    self.vault -= amount
    self.credit[self.owner[key]] += amount
    log Exited(key=key, amount=amount)


# --- the last step ----------------------------------------------------------------------------------------------

@external
def prove(id: uint256, game: Game, index: uint256, low_proof: DynArray[bytes32, 6], high: bytes32,
          high_proof: DynArray[bytes32, 6], transaction: Bytes[MAX_TX_BYTES], proof: DynArray[bytes32, 6],
          state_root: bytes32, delta_root: bytes32, accesses: DynArray[Access, MAX_ACCESSES]):
    """Stage two: run one transaction between two of the sequencer's states. Anyone may show a wrong step."""
    self._move(id, game, FIND_STEP, False)
    assert index < game.hi, "no such transaction"
    self._check_end(game, index, game.hi, self._vm(state_root, delta_root, index), low_proof)
    self._check_end(game, index + 1, game.hi, high, high_proof)
    found: bytes32 = self._climbs_to(keccak256(transaction), index, self.batches[game.x].size, proof)
    assert found == self.batches[game.x].tx_root, "transaction is not in the batch"
    if self._step(transaction, game.pre, state_root, delta_root, index, accesses) == high:
        assert msg.sender == game.challenger, "the step is right"
        self._sequencer_wins(id, game)
    else:
        self._challenger_wins(id, game)
