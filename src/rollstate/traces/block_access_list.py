"""Block access lists: what every transaction of a block touched, as EIP-7928 defines it.

Two layouts are read and written. Both are ``[account, ...]`` with
``account = [address, storage_changes, storage_reads, balance_changes, nonce_changes, code_changes]`` and
``storage_changes = [[slot, [[index, value], ...]], ...]``:

``"draft"``
    July 2025: slots and values are 32 bytes, the index is that of the transaction, from 0.
``"final"``
    Slots and values are integers without leading zeros; index 0 is what happens before the first transaction,
    transaction ``i`` has index ``i + 1``, and what happens after the last one has the highest index.

A file does not say its layout; `rollstate.traces.list_layouts` tells it by the lengths of its slots and values. Indices
that stand for no transaction, before the first and behind the last one, have no transaction index in a trace: in the
final layout every transaction raises the nonce of its sender and nothing else does, so the highest index of a nonce is
the last one's.

In both a slot is either written or only read, accounts and slots ascend and are unique, indices ascend. Reads carry
no index, so conflicts between a read and a write within a block cannot be computed from these lists.

Source: EIP-7928, https://eips.ethereum.org/EIPS/eip-7928
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl
from eth_hash.auto import keccak

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces import rlp_items, store
from rollstate.traces.list_layouts import LAYOUTS, find_layout
from rollstate.traces.prestate import TOUCHES_SCHEMA
from rollstate.traces.rlp_items import Item, MalformedError
from rollstate.traces.schema import ACCOUNTS_SCHEMA, Capability, Trace

# EIP-7928 allows 32 bits; a trace keeps signed ones, which no block comes near.
MAX_INDEX = 2**31 - 1
_FILE = re.compile(r"^(\d+)(?:_with_reads)?\.rlp$")


@dataclass(frozen=True)
class SlotChanges:
    """Writes to one slot: ``changes`` are (index, value) in ascending order of the index."""

    slot: bytes
    changes: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class AccountAccess:
    """What one block did to one account; slots and values are 32 bytes, indices as the layout counts them."""

    address: bytes
    storage_changes: tuple[SlotChanges, ...]
    storage_reads: tuple[bytes, ...]
    balance_changes: tuple[tuple[int, int], ...]
    nonce_changes: tuple[tuple[int, int], ...]
    code_changes: tuple[tuple[int, bytes], ...]


def decode(data: bytes, layout: str = "draft", where: str = "block access list") -> tuple[AccountAccess, ...]:
    """Decode one list and check every rule of its layout.

    Parameters
    ----------
    data : bytes
        RLP of the list.
    layout : {"draft", "final"}
        Which layout it is in.
    where : str
        Name of the input, for errors.

    Raises
    ------
    MalformedError
        Naming the input, the byte offset and the rule that is broken. Nothing is half-read.
    """
    _check_layout(layout)
    reader = _Reader(where, layout)
    accounts = tuple(reader.account(item) for item in reader.items(rlp_items.decode(data, where), "the list"))
    return reader.ascending(accounts, lambda account: account.address, "accounts", reader.offsets)


def encode(accounts: tuple[AccountAccess, ...], layout: str = "draft") -> bytes:
    """Encode a list; the inverse of `decode`."""
    _check_layout(layout)

    def word(value: bytes) -> bytes:
        return value if layout == "draft" else value.lstrip(b"\0")

    def number(value: int) -> bytes:
        return value.to_bytes((value.bit_length() + 7) // 8, "big")

    return rlp_items.encode(
        [
            [
                account.address,
                [
                    [word(write.slot), [[number(index), word(value)] for index, value in write.changes]]
                    for write in account.storage_changes
                ],
                [word(slot) for slot in account.storage_reads],
                [[number(index), number(balance)] for index, balance in account.balance_changes],
                [[number(index), number(nonce)] for index, nonce in account.nonce_changes],
                [[number(index), code] for index, code in account.code_changes],
            ]
            for account in accounts
        ]
    )


def list_hash(accounts: tuple[AccountAccess, ...]) -> bytes:
    """Return the hash that a block header commits to: keccak-256 of the list in the final layout."""
    return keccak(encode(accounts, "final"))


def read_file(path: Path, layout: str = "draft") -> tuple[AccountAccess, ...]:
    """Read one file; errors name it."""
    return decode(path.read_bytes(), layout, str(path))


def transactions(accounts: tuple[AccountAccess, ...], layout: str) -> int | None:
    """Return the number of transactions of a block as its list shows it; None where it does not.

    In the final layout that is the highest index of a changed nonce. A list without any nonce has been stripped, or is
    of a block without transactions: it does not say.
    """
    indices = [index for account in accounts for index, _ in account.nonce_changes]
    return max(indices) if layout == "final" and indices else None


def tx_index(index: int, layout: str, count: int | None) -> int | None:
    """Return the transaction of an index; None before the first one and behind the last of `count`."""
    tx = index - (layout == "final")
    return tx if tx >= 0 and (count is None or tx < count) else None


def list_files(folder: Path) -> list[tuple[int, Path]]:
    """Return number and path of each ``<block>.rlp`` or ``<block>_with_reads.rlp``, which must be consecutive."""
    files = sorted(
        (int(match[1]), path) for path in folder.glob("*.rlp") if (match := _FILE.match(path.name))
    )
    if not files:
        raise InputError(f"{folder} holds no <block>.rlp or <block>_with_reads.rlp file")
    for (number, path), (following, other) in pairwise(files):
        if number == following:
            raise InputError(f"{path} and {other} are the same block; keep one")
        if following != number + 1:
            raise InputError(
                f"{folder}: blocks {number + 1} to {following - 1} are missing between {path.name} and {other.name}; "
                "a trace needs consecutive blocks, read each run of them by itself"
            )
    return files


def blocks(folder: Path, layout: str | None = None) -> Iterator[tuple[int, tuple[AccountAccess, ...]]]:
    """Yield block number and list for each file of a folder, by block number."""
    files = list_files(folder)
    layout = layout or find_layout([path for _, path in files])
    for number, path in files:
        yield number, read_file(path, layout)


def rows(
    number: int, accounts: tuple[AccountAccess, ...], layout: str
) -> tuple[pl.DataFrame, pl.DataFrame, int | None]:
    """Return what a list says of its block, as a trace has it.

    Each transaction that writes a slot is one write; a slot that a block only reads is one read without a
    transaction index. What happens outside of transactions has none either.

    Returns
    -------
    tuple
        Touches of storage (`rollstate.traces.prestate.TOUCHES_SCHEMA`), changes of accounts
        (`rollstate.traces.schema.ACCOUNTS_SCHEMA`), and the number of transactions where the list shows it.
    """
    count = transactions(accounts, layout)
    touches = [
        (number, tx_index(index, layout, count), account.address, write.slot, True)
        for account in accounts
        for write in account.storage_changes
        for index, _ in write.changes
    ]
    touches += [
        (number, None, account.address, slot, False) for account in accounts for slot in account.storage_reads
    ]
    changes = [
        (number, tx_index(index, layout, count), account.address, kind)
        for account in accounts
        for kind, found in (
            ("balance", account.balance_changes),
            ("nonce", account.nonce_changes),
            ("code", account.code_changes),
        )
        for index, _ in found
    ]
    return (
        pl.DataFrame(touches, TOUCHES_SCHEMA, orient="row"),
        pl.DataFrame(changes, ACCOUNTS_SCHEMA, orient="row"),
        count,
    )


def read_folder(folder: Path, layout: str | None = None, chain_id: int | None = None) -> Trace:
    """Read consecutive blocks as a trace; see `rows`.

    Parameters
    ----------
    folder : Path
        Holds the lists.
    layout : {"draft", "final"}, optional
        Told by the content if not given.
    chain_id : int, optional
        EIP-155 chain id; the lists do not say it.

    Returns
    -------
    Trace
        ``tx_level`` is ``"writes"``; ``blocks`` has neither timestamps nor gas.

    Raises
    ------
    MalformedError
        For a malformed list.
    InputError
        If blocks are missing or doubled.
    """
    files = list_files(folder)
    layout = layout or find_layout([path for _, path in files])
    found = [rows(number, read_file(path, layout), layout) for number, path in files]
    numbers = [number for number, _ in files]
    stamp = Capability(
        source="block_access_list",
        observes_reads=True,
        observes_all_writes=True,
        tx_level="writes",
        key_form="slot",
        window_start=numbers[0],
        window_stop=numbers[-1] + 1,
        chain_id=chain_id,
        extractor_version=__version__,
        account_changes=True,
    )
    touches, changes, counts = zip(*found, strict=True)
    return store.assemble(
        pl.concat(touches),
        stamp,
        accounts=pl.concat(changes),
        blocks=pl.DataFrame(
            {"block_number": numbers, "tx_count": counts}, schema_overrides={"tx_count": pl.Int32}
        ),
    )


def _check_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise InputError(f"layout {layout!r} is not one of {LAYOUTS}")


class _Reader:
    """Turns RLP items into accounts, checking each rule where its bytes are."""

    def __init__(self, where: str, layout: str) -> None:
        self.where, self.layout = where, layout
        self.offsets: list[int] = []

    def fail(self, item: Item, rule: str) -> MalformedError:
        return MalformedError(self.where, item.offset, rule)

    def items(self, item: Item, what: str, count: int | None = None) -> list[Item]:
        if isinstance(item.value, bytes):
            raise self.fail(item, f"{what} must be a list, not a byte string")
        if count is not None and len(item.value) != count:
            raise self.fail(item, f"{what} must have {count} items, not {len(item.value)}")
        return item.value

    def text(self, item: Item, what: str, length: int | None = None) -> bytes:
        if not isinstance(item.value, bytes):
            raise self.fail(item, f"{what} must be a byte string, not a list")
        if length is not None and len(item.value) != length:
            raise self.fail(item, f"{what} must have {length} bytes, not {len(item.value)}")
        return item.value

    def number(self, item: Item, what: str, most_bytes: int) -> int:
        digits = self.text(item, what)
        if digits[:1] == b"\0":
            raise self.fail(item, f"{what} must be an integer without leading zeros")
        if len(digits) > most_bytes:
            raise self.fail(item, f"{what} must have at most {most_bytes} bytes, not {len(digits)}")
        return int.from_bytes(digits, "big")

    def word(self, item: Item, what: str) -> bytes:
        if self.layout == "draft":
            return self.text(item, what, 32)
        return self.number(item, what, 32).to_bytes(32, "big")

    def ascending(self, values: tuple, key: Callable, what: str, offsets: list[int]) -> tuple:
        for left, right, offset in zip(values, values[1:], offsets[1:], strict=False):
            if key(left) >= key(right):
                rule = "unique" if key(left) == key(right) else "in ascending order"
                raise MalformedError(self.where, offset, f"{what} must be {rule}")
        return values

    def pairs(self, item: Item, what: str, second: Callable[[Item], object]) -> tuple:
        entries = self.items(item, f"{what} changes")
        out = []
        for entry in entries:
            index, value = self.items(entry, f"a {what} change", 2)
            number = self.number(index, "an index", 4)
            if number > MAX_INDEX:
                raise self.fail(index, f"an index must be at most {MAX_INDEX}")
            out.append((number, second(value)))
        return self.ascending(
            tuple(out),
            lambda pair: pair[0],
            f"indices of {what} changes",
            [entry.offset for entry in entries],
        )

    def account(self, item: Item) -> AccountAccess:
        self.offsets.append(item.offset)
        address, writes, reads, balances, nonces, codes = self.items(item, "an account", 6)
        changed = self.items(writes, "storage changes")
        read = self.items(reads, "storage reads")
        access = AccountAccess(
            address=self.text(address, "an address", 20),
            storage_changes=self.ascending(
                tuple(self.slot_changes(entry) for entry in changed),
                lambda write: write.slot,
                "written slots",
                [entry.offset for entry in changed],
            ),
            storage_reads=self.ascending(
                tuple(self.word(entry, "a read slot") for entry in read),
                lambda slot: slot,
                "read slots",
                [entry.offset for entry in read],
            ),
            balance_changes=self.pairs(
                balances, "balance", lambda entry: self.number(entry, "a balance", 32)
            ),
            nonce_changes=self.pairs(nonces, "nonce", lambda entry: self.number(entry, "a nonce", 8)),
            code_changes=self.pairs(codes, "code", lambda entry: self.text(entry, "code")),
        )
        written = {write.slot for write in access.storage_changes}
        for entry, slot in zip(read, access.storage_reads, strict=True):
            if slot in written:
                raise self.fail(entry, "a written slot must not be listed as read too")
        return access

    def slot_changes(self, item: Item) -> SlotChanges:
        slot, changes = self.items(item, "a storage change", 2)
        if not self.items(changes, "changes of a slot"):
            raise self.fail(changes, "a written slot must have at least one change")
        return SlotChanges(
            slot=self.word(slot, "a written slot"),
            changes=self.pairs(changes, "storage", lambda entry: self.word(entry, "a value")),
        )
