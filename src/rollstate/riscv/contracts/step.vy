# pragma version ~=0.4.0
# One step of RV32IM over a Merkle memory. A state is its hash; whoever shows it, the 32 bytes that hold the instruction
# and, for a load or store, the 32 bytes that it touches, each with its path, learns the only state that may follow.

DEPTH: constant(uint256) = 16              # of the memory's tree
SIZE: constant(uint256) = 32 * 2 ** 16     # bytes of memory
MASK: constant(uint256) = 2**32 - 1
TOP: constant(uint256) = 2**31

RUNNING: constant(uint256) = 0
HALTED: constant(uint256) = 1
ILLEGAL: constant(uint256) = 2
FETCH_UNALIGNED: constant(uint256) = 3
FETCH_OUTSIDE: constant(uint256) = 4
DATA_UNALIGNED: constant(uint256) = 5
DATA_OUTSIDE: constant(uint256) = 6

struct State:
    memory: bytes32
    pc: uint256
    status: uint256
    steps: uint256
    registers: uint256[32]

struct Leaf:
    content: bytes32
    siblings: bytes32[DEPTH]


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    if left == empty(bytes32) and right == empty(bytes32):
        return empty(bytes32)
    return keccak256(concat(left, right))


@internal
@pure
def _root(place: uint256, content: bytes32, siblings: bytes32[DEPTH]) -> bytes32:
    node: bytes32 = content
    row: uint256 = place >> 5
    for sibling: bytes32 in siblings:
        if row & 1 == 1:
            node = self._node(sibling, node)
        else:
            node = self._node(node, sibling)
        row = row >> 1
    return node


@internal
@pure
def _signed(x: uint256) -> int256:
    if x >= TOP:
        return convert(x, int256) - 2**32
    return convert(x, int256)


@internal
@pure
def _less(a: uint256, b: uint256) -> bool:
    return a ^ TOP < b ^ TOP


@internal
@pure
def _extend(x: uint256, bits: uint256) -> uint256:
    """The 32 bits of a number of fewer bits, with its sign."""
    if x >> (bits - 1) == 1:
        return x + 2**32 - (1 << bits)
    return x


@internal
@pure
def _base(f3: uint256, other: bool, a: uint256, b: uint256) -> uint256:
    if f3 == 0:
        if other:
            return (a + 2**32 - b) & MASK
        return (a + b) & MASK
    if f3 == 1:
        return (a << (b & 31)) & MASK
    if f3 == 2:
        return convert(self._less(a, b), uint256)
    if f3 == 3:
        return convert(a < b, uint256)
    if f3 == 4:
        return a ^ b
    if f3 == 5:
        shifted: uint256 = a >> (b & 31)
        if other and a >= TOP:
            return shifted | (MASK ^ (MASK >> (b & 31)))
        return shifted
    if f3 == 6:
        return a | b
    return a & b


@internal
@pure
def _multiply(f3: uint256, a: uint256, b: uint256) -> uint256:
    if f3 == 0:
        return (a * b) & MASK
    if f3 == 3:
        return (a * b) >> 32
    if f3 < 3:
        y: int256 = convert(b, int256)
        if f3 == 1:
            y = self._signed(b)
        # The product is above -2**64, so that adding this keeps it positive and its lower 64 bits as they are.
        return convert(self._signed(a) * y + 2**128, uint256) >> 32 & MASK
    if b == 0:
        return a if f3 >= 6 else MASK
    if f3 == 5:
        return a // b
    if f3 == 7:
        return a % b
    x: uint256 = a
    z: uint256 = b
    if a >= TOP:
        x = 2**32 - a
    if b >= TOP:
        z = 2**32 - b
    if f3 == 4:
        quotient: uint256 = x // z
        if (a >= TOP) != (b >= TOP):
            return (2**32 - quotient) & MASK
        return quotient & MASK
    if a >= TOP:
        return (2**32 - x % z) & MASK
    return x % z


@internal
@pure
def _hash(s: State) -> bytes32:
    return keccak256(abi_encode(s))


@internal
@pure
def _ended(s: State, status: uint256) -> bytes32:
    ended: State = s
    ended.status = status
    return self._hash(ended)


@external
@pure
def step(before: bytes32, state: State, code: Leaf, data: Leaf) -> bytes32:
    """
    @notice Return the hash of the state after one step.
    @dev `data` is looked at only where the instruction loads or stores.
    """
    s: State = state
    assert self._hash(s) == before, "state does not hash to its claim"
    assert s.pc <= MASK and s.registers[0] == 0 and s.status <= DATA_OUTSIDE, "malformed state"
    for x: uint256 in s.registers:
        assert x <= MASK, "malformed state"
    if s.status != RUNNING:
        return before
    s.steps += 1
    if s.pc & 3 != 0:
        return self._ended(s, FETCH_UNALIGNED)
    if s.pc >= SIZE:
        return self._ended(s, FETCH_OUTSIDE)
    assert self._root(s.pc, code.content, code.siblings) == s.memory, "instruction's path does not lead to the memory"
    held: uint256 = convert(code.content, uint256) >> (8 * (28 - (s.pc & 31)))
    word: uint256 = (held & 255) << 24 | (held & 65280) << 8 | (held >> 8 & 65280) | (held >> 24 & 255)

    op: uint256 = word & 127
    rd: uint256 = word >> 7 & 31
    f3: uint256 = word >> 12 & 7
    f7: uint256 = word >> 25
    a: uint256 = s.registers[word >> 15 & 31]
    b: uint256 = s.registers[word >> 20 & 31]
    immediate: uint256 = self._extend(word >> 20, 12)
    following: uint256 = (s.pc + 4) & MASK
    result: uint256 = 0
    writes: bool = True

    if op == 19:  # operations with a constant
        if (f3 == 1 and f7 != 0) or (f3 == 5 and f7 != 0 and f7 != 32):
            return self._ended(s, ILLEGAL)
        result = self._base(f3, f3 == 5 and f7 == 32, a, immediate)
    elif op == 51:  # operations on registers
        if f7 == 1:
            result = self._multiply(f3, a, b)
        elif f7 == 0 or (f7 == 32 and (f3 == 0 or f3 == 5)):
            result = self._base(f3, f7 == 32, a, b)
        else:
            return self._ended(s, ILLEGAL)
    elif op == 3 or op == 35:  # loads and stores
        if f3 & 3 == 3 or f3 == 6 or (op == 35 and f3 > 2):
            return self._ended(s, ILLEGAL)
        if op == 35:
            immediate = self._extend(f7 << 5 | rd, 12)
        place: uint256 = (a + immediate) & MASK
        width: uint256 = 1 << (f3 & 3)
        if place & (width - 1) != 0:
            return self._ended(s, DATA_UNALIGNED)
        if place >= SIZE:
            return self._ended(s, DATA_OUTSIDE)
        assert self._root(place, data.content, data.siblings) == s.memory, "data's path does not lead to the memory"
        content: uint256 = convert(data.content, uint256)
        offset: uint256 = place & 31
        for i: uint256 in range(4):
            if i == width:
                break
            down: uint256 = 8 * (31 - offset - i)
            if op == 3:
                result |= (content >> down & 255) << (8 * i)
            else:
                content = content ^ (((content >> down ^ b >> (8 * i)) & 255) << down)
        if op == 3:
            if f3 < 2:
                result = self._extend(result, 8 * width)
        else:
            writes = False
            s.memory = self._root(place, convert(content, bytes32), data.siblings)
    elif op == 99:  # branches
        if f3 == 2 or f3 == 3:
            return self._ended(s, ILLEGAL)
        taken: bool = a == b
        if f3 >= 6:
            taken = a < b
        elif f3 >= 4:
            taken = self._less(a, b)
        if taken != (f3 & 1 == 1):
            distance: uint256 = (word >> 8 & 15) << 1 | (f7 & 63) << 5 | (word >> 7 & 1) << 11 | (word >> 31) << 12
            following = (s.pc + self._extend(distance, 13)) & MASK
        writes = False
    elif op == 55:  # lui
        result = word & 4294963200
    elif op == 23:  # auipc
        result = (s.pc + (word & 4294963200)) & MASK
    elif op == 111:  # jal
        distance: uint256 = (word >> 21 & 1023) << 1 | (word >> 20 & 1) << 11 | (word >> 12 & 255) << 12 | (word >> 31) << 20
        result = following
        following = (s.pc + self._extend(distance, 21)) & MASK
    elif op == 103 and f3 == 0:  # jalr
        result = following
        following = (a + immediate) & (MASK - 1)
    elif op == 15 and f3 == 0:  # fence: nothing to order
        writes = False
    elif word == 115:  # ecall
        return self._ended(s, HALTED)
    else:
        return self._ended(s, ILLEGAL)

    if writes and rd != 0:
        s.registers[rd] = result
    s.pc = following
    return self._hash(s)
