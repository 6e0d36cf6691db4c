"""Block access lists: what every transaction of a block touched, as EIP-7928 defines it.

Two layouts are read and written. Both are ``[account, ...]`` with
``account = [address, storage_changes, storage_reads, balance_changes, nonce_changes, code_changes]`` and
``storage_changes = [[slot, [[index, value], ...]], ...]``:

``"draft"``
    July 2025: slots and values are 32 bytes, the index is that of the transaction, from 0.
``"final"``
    Slots and values are integers without leading zeros; index 0 is what happens before the first transaction,
    transaction ``i`` has index ``i + 1``, and what happens after the last one has the highest index.

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
from rollstate.traces.rlp_items import Item, MalformedError
from rollstate.traces.schema import Capability, Trace

LAYOUTS = ("draft", "final")
MAINNET = 1
# EIP-7928 allows 32 bits; a trace keeps signed ones, which no block comes near.
MAX_INDEX = 2**31 - 1
CHANGES_SCHEMA = pl.Schema(
    {"block_number": pl.Int64, "index": pl.Int32, "address": pl.Binary, "kind": pl.String}
)
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


def blocks(folder: Path, layout: str = "draft") -> Iterator[tuple[int, tuple[AccountAccess, ...]]]:
    """Yield block number and list for each ``<block>.rlp`` or ``<block>_with_reads.rlp``, by block number."""
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
    for number, path in files:
        yield number, read_file(path, layout)


def read_folder(folder: Path, layout: str = "draft", chain_id: int | None = MAINNET) -> Trace:
    """Read consecutive blocks as a trace.

    Each transaction that writes a slot is one write; a slot that a block only reads is one read without a
    transaction index. What happens outside of transactions (the final layout's first index) has none either.

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
    columns: dict[str, list] = {
        name: [] for name in ("block_number", "tx_index", "address", "slot", "is_write")
    }
    # In the final layout index 0 precedes the first transaction.
    shift = 0 if layout == "draft" else 1
    numbers = []
    for number, accounts in blocks(folder, layout):
        numbers.append(number)
        for account in accounts:
            touches = [
                (index - shift if index >= shift else None, write.slot, True)
                for write in account.storage_changes
                for index, _ in write.changes
            ]
            touches += [(None, slot, False) for slot in account.storage_reads]
            for index, slot, is_write in touches:
                columns["block_number"].append(number)
                columns["tx_index"].append(index)
                columns["address"].append(account.address)
                columns["slot"].append(slot)
                columns["is_write"].append(is_write)
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
    )
    return store.assemble(pl.DataFrame(columns, schema_overrides={"tx_index": pl.Int32}), stamp)


def account_changes(folder: Path, layout: str = "draft") -> pl.DataFrame:
    """Return balance, nonce and code changes: the part of the lists that is not storage.

    Returns
    -------
    polars.DataFrame
        ``block_number`` int64, ``index`` int32 (as the layout counts), ``address`` 20 bytes, ``kind`` one of
        ``"balance"``, ``"nonce"``, ``"code"``; one row per change.
    """
    rows = [
        (number, index, account.address, kind)
        for number, accounts in blocks(folder, layout)
        for account in accounts
        for kind, changes in (
            ("balance", account.balance_changes),
            ("nonce", account.nonce_changes),
            ("code", account.code_changes),
        )
        for index, _ in changes
    ]
    return pl.DataFrame(rows, schema=CHANGES_SCHEMA, orient="row")


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
