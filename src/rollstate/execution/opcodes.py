"""What a transaction's opcodes say: gas by class, storage and accounts that code looked at, in failed calls too.

Input is the trace of EIP-3155 (https://eips.ethereum.org/EIPS/eip-3155), one JSON object for each executed opcode.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np
import polars as pl

SLOAD, SSTORE, BALANCE, SELFBALANCE, SELFDESTRUCT = 0x54, 0x55, 0x31, 0x47, 0xFF
CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2 = 0xF1, 0xF2, 0xF4, 0xFA, 0xF0, 0xF5
_CALLS = (CALL, CALLCODE, DELEGATECALL, STATICCALL)
_OWN_CONTEXT = (CALL, STATICCALL)
_FRAMES = (*_CALLS, CREATE, CREATE2)
_CODE_LOOKS = (0x3B, 0x3C, 0x3F)
CLASSES = (
    "arithmetic", "comparison and bits", "hashing", "context", "accounts", "memory", "storage", "control", "stack",
    "logs", "calls",
)  # fmt: skip
"""Classes of opcodes; "calls" is what calls and creations cost beyond the opcodes inside them."""


def opcode_class(op: int) -> str:
    """Return the class of an opcode by its number.

    Examples
    --------
    >>> [opcode_class(op) for op in (0x01, 0x20, 0x54, 0x60, 0xF1)]
    ['arithmetic', 'hashing', 'storage', 'stack', 'calls']
    """
    if op in (SLOAD, SSTORE, 0x5C, 0x5D):
        return "storage"
    if op in (BALANCE, SELFBALANCE, *_CODE_LOOKS):
        return "accounts"
    if op in (0x51, 0x52, 0x53, 0x59, 0x5E, 0x37, 0x39, 0x3E):
        return "memory"
    if op in (0x00, 0x56, 0x57, 0x58, 0x5A, 0x5B, 0xF3, 0xFD, 0xFE):
        return "control"
    if op in _FRAMES or op == SELFDESTRUCT:
        return "calls"
    if op == 0x50 or 0x5F <= op <= 0x9F:
        return "stack"
    if 0xA0 <= op <= 0xA4:
        return "logs"
    if op <= 0x0B:
        return "arithmetic"
    if op <= 0x1F:
        return "comparison and bits"
    return "hashing" if op == 0x20 else "context"


_CLASS_OF = np.array([CLASSES.index(opcode_class(op)) for op in range(256)])
_LOOKED_AT = np.zeros(256, bool)
_LOOKED_AT[[SLOAD, SSTORE, BALANCE, SELFBALANCE, *_CODE_LOOKS, *_FRAMES]] = True


@dataclass(frozen=True)
class Looks:
    """What one transaction's code did.

    Attributes
    ----------
    gas : dict of str to int
        Gas by class of opcode, calls and creations left out.
    counts : dict of str to int
        Executed opcodes by class.
    slots : frozenset of (str, int)
        Storage that was loaded or stored, by address and slot, in failed calls too. Contracts in creation are left out.
    balances, codes : frozenset of str
        Accounts whose balance, or whose code, was looked at.
    """

    gas: dict[str, int]
    counts: dict[str, int]
    slots: frozenset[tuple[str, int]]
    balances: frozenset[str]
    codes: frozenset[str]


def read(trace: str, entered: str) -> Looks:
    """Read one transaction's trace.

    Parameters
    ----------
    trace : str
        Lines of JSON; lines without an opcode (the summary at the end) are passed over.
    entered : str
        Address that the transaction calls or creates: whose storage the outermost code sees.
    """
    lines = [line for line in trace.split("\n") if line.startswith('{"pc"')]
    if not lines:
        return Looks({}, {}, frozenset(), frozenset(), frozenset())
    steps = pl.read_ndjson(
        io.StringIO("\n".join(lines)),
        schema={"op": pl.Int64, "gasCost": pl.String, "gas": pl.String, "depth": pl.Int64},
    ).select(
        "op",
        "depth",
        cost=pl.min_horizontal(
            *(pl.col(name).str.slice(2).str.to_integer(base=16) for name in ("gasCost", "gas"))
        ),
    )
    op, depth = steps["op"].to_numpy(), steps["depth"].to_numpy()
    kind = _CLASS_OF[op]
    gas = np.bincount(kind, steps["cost"].to_numpy(), len(CLASSES))
    counts = np.bincount(kind, minlength=len(CLASSES))
    context: dict[int, str | None] = {int(depth[0]): entered}
    slots: set[tuple[str, int]] = set()
    balances: set[str] = set()
    codes: set[str] = set()
    for i in np.flatnonzero(_LOOKED_AT[op]).tolist():
        at, code = int(depth[i]), int(op[i])
        own = context.get(at)
        stack = [] if code == SELFBALANCE else json.loads(lines[i])["stack"]
        if code in (SLOAD, SSTORE) and stack and own is not None:
            slots.add((own, int(stack[-1], 16)))
        elif code == SELFBALANCE and own is not None:
            balances.add(own)
        elif code == BALANCE and stack:
            balances.add(_address(stack[-1]))
        elif code in _CODE_LOOKS and stack:
            codes.add(_address(stack[-1]))
        elif code in _FRAMES:
            target = _address(stack[-2]) if code in _CALLS and len(stack) > 1 else None
            if target is not None:
                codes.add(target)
            if i + 1 < len(op) and depth[i + 1] == at + 1:
                context[at + 1] = target if code in _OWN_CONTEXT else own if code in _CALLS else None
    named = {name: int(gas[k]) for k, name in enumerate(CLASSES) if name != "calls" and counts[k]}
    return Looks(
        named,
        {name: int(counts[k]) for k, name in enumerate(CLASSES) if counts[k]},
        frozenset(slots),
        frozenset(balances),
        frozenset(codes),
    )


def _address(word: str) -> str:
    """Return an address from a stack word."""
    return f"0x{int(word, 16) & (1 << 160) - 1:040x}"
