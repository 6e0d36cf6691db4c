# Lists under a Merkle root, and ranges that one message cuts into sections. The file before it defines Game, with lo, hi,
# lo_hash, hi_hash, middles (the Merkle root of the sequencer's values between lo and hi) and sequencer_turn.

MAX_TXS: constant(uint256) = 64
SECTIONS: constant(uint256) = 64  # parts that one message cuts a range into
MAX_MIDDLES: constant(uint256) = 63


@internal
@pure
def _pair(left: bytes32, right: bytes32) -> bytes32:
    if left == empty(bytes32) and right == empty(bytes32):
        return empty(bytes32)
    return keccak256(concat(left, right))


@internal
@pure
def _root(leaves: DynArray[bytes32, MAX_TXS]) -> bytes32:
    """Merkle root of at most 64 leaves; an odd node is paired with zero, and no leaf has root zero."""
    nodes: DynArray[bytes32, MAX_TXS] = leaves
    count: uint256 = len(leaves)
    if count == 0:
        return empty(bytes32)
    for level: uint256 in range(6):
        if count == 1:
            break
        half: uint256 = (count + 1) // 2
        for i: uint256 in range(half, bound=32):
            right: bytes32 = nodes[2 * i + 1] if 2 * i + 1 < count else empty(bytes32)
            nodes[i] = self._pair(nodes[2 * i], right)
        count = half
    return nodes[0]


@internal
@pure
def _climbs_to(leaf: bytes32, index: uint256, count: uint256, proof: DynArray[bytes32, 6]) -> bytes32:
    """Root that a leaf of a list of `count` leads to."""
    node: bytes32 = leaf
    at: uint256 = index
    width: uint256 = count
    for sibling: bytes32 in proof:
        node = self._pair(sibling, node) if at & 1 == 1 else self._pair(node, sibling)
        at = at >> 1
        width = (width + 1) // 2
    assert width == 1, "wrong length of a Merkle proof"
    return node


@internal
@pure
def _sections(game: Game) -> (uint256, uint256):
    """Width of a section of lo..hi and how many sections there are."""
    width: uint256 = game.hi - game.lo
    part: uint256 = (width + SECTIONS - 1) // SECTIONS
    return part, (width + part - 1) // part


@internal
@pure
def _commit(game: Game, middles: DynArray[bytes32, MAX_MIDDLES]) -> Game:
    """Take the sequencer's values between the sections; they are in calldata, so nobody can hold them back."""
    moved: Game = game
    part: uint256 = 0
    count: uint256 = 0
    part, count = self._sections(game)
    assert len(middles) + 1 == count, "wrong number of middles"
    moved.middles = self._root(middles)
    moved.sequencer_turn = False
    return moved


@internal
@pure
def _check_end(game: Game, index: uint256, count: uint256, node: bytes32, proof: DynArray[bytes32, 6]):
    """Check that the sequencer's value at the lower end of section `index` is `node`; ends need no proof."""
    if index == 0:
        assert node == game.lo_hash, "not the agreed state"
    elif index == count:
        assert node == game.hi_hash, "not the denied state"
    else:
        assert self._climbs_to(node, index - 1, count - 1, proof) == game.middles, "not the sequencer's middle"
