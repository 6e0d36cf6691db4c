"""Storage touches of a block from two answers of ``debug_traceBlockByNumber`` with geth's ``prestateTracer``.

One call cannot tell reads from writes:

``diffMode: false``
    lists per transaction every slot it touched, with the value before, except slots of contracts that the
    transaction created.
``diffMode: true``
    lists per transaction the slots whose value it changed, in ``pre`` with the old value and in ``post`` with the new
    one; a value of zero is left out on either side. A slot set for the first time is thus in ``post`` alone and a
    cleared one in ``pre`` alone.

So the written slots are those whose value differs between ``pre`` and ``post``, absent meaning zero, and the read
ones are touched − written. A transaction that writes a slot and puts the old value back, or that fails, has only
read it: the same convention as in EIP-7928. Reads of a contract in the very transaction that creates it are in
neither answer.

Source: go-ethereum, ``eth/tracers/native/prestate.go``,
https://geth.ethereum.org/docs/developers/evm-tracing/built-in-tracers#prestate-tracer
"""

from __future__ import annotations

from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.traces.json_values import ResponseError, mapping, octets, sequence, word
from rollstate.traces.schema import ACCOUNTS_SCHEMA

TOUCHES_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "tx_index": pl.Int32,
        "address": pl.Binary,
        "slot": pl.Binary,
        "is_write": pl.Boolean,
    }
)
"""What every extractor yields and `rollstate.traces.store.assemble` takes."""

METHOD = "debug_traceBlockByNumber"
ZERO = bytes(32)

Storage = dict[tuple[bytes, bytes], bytes]


def tracer(diff: bool, seconds: int | None = 60) -> dict[str, Any]:
    """Return the second parameter of the call; ``diff`` says which of its two modes, `seconds` how long it may take.

    Without a time limit geth stops after five seconds, which heavy blocks exceed; some clients take none.
    """
    limit = {} if seconds is None else {"timeout": f"{seconds}s"}
    return {"tracer": "prestateTracer", "tracerConfig": {"diffMode": diff, "disableCode": True}, **limit}


def tracer_error(answer: list[Any]) -> str | None:
    """Return which transaction of an answer the tracer itself failed on, and what it said; None if it did not fail."""
    for index, entry in enumerate(answer):
        if isinstance(entry, dict) and entry.get("error") is not None:
            return f"transaction {index}: {str(entry['error'])[:200]!a}"
    return None


def block_touches(block_number: int, full: object, diff: object) -> pl.DataFrame:
    """Return the storage touches of one block.

    Parameters
    ----------
    block_number : int
        The block.
    full, diff : list
        The ``result`` of the two calls, with diffMode false and true, as parsed from JSON.

    Returns
    -------
    polars.DataFrame
        `TOUCHES_SCHEMA`; per transaction one row per touched slot, a write if it changed the value and else a read;
        sorted by transaction, address and slot. ``tx_index`` counts from 0.

    Raises
    ------
    ResponseError
        Naming the transaction and the field that breaks the tracer's form, or a transaction that could not be traced.
    """
    where = f"block {block_number}"
    if isinstance(block_number, bool) or not isinstance(block_number, int) or not 0 <= block_number < 1 << 63:
        raise InputError(f"block_number must be an integer from 0 to 2**63 - 1, not {block_number!r}")
    touched_by, changed_by = (
        _results(answer, f"{where}, diffMode {mode}") for answer, mode in ((full, "false"), (diff, "true"))
    )
    if len(touched_by) != len(changed_by):
        raise ResponseError(
            f"{where}: {len(touched_by)} transactions with diffMode false but {len(changed_by)} with diffMode true; "
            "the endpoint changed its mind between the two calls, ask again"
        )
    rows: list[tuple[int, int, bytes, bytes, bool]] = []
    pairs = zip(touched_by, changed_by, strict=True)
    for index, ((one, touched), (other, changed)) in enumerate(pairs):
        if None not in (one, other) and one != other:
            raise ResponseError(
                f"{where}, transaction {index}: the two answers are about different transactions; ask again"
            )
        # Contracts created here are absent from the full answer, so their writes come from the other alone.
        written = changed_slots(changed, f"{where}, transaction {index}, diffMode true")
        read = _storage(touched, f"{where}, transaction {index}, diffMode false").keys()
        rows += [(block_number, index, *key, key in written) for key in sorted(written | read)]
    return pl.DataFrame(rows, schema=TOUCHES_SCHEMA, orient="row")


def changed_slots(result: object, where: str = "result") -> set[tuple[bytes, bytes]]:
    """Return (address, slot) of every slot that one transaction's diff shows to have another value after it.

    Parameters
    ----------
    result : dict
        One transaction's ``result`` with diffMode true: ``{"pre": accounts, "post": accounts}``.
    where : str
        Name of the input, for errors.
    """
    before, after = _sides(result, where)
    pre, post = _storage(before, f"{where}, pre"), _storage(after, f"{where}, post")
    return {key for key in pre.keys() | post.keys() if pre.get(key, ZERO) != post.get(key, ZERO)}


def block_changes(block_number: int, diff: object) -> pl.DataFrame:
    """Return the changes of balances, nonces and code of one block.

    Parameters
    ----------
    block_number : int
        The block.
    diff : list
        The ``result`` of the call with diffMode true, as parsed from JSON.

    Returns
    -------
    polars.DataFrame
        `rollstate.traces.schema.ACCOUNTS_SCHEMA`. An account that is in ``pre`` alone was removed, and so changed all
        that it had. Code is compared by ``code`` or ``codeHash``; an endpoint told ``disableCode`` may send neither.
    """
    where = f"block {block_number}"
    rows: set[tuple[int, int, bytes, str]] = set()
    for index, (_, result) in enumerate(_results(diff, f"{where}, diffMode true")):
        here = f"{where}, transaction {index}, diffMode true"
        pre, post = (mapping(side, here) for side in _sides(result, here))
        for text in {**pre, **post}:
            address = octets(text, f"{here}, an address", 20)
            old, new = (mapping(side.get(text, {}), f"{here}, {text}") for side in (pre, post))
            gone = text not in post
            for kind, names in _FIELDS.items():
                changed = (name in new and new[name] != old.get(name, _NOTHING.get(name)) for name in names)
                removed = gone and any(name in old and old[name] != _NOTHING.get(name) for name in names)
                if any(changed) or removed:
                    rows.add((block_number, index, address, kind))
    return pl.DataFrame(sorted(rows), ACCOUNTS_SCHEMA, orient="row")


_FIELDS = {"balance": ("balance",), "nonce": ("nonce",), "code": ("code", "codeHash")}
_NOTHING: dict[str, object] = {"balance": "0x0", "nonce": 0, "code": "0x"}


def _sides(result: object, where: str) -> tuple[object, object]:
    """Return ``pre`` and ``post`` of one transaction."""
    sides = mapping(result, where)
    if not {"pre", "post"} <= sides.keys():
        raise ResponseError(
            f"{where} must have pre and post; without them the endpoint does not know diffMode: "
            "use one with geth's prestateTracer"
        )
    return sides["pre"], sides["post"]


def _results(answer: object, where: str) -> list[tuple[bytes | None, object]]:
    """Return hash and result of each transaction, in the order of the block."""
    out: list[tuple[bytes | None, object]] = []
    for index, entry in enumerate(sequence(answer, where)):
        here = f"{where}, transaction {index}"
        found = mapping(entry, here)
        if found.get("error") is not None or "result" not in found:
            raise ResponseError(
                f"{here}: the tracer failed on it ({str(found.get('error', 'no result'))[:80]!a}); "
                "ask again with a longer time limit, or ask another endpoint"
            )
        tx_hash = found.get("txHash")
        name = None if tx_hash is None else octets(tx_hash, f"{here}, txHash", 32)
        out.append((name, found["result"]))
    return out


def _storage(accounts: object, where: str) -> Storage:
    """Return the value of each (address, slot) listed in a map of accounts."""
    out: Storage = {}
    for text, account in mapping(accounts, where).items():
        address = octets(text, f"{where}, an address", 20)
        here = f"{where}, {text}"
        listed = mapping(account, here).get("storage", {})
        for slot, value in mapping(listed, f"{here}, storage").items():
            key = address, word(slot, f"{here}, a slot")
            if key in out:
                raise ResponseError(f"{here}: slot 0x{key[1].hex()} is listed twice")
            out[key] = word(value, f"{here}, the value of slot 0x{key[1].hex()}")
    return out
