"""Token transfers read from logs: the surrogate for storage writes where an endpoint gives nothing better.

A transfer log names accounts, not slots. What it lets one *presume* is that the balances of both accounts (and for a
non-fungible token its owner) were written. Standards are told apart by signature, number of topics and data:

=================  ==================================================  ======  ==========
standard           event                                               topics  data bytes
=================  ==================================================  ======  ==========
``erc20``          ``Transfer(address,address,uint256)``               3       32
``erc721``         the same, token id indexed                          4       0
``unindexed``      the same, nothing indexed (legacy; 20 or 721)       1       96
``erc1155``        ``TransferSingle``, one token id                    4       64
``erc1155``        ``TransferBatch``, arrays of ids and values         4       any
``irregular``      one of the signatures in any other shape
``other``          any other log
=================  ==================================================  ======  ==========

Only ``erc20``, ``erc721`` and ``erc1155`` become touches; the rest is counted. The zero address stands for minting and
burning, holds no balance slot, and yields no touch.

Sources: ERC-20, ERC-721 and ERC-1155, https://eips.ethereum.org/erc; storage of mappings,
https://docs.soliditylang.org/en/latest/internals/layout_in_storage.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from eth_hash.auto import keccak

from rollstate.errors import InputError
from rollstate.traces.json_values import ResponseError, mapping, octets, quantity, sequence
from rollstate.traces.prestate import TOUCHES_SCHEMA

TRANSFER = keccak(b"Transfer(address,address,uint256)")
TRANSFER_SINGLE = keccak(b"TransferSingle(address,address,address,uint256,uint256)")
TRANSFER_BATCH = keccak(b"TransferBatch(address,address,address,uint256[],uint256[])")
SIGNATURES = (TRANSFER, TRANSFER_SINGLE, TRANSFER_BATCH)
STANDARDS = ("erc20", "erc721", "erc1155")
ZERO_ADDRESS = bytes(20)
MAX_TOPICS = 4

TRANSFERS_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "tx_index": pl.Int32,
        "log_index": pl.Int32,
        "standard": pl.String,
        "contract": pl.Binary,
        "sender": pl.Binary,
        "recipient": pl.Binary,
        "token": pl.Binary,
    }
)


@dataclass(frozen=True, order=True)
class Log:
    """One log; ordered by block and index in it."""

    block_number: int
    log_index: int
    tx_index: int
    block_hash: bytes
    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class TokenLayout:
    """Where a token keeps its mappings.

    Attributes
    ----------
    balances : int
        Storage slot of the mapping from holder to balance; for ERC-1155 from token id to holder to balance.
    owners : int or None
        Storage slot of the mapping from token id to owner, of an ERC-721.
    compiler : {"solidity", "vyper"}
        Which order the compiler hashes in.
    """

    balances: int
    owners: int | None = None
    compiler: str = "solidity"

    def __post_init__(self) -> None:
        for name, slot in (("balances", self.balances), ("owners", self.owners)):
            whole = isinstance(slot, int) and not isinstance(slot, bool) and 0 <= slot < 1 << 256
            if not whole and (slot is not None or name == "balances"):
                raise InputError(f"layout: {name} must be a storage slot from 0 to 2**256 - 1, not {slot!r}")
        if self.compiler not in {"solidity", "vyper"}:
            raise InputError(f"layout: compiler {self.compiler!r} is neither 'solidity' nor 'vyper'")

    def key(self, base: int, *keys: bytes) -> bytes:
        """Return the storage slot of an entry of the (nested) mapping at slot `base`."""
        at = base.to_bytes(32, "big")
        for key in keys:
            padded = key.rjust(32, b"\0")
            at = keccak(padded + at if self.compiler == "solidity" else at + padded)
        return at


def read_layouts(path: Path) -> dict[str, TokenLayout]:
    """Read layouts from JSON: ``{"0x...": {"balances": 9, "owners": 2, "compiler": "solidity"}, ...}``."""
    try:
        found = json.loads(path.read_bytes())
        return {name: TokenLayout(**fields) for name, fields in found.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        form = '{"0x<address>": {"balances": <slot>, "owners": <slot>, "compiler": "solidity" or "vyper"}}'
        raise InputError(f"{path}: {error}; layouts are {form}") from error


def parse_logs(answer: object, start: int, stop: int, where: str = "eth_getLogs") -> list[Log]:
    """Return the logs of an answer in order, each once.

    Parameters
    ----------
    answer : list
        The ``result``, as parsed from JSON; in any order, a log listed twice counts once.
    start, stop : int
        The half-open window asked for.
    where : str
        Name of the input, for errors.

    Raises
    ------
    ResponseError
        For a malformed log, one outside of the window or of a block that was reorganized away, and for two different
        logs with the same block and index.
    """
    found: dict[tuple[int, int], Log] = {}
    for position, entry in enumerate(sequence(answer, where)):
        log = _log(mapping(entry, f"{where}, log {position}"), f"{where}, log {position}")
        if not start <= log.block_number < stop:
            raise ResponseError(
                f"{where}, log {position}: block {log.block_number} is outside of [{start}, {stop})"
            )
        if found.setdefault((log.block_number, log.log_index), log) != log:
            raise ResponseError(
                f"{where}: block {log.block_number} has two different logs with index {log.log_index}; ask again"
            )
    return [found[key] for key in sorted(found)]


def _log(entry: dict, where: str) -> Log:
    if entry.get("removed", False) is not False:
        raise ResponseError(f"{where}: its block was reorganized away; ask again")
    topics = sequence(entry.get("topics"), f"{where}, topics")
    if len(topics) > MAX_TOPICS:
        raise ResponseError(f"{where}: a log has at most {MAX_TOPICS} topics, not {len(topics)}")
    return Log(
        block_number=quantity(entry.get("blockNumber"), f"{where}, blockNumber"),
        log_index=quantity(entry.get("logIndex"), f"{where}, logIndex", 31),
        tx_index=quantity(entry.get("transactionIndex"), f"{where}, transactionIndex", 31),
        block_hash=octets(entry.get("blockHash"), f"{where}, blockHash", 32),
        address=octets(entry.get("address"), f"{where}, address", 20),
        topics=tuple(octets(topic, f"{where}, a topic", 32) for topic in topics),
        data=octets(entry.get("data"), f"{where}, data"),
    )


def classify(log: Log) -> str:
    """Return the standard of a log, as the table above names them."""
    signature = log.topics[0] if log.topics else b""
    if signature not in SIGNATURES:
        return "other"
    shape = len(log.topics), len(log.data)
    accounts = log.topics[1:3] if signature == TRANSFER else log.topics[2:4]
    # An address is the last 20 bytes of a topic; other bits mean that it is none.
    if len(log.topics) > 1 and any(any(topic[:12]) for topic in accounts):
        return "irregular"
    if signature == TRANSFER:
        return {(3, 32): "erc20", (4, 0): "erc721", (1, 96): "unindexed"}.get(shape, "irregular")
    if signature == TRANSFER_SINGLE:
        return "erc1155" if shape == (4, 64) else "irregular"
    return "erc1155" if len(log.topics) == MAX_TOPICS and _batch_ids(log.data) is not None else "irregular"


def _batch_ids(data: bytes) -> list[bytes] | None:
    """Return the ids of a TransferBatch, or None if the data are not two arrays of the same length."""
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    arrays = []
    for head in (0, 1):
        if len(words) < 2 or len(data) % 32:
            return None
        at, rest = divmod(int.from_bytes(words[head], "big"), 32)
        if rest or at >= len(words):
            return None
        length = int.from_bytes(words[at], "big")
        if at + 1 + length > len(words):
            return None
        arrays.append(words[at + 1 : at + 1 + length])
    return arrays[0] if len(arrays[0]) == len(arrays[1]) else None


def transfers(logs: Iterable[Log]) -> pl.DataFrame:
    """Return the token transfers among some logs.

    Returns
    -------
    polars.DataFrame
        `TRANSFERS_SCHEMA`: accounts are 20 bytes; ``token`` is the 32-byte id, null for ERC-20; a batch has one row per
        id. ``standard`` also takes ``unindexed`` and ``irregular``, whose accounts are null.
    """
    rows: list[tuple[Any, ...]] = []
    for log in logs:
        standard = classify(log)
        if standard == "other":
            continue
        head = (log.block_number, log.tx_index, log.log_index, standard, log.address)
        if standard not in STANDARDS:
            rows.append((*head, None, None, None))
            continue
        if standard == "erc1155":
            single = log.topics[0] == TRANSFER_SINGLE
            tokens: list[bytes | None] = [log.data[:32]] if single else list(_batch_ids(log.data) or ())
            ends = log.topics[2:4]
        else:
            tokens = [log.topics[3] if standard == "erc721" else None]
            ends = log.topics[1:3]
        rows += [(*head, ends[0][12:], ends[1][12:], token) for token in tokens]
    return pl.DataFrame(rows, schema=TRANSFERS_SCHEMA, orient="row")


def touches(moved: pl.DataFrame, layouts: Mapping[bytes, TokenLayout] | None = None) -> pl.DataFrame:
    """Return the writes one may presume from transfers.

    Parameters
    ----------
    moved : polars.DataFrame
        Of `transfers`.
    layouts : mapping of contract to TokenLayout, optional
        Where given, keys are real storage slots, and contracts without a layout are left out. Else keys are pseudo
        slots, distinct within a contract: the holder for a balance, a tagged hash for owners and ERC-1155 balances.

    Returns
    -------
    polars.DataFrame
        `rollstate.traces.prestate.TOUCHES_SCHEMA`, all of them writes. A transfer of nothing, or to oneself, is listed
        too, although it changes no value: the log of the latter cannot be told from one that does.
    """
    rows: set[tuple[int, int, bytes, bytes, bool]] = set()
    regular = moved.filter(pl.col("standard").is_in(STANDARDS))
    for block, tx, _, standard, contract, sender, recipient, token in regular.iter_rows():
        layout = None if layouts is None else layouts.get(contract)
        if layouts is not None and layout is None:
            continue
        holders = {sender, recipient} - {ZERO_ADDRESS}
        keys = {_balance_key(standard, holder, token, layout) for holder in holders}
        if standard == "erc721":
            keys.add(_owner_key(token, layout))
        rows.update((block, tx, contract, key, True) for key in keys)
    return pl.DataFrame(sorted(rows), schema=TOUCHES_SCHEMA, orient="row")


def _balance_key(standard: str, holder: bytes, token: bytes | None, layout: TokenLayout | None) -> bytes:
    if layout is not None:
        return layout.key(layout.balances, *((token, holder) if standard == "erc1155" else (holder,)))
    padded = holder.rjust(32, b"\0")
    if standard != "erc1155":
        return padded
    if token is None:
        raise InputError("transfers: an ERC-1155 transfer without the id of its token")
    return keccak(b"balance" + token + padded)


def _owner_key(token: bytes, layout: TokenLayout | None) -> bytes:
    if layout is None:
        return keccak(b"owner" + token)
    if layout.owners is None:
        raise InputError("layout: an ERC-721 needs the slot of its mapping of owners")
    return layout.key(layout.owners, token)
