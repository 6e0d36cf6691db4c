"""Where Solidity keeps things: the storage keys of mappings and arrays, and bins of a clock.

Source: https://docs.soliditylang.org/en/latest/internals/layout_in_storage.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from eth_hash.auto import keccak

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces.schema import Capability

TOUCHES = {
    "block_number": pl.Int64,
    "tx_index": pl.Int32,
    "address": pl.Binary,
    "slot": pl.Binary,
    "is_write": pl.Boolean,
}
"""Columns that `rollstate.traces.store.assemble` takes."""

WORDS = 1 << 256


def word(number: int) -> bytes:
    """Return a number as 32 bytes."""
    return number.to_bytes(32, "big")


def mapping_slot(key: bytes, at: int, offset: int = 0) -> bytes:
    """Return the slot of ``mapping[key]``, a mapping declared at slot `at`; `offset` words into a struct."""
    return word((int.from_bytes(keccak(key + word(at)), "big") + offset) % WORDS)


def array_slot(index: int, at: int, words: int, offset: int = 0) -> bytes:
    """Return the slot of an element of a dynamic array declared at slot `at`, each element `words` words long."""
    return word((int.from_bytes(keccak(word(at)), "big") + words * index + offset) % WORDS)


def binned_clock(times: pl.Series, seconds: int) -> tuple[int, pl.DataFrame]:
    """Return the start of the first bin in Unix seconds, and a table of all bins up to the last time."""
    known = times.to_numpy()
    start = int(known.min()) // seconds * seconds
    bins = -(-(int(known.max()) + 1 - start) // seconds)
    number = np.arange(bins, dtype=np.int64)
    return start, pl.DataFrame({"block_number": number, "timestamp": start + seconds * number})


def stamp(
    source: str, window: tuple[int, int], chain_id: int, *, key_form: str = "slot", **sees: Any
) -> Capability:
    """Return the stamp of writes that are known in part, unless `sees` says more."""
    fields: dict[str, Any] = {
        "observes_reads": False,
        "observes_all_writes": False,
        "tx_level": "none",
        **sees,
    }
    return Capability(
        source=source,
        key_form=key_form,
        window_start=window[0],
        window_stop=window[1],
        chain_id=chain_id,
        extractor_version=__version__,
        **fields,
    )


def files(folder: Path, pattern: str) -> list[Path]:
    """Return the raw files of a pattern, in order; none is an error."""
    found = sorted(folder.glob(pattern))
    if not found:
        raise InputError(f"{folder} holds no {pattern}; fetch the raw files again")
    return found
