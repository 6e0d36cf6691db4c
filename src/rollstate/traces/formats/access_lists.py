"""Block access lists in files, one block each: RLP of either layout, and the JSON of nodes and of test fixtures.

JSON is a list of accounts, or an object that holds one under ``blockAccessList`` or ``result``, in the spelling of the
execution APIs (``storageChanges[{key, changes[{index, value}]}]``) or in that of the test fixtures
(``storageChanges[{slot, slotChanges[{blockAccessIndex, postValue}]}]``). Where the file also has the hash of the header
(``blockAccessListHash``), the list must have it. JSON is always in the final layout.

Sources: https://github.com/ethereum/execution-apis, https://github.com/ethereum/execution-specs, EIP-7928
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import block_access_list as bal
from rollstate.traces.block_access_list import AccountAccess, SlotChanges
from rollstate.traces.formats import files
from rollstate.traces.formats.columns import OnBad
from rollstate.traces.formats.rows import BLOCKS_INFO_SCHEMA, ROWS_SCHEMA, Batch, Options, Source, Unit
from rollstate.traces.json_values import ResponseError, mapping, octets, quantity, sequence, word
from rollstate.traces.schema import ACCOUNTS_SCHEMA

FILES_IN_UNIT = 64
_NUMBER = re.compile(r"(\d+)")
_INDEX = ("index", "blockAccessIndex", "txIndex")
_HASH = ("blockAccessListHash", "balHash")


def is_json(found: Any) -> bool:
    """Say whether parsed JSON is a list of one block."""
    accounts = listed(found)
    return accounts is not None and all(
        isinstance(one, dict) and "address" in one and {"storageChanges", "storageReads"} & one.keys()
        for one in accounts
    )


def listed(found: Any) -> list[Any] | None:
    """Return the accounts in parsed JSON, None if it has not the form of a list."""
    if isinstance(found, dict):
        found = next((found[name] for name in ("blockAccessList", "result") if name in found), None)
        if isinstance(found, dict):
            found = found.get("blockAccessList")
    return found if isinstance(found, list) else None


def block_number(path: str) -> int | None:
    """Return the block that a file is named after: the first number in its name."""
    match = _NUMBER.search(PurePosixPath(path).name)
    return int(match[1]) if match else None


def numbered(paths: Sequence[str], options: Options, say: str) -> list[tuple[int, str]]:
    """Return number and path of files of one block each, in order; those of a window that the options name.

    Raises
    ------
    InputError
        If a name has no number and the window does not give it, if two files are of the same block, or one is missing.
    """
    found = [(block_number(path), path) for path in paths]
    unnamed = [path for number, path in found if number is None]
    window = options.blocks
    if unnamed and window and len(unnamed) == len(paths) == window[1] - window[0]:
        found = list(zip(range(*window), sorted(unnamed), strict=True))
    elif unnamed:
        raise InputError(
            f"{unnamed[0]}: {say} do not say their block; name each file after it (<block>.json), or say which they "
            "are, in the order of their names, with --blocks A:B"
        )
    out = sorted((int(number or 0), path) for number, path in found)
    for (number, path), (following, other) in pairwise(out):
        if number == following:
            raise InputError(f"{path} and {other} are the same block; keep one")
    if window:
        out = [(number, path) for number, path in out if window[0] <= number < window[1]]
    for (number, path), (following, other) in pairwise(out):
        if following != number + 1:
            raise InputError(
                f"blocks {number + 1} to {following - 1} are missing between {path} and {other}; a trace needs "
                "consecutive blocks: add them, or choose a run of blocks with --blocks A:B"
            )
    if not out:
        raise InputError(f"no file is of a block in the window {window}")
    return out


def source(paths: Sequence[str], parsed: Callable[[str], Any], options: Options) -> Source:
    """Return the source that files of lists make.

    Parameters
    ----------
    paths : sequence of str
        Files of RLP (``.rlp``) or JSON.
    parsed : callable
        Reads JSON of a path.
    options : Options
        ``layout`` and ``blocks`` are used.
    """
    found = numbered(paths, options, "block access lists")
    raw = [Path(path) for _, path in found if path.endswith(".rlp")]
    layout = options.layout or bal.find_layout(raw)

    def read(number: int, path: str) -> tuple[pl.DataFrame, pl.DataFrame, int | None]:
        if path.endswith(".rlp"):
            return bal.rows(number, bal.read_file(Path(path), layout), layout)
        return bal.rows(number, decode_json(parsed(path), path), "final")

    def unit(part: list[tuple[int, str]]) -> Unit:
        def batches(
            needless: Callable[[int], bool], on_bad: OnBad | None = None
        ) -> Iterator[tuple[int, Batch]]:
            if needless(0):
                return
            touches, changes = [ROWS_SCHEMA.to_frame()], [ACCOUNTS_SCHEMA.to_frame()]
            info = []
            for number, path in part:
                try:
                    rows, accounts, count = read(number, path)
                except InputError as error:
                    if on_bad is None:
                        raise
                    on_bad(error)
                    continue
                touches.append(rows.select(ROWS_SCHEMA.names()))
                changes.append(accounts)
                info.append((number, None, count))
            blocks = pl.DataFrame(info, BLOCKS_INFO_SCHEMA, orient="row")
            yield 0, Batch(pl.concat(touches), pl.concat(changes), blocks)

        return Unit(part[0][1], sum(files.size(path) for _, path in part), batches)

    return Source(
        format="block_access_list",
        schema=ROWS_SCHEMA,
        units=tuple(unit(found[at : at + FILES_IN_UNIT]) for at in range(0, len(found), FILES_IN_UNIT)),
        observes_reads=True,
        observes_all_writes=True,
        tx_level="writes",
        account_changes=True,
        span=(found[0][0], found[-1][0] + 1),
        notes=(
            f"The lists are in the {layout if raw else 'final'} layout.",
            "Which transaction read a slot is not in the lists.",
        ),
    )


def decode_json(found: Any, where: str) -> tuple[AccountAccess, ...]:
    """Return the list in parsed JSON, having checked every rule of the final layout, and its hash where it is given.

    Raises
    ------
    InputError
        Naming the file, and the field or rule that is broken.
    """
    entries = listed(found)
    if entries is None:
        raise InputError(f"{where} holds no block access list")
    accounts = tuple(_account(entry, f"{where}, account {at}") for at, entry in enumerate(entries))
    # The RLP decoder knows the rules; its offsets are those of the encoding.
    accounts = bal.decode(bal.encode(accounts, "final"), "final", where)
    wanted = next((found[name] for name in _HASH if isinstance(found, dict) and found.get(name)), None)
    if wanted is not None and octets(wanted, f"{where}, {_HASH[0]}", 32) != bal.list_hash(accounts):
        raise InputError(
            f"{where}: the list does not have the hash of its header; it is damaged, or of another block"
        )
    return accounts


def _account(entry: Any, where: str) -> AccountAccess:
    one = mapping(entry, where)

    def changes(
        name: str, values: tuple[str, ...], read: Callable[[Any, str], Any]
    ) -> tuple[tuple[int, Any], ...]:
        return _changes(one.get(name, []), f"{where}, {name}", values, read)

    def number(bits: int) -> Callable[[Any, str], int]:
        return lambda value, place: _number(value, place, bits)

    return AccountAccess(
        address=octets(one.get("address"), f"{where}, address", 20),
        storage_changes=tuple(
            _slot(write, f"{where}, storageChanges {at}")
            for at, write in enumerate(sequence(one.get("storageChanges", []), f"{where}, storageChanges"))
        ),
        storage_reads=tuple(
            word(slot, f"{where}, storageReads {at}")
            for at, slot in enumerate(sequence(one.get("storageReads", []), f"{where}, storageReads"))
        ),
        balance_changes=changes("balanceChanges", ("value", "postBalance", "balance"), number(256)),
        nonce_changes=changes("nonceChanges", ("value", "postNonce", "nonce"), number(64)),
        code_changes=changes("codeChanges", ("value", "newCode", "code"), octets),
    )


def _slot(entry: Any, where: str) -> SlotChanges:
    one = mapping(entry, where)
    key = _first(one, ("key", "slot"), where)
    changes = _first(one, ("changes", "slotChanges"), where)
    return SlotChanges(
        word(key, f"{where}, key"), _changes(changes, where, ("value", "postValue", "newValue"), word)
    )


def _changes(
    entries: Any, where: str, values: tuple[str, ...], read: Callable[[Any, str], Any]
) -> tuple[tuple[int, Any], ...]:
    out = []
    for at, entry in enumerate(sequence(entries, where)):
        here = f"{where} {at}"
        one = mapping(entry, here)
        index = _number(_first(one, _INDEX, here), f"{here}, index", 31)
        out.append((index, read(_first(one, values, here), f"{here}, {values[0]}")))
    return tuple(out)


def _first(one: dict[str, Any], names: tuple[str, ...], where: str) -> Any:
    for name in names:
        if name in one:
            return one[name]
    raise ResponseError(f"{where} must have {' or '.join(names)}")


def _number(value: Any, where: str, bits: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << bits:
        return value
    return quantity(value, where, bits)
