"""Which layout block access lists are in: told by the lengths of their slots and values, of all files together.

The draft writes every slot and value as 32 bytes, the final layout as integers without leading zeros (see
`rollstate.traces.block_access_list`). A list may fit both, a folder of real blocks hardly ever does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rollstate.errors import InputError
from rollstate.traces import rlp_items
from rollstate.traces.rlp_items import Item

LAYOUTS = ("draft", "final")


def spelling(data: bytes, where: str = "block access list") -> str | None:
    """Return the one layout that the slots and values of a list can be in; None if they fit both, or there are none.

    Raises
    ------
    MalformedError
        If the list is no RLP.
    """
    words = list(_words(rlp_items.decode(data, where)))
    if any(len(word) != 32 for word in words):
        return "final"
    return "draft" if any(word[0] == 0 for word in words) else None


def _words(top: Item) -> Iterator[bytes]:
    """Yield what stands in the place of slots and values, whatever its form; other rules are the decoder's."""
    for account in top.value if isinstance(top.value, list) else ():
        parts = account.value if isinstance(account.value, list) else []
        reads = parts[2].value if len(parts) > 2 and isinstance(parts[2].value, list) else []
        changed = parts[1].value if len(parts) > 1 and isinstance(parts[1].value, list) else []
        items = list(reads)
        for entry in changed:
            pair = entry.value if isinstance(entry.value, list) else []
            items += pair[:1]
            for change in pair[1].value if len(pair) > 1 and isinstance(pair[1].value, list) else ():
                items += change.value[1:] if isinstance(change.value, list) else []
        yield from (item.value for item in items if isinstance(item.value, bytes))


def find_layout(files: Sequence[Path]) -> str:
    """Return the layout of some lists of one source, by their content.

    Raises
    ------
    InputError
        If they are in different layouts, or fit both and hold slots, whose transactions the two count differently.
    """
    seen: dict[str, Path] = {}
    touched = None
    for path in files:
        data = path.read_bytes()
        if found := spelling(data, str(path)):
            seen.setdefault(found, path)
        elif any(True for _ in _words(rlp_items.decode(data, str(path)))):
            touched = path
    if len(seen) > 1:
        raise InputError(
            f"{seen['draft']} is in the draft layout and {seen['final']} in the final one; read each kind by itself"
        )
    if not seen and touched:
        raise InputError(f"{touched} fits the draft layout and the final one: say which (--layout)")
    return next(iter(seen), "final")
