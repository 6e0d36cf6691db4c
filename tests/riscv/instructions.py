"""Instructions, made from their fields, and random ones."""

EDGES = (0, 1, 2, 31, 32, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF)
CODES = (0x13, 0x33, 0x03, 0x23, 0x63, 0x37, 0x17, 0x6F, 0x67, 0x0F, 0x73)
ECALL = 0x73


def i_type(code, f3, rd, rs1, immediate):
    return (immediate & 0xFFF) << 20 | rs1 << 15 | f3 << 12 | rd << 7 | code


def r_type(f7, f3, rd, rs1, rs2):
    return f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | 0x33


def store(f3, rs1, rs2, immediate):
    return (immediate >> 5 & 127) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (immediate & 31) << 7 | 0x23


def branch(f3, rs1, rs2, offset):
    upper = (offset >> 12 & 1) << 6 | offset >> 5 & 63
    lower = (offset >> 1 & 15) << 1 | offset >> 11 & 1
    return upper << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | lower << 7 | 0x63


def addi(rd, rs1, immediate):
    return i_type(0x13, 0, rd, rs1, immediate)


def assemble(*words):
    return b"".join(word.to_bytes(4, "little") for word in words)


def random_word(rng):
    """Return an instruction: mostly a known opcode with fields that are often good, now and then any word."""
    if rng.random() < 0.03:
        return rng.getrandbits(32)
    if rng.random() < 0.02:
        return ECALL
    word = rng.getrandbits(25) << 7 | rng.choice(CODES)
    if word & 127 == 0x33 or (word & 127 == 0x13 and word >> 12 & 3 == 1):
        word = word & 0x01FFFFFF | rng.choice((0, 0, 1, 0x20, rng.getrandbits(7))) << 25
    if word & 127 in (0x03, 0x23) and rng.random() < 0.7:
        # A multiple of 4 as offset: most of these are aligned.
        word &= ~(3 << 20 if word & 127 == 0x03 else 3 << 7)
    return word


def random_registers(rng, size):
    """Return registers: edges, any numbers, and addresses in a memory."""
    drawn = [
        rng.choice((rng.choice(EDGES), rng.getrandbits(32), rng.randrange(size) & ~3, rng.randrange(size)))
        for _ in range(31)
    ]
    return [0, *drawn]
