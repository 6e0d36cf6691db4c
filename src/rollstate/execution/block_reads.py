"""Which code asks for the hash of an earlier block or for the base fee, found in its bytes.

Data behind PUSH is no code, and what follows a STOP, JUMP, RETURN, REVERT, INVALID or SELFDESTRUCT runs only from the
next JUMPDEST on. Everything else counts as reached, so that code without such an opcode cannot ask.
"""

from __future__ import annotations

import re
from functools import lru_cache

ASKS = b"\x40\x48"
"""BLOCKHASH and BASEFEE."""

_PUSH = b"|".join(re.escape(bytes([0x5F + n])) + b".{%d}" % n for n in range(1, 33))
_DATA = re.compile(b"(?:" + _PUSH + b")", re.DOTALL)
_DEAD = re.compile(rb"[\x00\x56\xf3\xfd\xfe\xff][^\x5b]*", re.DOTALL)
_ASKING = re.compile(b"(?:" + _PUSH + b")|[" + re.escape(ASKS) + b"]", re.DOTALL)


@lru_cache(maxsize=16_384)
def asks(code: bytes) -> bool:
    """Say whether code can reach BLOCKHASH or BASEFEE.

    Examples
    --------
    >>> [asks(bytes.fromhex(code)) for code in ("48", "6048", "0048", "005b48", "600160014000")]
    [True, False, False, True, True]
    """
    if not any(op in code for op in ASKS):
        return False
    live = _DEAD.sub(b"", _DATA.sub(b"\x5f", code))
    return any(op in live for op in ASKS)


@lru_cache(maxsize=4_096)
def blind(code: bytes) -> bytes:
    """Return code in which every BLOCKHASH and BASEFEE is an invalid opcode.

    Examples
    --------
    >>> blind(bytes.fromhex("484860486148400048")).hex()
    'fefe604861484000fe'
    """
    if not asks(code):
        return code
    return _ASKING.sub(lambda found: found[0] if len(found[0]) > 1 else b"\xfe", code)
