"""Strict RLP with offsets: every item knows where it begins, so that an error can say so.

Recursive length prefix, Ethereum Yellow Paper, appendix B (https://ethereum.github.io/yellowpaper/paper.pdf).
pyrlp is the codec elsewhere in this package; it does not keep offsets, which is why this reader exists. Only the
canonical encoding is accepted: shortest length prefix, single bytes below 0x80 as themselves, no trailing bytes.
"""

from __future__ import annotations

from typing import NamedTuple

from rollstate.errors import InputError

MAX_DEPTH = 32
"""Deepest nesting that is read; a block access list needs six lists."""


class MalformedError(InputError):
    """Input breaks a rule of its format; names the file, the byte offset and the rule."""

    def __init__(self, where: str, offset: int, rule: str) -> None:
        super().__init__(f"{where}: byte {offset}: {rule}")
        self.where, self.offset, self.rule = where, offset, rule

    def __reduce__(self) -> tuple[type, tuple[str, int, str]]:
        return type(self), (self.where, self.offset, self.rule)


class Item(NamedTuple):
    """A byte string or a list, with the offset of its first byte."""

    offset: int
    value: bytes | list[Item]


def decode(data: bytes, where: str) -> Item:
    r"""Decode one item that fills `data` exactly.

    Parameters
    ----------
    data : bytes
        The encoding.
    where : str
        Name of the input, for errors.

    Raises
    ------
    MalformedError
        If the encoding is truncated, not canonical, nested too deep, or followed by other bytes.

    Examples
    --------
    >>> [item.value for item in decode(b"\xc8\x83cat\x83dog", "a list").value]
    [b'cat', b'dog']
    """
    item, end = _item(data, 0, len(data), where, 0)
    if end != len(data):
        raise MalformedError(where, end, f"{len(data) - end} bytes follow the end of the list")
    return item


def _item(data: bytes, at: int, stop: int, where: str, depth: int) -> tuple[Item, int]:
    """Return the item at `at`, which must end by `stop`, and the offset behind it."""
    if at >= stop:
        raise MalformedError(where, at, "an item is missing: the input ends here")
    first = data[at]
    if first < 0x80:
        return Item(at, data[at : at + 1]), at + 1
    start, end = _span(data, at, stop, where)
    if first < 0xC0:
        if end - start == 1 and data[start] < 0x80:
            raise MalformedError(where, at, "a single byte below 0x80 must stand for itself")
        return Item(at, data[start:end]), end
    if depth == MAX_DEPTH:
        raise MalformedError(where, at, f"lists must not be nested deeper than {MAX_DEPTH}")
    children = []
    child_at = start
    while child_at < end:
        child, child_at = _item(data, child_at, end, where, depth + 1)
        children.append(child)
    return Item(at, children), end


def _span(data: bytes, at: int, stop: int, where: str) -> tuple[int, int]:
    """Return start and end of the payload of the string or list whose prefix is at `at`."""
    base = 0x80 if data[at] < 0xC0 else 0xC0
    length = data[at] - base
    start = at + 1
    if length > 55:
        size = length - 55
        start += size
        if start > stop:
            raise MalformedError(where, at, "the length of an item is cut off")
        if data[at + 1] == 0:
            raise MalformedError(where, at, "a length must not begin with a zero byte")
        length = int.from_bytes(data[at + 1 : start], "big")
        if length <= 55:
            raise MalformedError(where, at, "a length up to 55 must be in the first byte")
    if start + length > stop:
        missing = start + length - stop
        raise MalformedError(
            where, at, f"an item of {length} bytes ends {missing} bytes beyond its container"
        )
    return start, start + length


def encode(value: bytes | list) -> bytes:
    r"""Encode a byte string or a nested list of byte strings.

    >>> encode([b"cat", b"dog"])
    b'\xc8\x83cat\x83dog'
    """
    if isinstance(value, bytes):
        if len(value) == 1 and value[0] < 0x80:
            return value
        return _prefix(0x80, len(value)) + value
    payload = b"".join(encode(item) for item in value)
    return _prefix(0xC0, len(payload)) + payload


def _prefix(base: int, length: int) -> bytes:
    if length <= 55:
        return bytes([base + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(size)]) + size
