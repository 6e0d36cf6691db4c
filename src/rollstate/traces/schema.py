"""The access trace: one row per touch of a storage slot, beside a stamp of what its source can see.

Three frames and one stamp make a trace:

``accesses``
    ``block_number`` int64, ``tx_index`` int32 (null where the source cannot know), ``slot_id`` uint32,
    ``is_write`` bool. One row per touch, sorted by ``(slot_id, block_number, tx_index, is_write)``.
``slots``
    ``slot_id`` uint32 (0..n-1 in order), ``contract_id`` uint32, ``address`` 20 bytes, ``slot`` 32 bytes,
    ``created_block`` int64 (null if unknown), ``contract_type`` and ``slot_type`` strings (null if unknown).
    A slot may be listed and never touched: it existed, and that it stayed idle is information.
``blocks``
    ``block_number`` int64 (every block of the window, in order), ``timestamp`` int64 seconds (null if
    unknown), ``gas_used`` int64 (null if unknown), ``tx_count`` int32 (null if unknown), ``observed`` bool (false
    where the source did not look: a block without accesses is then unseen, not idle).

A source that shows more than storage adds a fourth frame, which is empty for all others:

``accounts``
    ``block_number`` int64, ``tx_index`` int32 (null for what happens outside of transactions), ``address`` 20 bytes,
    ``kind`` one of ``balance``, ``nonce``, ``code``. One row per change, sorted and unique. Transactions that touch
    no storage are seen here alone, and engines conflict on these too.

Any figure or number computed from a trace carries its `Capability`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from rollstate.errors import InputError

ACCESSES_SCHEMA = pl.Schema(
    {"block_number": pl.Int64, "tx_index": pl.Int32, "slot_id": pl.UInt32, "is_write": pl.Boolean}
)
SLOTS_SCHEMA = pl.Schema(
    {
        "slot_id": pl.UInt32,
        "contract_id": pl.UInt32,
        "address": pl.Binary,
        "slot": pl.Binary,
        "created_block": pl.Int64,
        "contract_type": pl.String,
        "slot_type": pl.String,
    }
)
BLOCKS_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "timestamp": pl.Int64,
        "gas_used": pl.Int64,
        "tx_count": pl.Int32,
        "observed": pl.Boolean,
    }
)
ACCOUNTS_SCHEMA = pl.Schema(
    {"block_number": pl.Int64, "tx_index": pl.Int32, "address": pl.Binary, "kind": pl.String}
)
ACCOUNT_KINDS = ("balance", "nonce", "code")
"""What of an account can change beside its storage."""
MOST_BLOCKS = (1 << 63) - 1
"""Block numbers are counted in 64 bits with a sign, and a window names the block after its last."""
ACCESS_ORDER = ("slot_id", "block_number", "tx_index", "is_write")

KEY_FORMS = ("slot", "slot_hash", "holder", "synthetic")
"""What the 32 bytes of ``slots.slot`` are: the storage key, its hash, a token holder, or invented."""

TX_LEVELS = ("none", "writes", "all")
"""Which touches carry a transaction index."""


NEEDS = {
    "reads": "it does not see reads",
    "all_writes": "it does not see every write",
    "tx_of_writes": "it does not say which transaction wrote",
    "storage_keys": "its keys are not storage keys",
    "account_changes": "it does not see changes of balances, nonces and code",
    "every_block": "it did not observe every block",
}
"""What an analysis may need of a source, and how to say that a source lacks it."""

REMEDIES = {
    "every_block": "take a window whose blocks were all observed, or extract the blocks that are missing",
}
"""What a reader can do where a source lacks a need, as far as anything can be done."""


CHAINS = {
    1: "Ethereum mainnet",
    10: "OP Mainnet",
    324: "ZKsync Era",
    8453: "Base",
    42161: "Arbitrum One",
    59144: "Linea",
    534352: "Scroll",
}
"""Names by chain id (https://chainlist.org)."""


@dataclass(frozen=True)
class Capability:
    """What a source can and cannot observe; the stamp every result carries.

    Attributes
    ----------
    source : str
        Name of the source, for example ``"block_access_list"``.
    observes_reads, observes_all_writes : bool
        Whether read-only touches, and every write, are in the trace.
    tx_level : {"none", "writes", "all"}
        Which touches carry a transaction index.
    key_form : {"slot", "slot_hash", "holder", "synthetic"}
        What ``slots.slot`` holds.
    window_start, window_stop : int
        Half-open block window ``[start, stop)``.
    chain_id : int or None
        EIP-155 chain id, None if the source does not say.
    extractor_version : str
        Version of the code that wrote the trace.
    account_changes : bool
        Whether ``accounts`` lists the changes of balances, nonces and code.
    observed_every : int
        The trace's clock counts every k-th block of the chain, k being this; the blocks between were not observed.
    unobserved_blocks : int
        Blocks of the window that were not observed; ``blocks.observed`` says which.
    """

    source: str
    observes_reads: bool
    observes_all_writes: bool
    tx_level: str
    key_form: str
    window_start: int
    window_stop: int
    chain_id: int | None
    extractor_version: str
    account_changes: bool = False
    observed_every: int = 1
    unobserved_blocks: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, str(field.type), getattr(self, field.name))
        if self.tx_level not in TX_LEVELS:
            raise InputError(f"capability: tx_level {self.tx_level!r} is not one of {TX_LEVELS}")
        if self.key_form not in KEY_FORMS:
            raise InputError(f"capability: key_form {self.key_form!r} is not one of {KEY_FORMS}")
        if self.window_stop <= self.window_start:
            raise InputError(
                f"capability: window [{self.window_start}, {self.window_stop}) is empty; "
                "window_stop must be larger than window_start"
            )
        if self.window_stop > MOST_BLOCKS:
            raise InputError(
                f"capability: window [{self.window_start}, {self.window_stop}) goes beyond block {MOST_BLOCKS - 1}, "
                "the last that can be counted"
            )
        if self.observed_every < 1:
            raise InputError(f"capability: observed_every must be at least 1, not {self.observed_every}")
        if not 0 <= self.unobserved_blocks < self.n_blocks:
            raise InputError(
                f"capability: unobserved_blocks is {self.unobserved_blocks}, the window has {self.n_blocks} blocks"
            )

    def lacks(self, needs: Iterable[str]) -> list[str]:
        """Say which of some needs the source cannot meet, a phrase each; empty if it meets all.

        Parameters
        ----------
        needs : iterable of str
            Names from `NEEDS`.
        """
        met = {
            "reads": self.observes_reads,
            "all_writes": self.observes_all_writes,
            "tx_of_writes": self.tx_level != "none",
            "storage_keys": self.key_form in {"slot", "synthetic"},
            "account_changes": self.account_changes,
            "every_block": self.sees_every_block,
        }
        return [NEEDS[name] for name in needs if not met[name]]

    @property
    def sees_every_block(self) -> bool:
        """Whether no block of the chain between the first and the last was left out."""
        return self.observed_every == 1 and self.unobserved_blocks == 0

    def require(self, need: str, what: str) -> None:
        """Raise `InputError` with the remedy where the source lacks a need of `NEEDS`; `what` names the analysis."""
        if lacking := self.lacks([need]):
            remedy = f"; {REMEDIES[need]}" if need in REMEDIES else ""
            raise InputError(f"{what} cannot be had from the source {self.source!r}: {lacking[0]}{remedy}")

    @property
    def n_blocks(self) -> int:
        """Length of the window, in blocks."""
        return self.window_stop - self.window_start

    def sampled(self, what: str) -> Capability:
        """Return the stamp of a sample of the trace, without changes of accounts, whose source says `what` it has."""
        return dataclasses.replace(self, source=f"{self.source} ({what})", account_changes=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the stamp as plain JSON types."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return the stamp as canonical JSON (sorted keys, newline at the end)."""
        return json.dumps(self.as_dict(), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Capability:
        """Read a stamp written by `as_dict`, or by an earlier version that knew fewer fields.

        Raises
        ------
        InputError
            For an unknown field, a missing one without a default, or a value of another type.
        """
        if not isinstance(data, dict):
            raise InputError(f"capability stamp: must be an object, not {data!r}")
        fields = dataclasses.fields(cls)
        names = {field.name for field in fields}
        required = {field.name for field in fields if field.default is dataclasses.MISSING}
        if wrong := sorted((set(data) - names) | (required - set(data))):
            raise InputError(
                f"capability stamp: fields {wrong} are missing or unknown; "
                f"a stamp has {sorted(required)} and may have {sorted(names - required)}"
            )
        return cls(**data)

    @property
    def chain(self) -> str:
        """Name of the chain, its number where it has none here, or the source where that is unknown."""
        return self.source if self.chain_id is None else CHAINS.get(self.chain_id, f"chain {self.chain_id}")

    def describe(self) -> str:
        """Say in one line what the source sees."""
        sees = "reads and writes" if self.observes_reads else "writes only"
        if not self.observes_all_writes:
            sees = "reads and some writes" if self.observes_reads else "some writes only"
        tx = {"none": "no transaction index", "writes": "transaction index on writes only"}
        every = "" if self.observed_every == 1 else f", one of every {self.observed_every} blocks"
        unseen = "" if not self.unobserved_blocks else f", {self.unobserved_blocks} of them not observed"
        return (
            f"{self.source}: {sees}, {tx.get(self.tx_level, 'transaction index on all touches')}, "
            f"blocks [{self.window_start}, {self.window_stop}){every}{unseen}"
        )


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "text"),
    "bool": ((bool,), "true or false"),
    "int": ((int,), "an integer"),
    "int | None": ((int, type(None)), "an integer or null"),
}


def _check_type(name: str, annotation: str, value: object) -> None:
    """Refuse a value of another type: a text "false" is true, and no chain has the id "8453"."""
    types, said = _TYPES[annotation]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise InputError(f"capability: {name} must be {said}, not {value!r}")


@dataclass(frozen=True)
class Trace:
    """An access trace in memory: frames ``accesses``, ``slots``, ``blocks``, ``accounts`` and a `Capability`."""

    accesses: pl.DataFrame
    slots: pl.DataFrame
    blocks: pl.DataFrame
    capability: Capability
    accounts: pl.DataFrame = dataclasses.field(default_factory=ACCOUNTS_SCHEMA.to_frame)

    def without_keys(self) -> Trace:
        """Return the trace with slots that have numbers and no keys.

        ``address`` and ``slot`` are most of a slot's memory. What counts touches does not look at them; files
        and kinds of contracts do.
        """
        return dataclasses.replace(self, slots=self.slots.drop("address", "slot", strict=False))
