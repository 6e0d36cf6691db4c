"""Saved answers of ``debug_traceBlockByNumber`` with the prestate tracer: two files a block, or both in one.

A file holds the answer as the endpoint sent it, its bare ``result``, or a list of ``{"request", "response"}`` as RPC
test suites keep them, packed or not. Which of the two modes an answer is in is told by its content, and which block by
the request, or by the first number in the file's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from rollstate.errors import InputError
from rollstate.traces import prestate
from rollstate.traces.formats import access_lists, files
from rollstate.traces.formats.columns import OnBad
from rollstate.traces.formats.rows import BLOCKS_INFO_SCHEMA, ROWS_SCHEMA, Batch, Options, Source, Unit
from rollstate.traces.json_values import quantity
from rollstate.traces.schema import ACCOUNTS_SCHEMA

BLOCKS_IN_UNIT = 16
_MODES = ("full", "diff")


def answers(found: Any) -> list[tuple[Any, list[Any]]]:
    """Return request (or None) and result of each answer in parsed JSON; empty if it holds none of the tracer's."""
    if isinstance(found, dict):
        pairs = [(found.get("request"), found.get("response", found))]
    elif isinstance(found, list) and found and all(isinstance(x, dict) and "response" in x for x in found):
        pairs = [(entry.get("request"), entry["response"]) for entry in found]
    else:
        pairs = [(None, {"result": found})]
    out = [(asked, said.get("result")) for asked, said in pairs if isinstance(said, dict)]
    return [(asked, result) for asked, result in out if isinstance(result, list) and _is_answer(result)]


def _is_answer(result: list[Any]) -> bool:
    return all(
        isinstance(entry, dict) and ({"txHash", "result"} & entry.keys()) and "address" not in entry
        for entry in result
    )


def mode(result: list[Any], request: Any = None) -> str | None:
    """Return ``"full"`` or ``"diff"``; None if nothing tells, as for a block without transactions."""
    for entry in result:
        found = entry.get("result")
        if isinstance(found, dict) and found:
            return "diff" if {"pre", "post"} <= found.keys() else "full"
    try:
        return _MODES[bool(request["params"][1]["tracerConfig"]["diffMode"])]
    except (KeyError, IndexError, TypeError):
        return None


def _asked_block(request: Any, path: str) -> int | None:
    try:
        return quantity(request["params"][0], path)
    except (KeyError, IndexError, TypeError, InputError):
        return access_lists.block_number(path)


def source(paths: Sequence[str], parsed: Callable[[str], Any], options: Options) -> Source:
    """Return the source that files of answers make; each is read once to find its block and mode.

    Raises
    ------
    InputError
        If a block lacks one of its two answers, or has one twice.
    """
    places: dict[int, dict[str, tuple[str, int]]] = {}
    either: dict[int, list[tuple[str, int]]] = {}
    for path in paths:
        for at, (request, result) in enumerate(answers(parsed(path))):
            number = _asked_block(request, path)
            if number is None:
                raise InputError(f"{path} does not say its block; name the file after it: <block>.json")
            which = mode(result, request)
            if which is None:
                either.setdefault(number, []).append((path, at))
            elif (other := places.setdefault(number, {}).setdefault(which, (path, at))) != (path, at):
                raise InputError(
                    f"{other[0]} and {path} are both the {which} answer for block {number}; keep one"
                )
    for number, found in either.items():
        pair = places.setdefault(number, {})
        for which in _MODES:
            pair.setdefault(which, found[0])
    for number, pair in sorted(places.items()):
        for which, diff in zip(_MODES, ("false", "true"), strict=True):
            if which not in pair:
                raise InputError(
                    f"block {number} has no answer with diffMode {diff}, which reads cannot be told from writes "
                    "without; save both answers of each block"
                )
    # Checks that the blocks are consecutive, and cuts them to the window.
    numbers = [n for n, _ in access_lists.numbered([f"{n}" for n in places], options, "answers")]

    def unit(part: list[int]) -> Unit:
        def batches(
            needless: Callable[[int], bool], on_bad: OnBad | None = None
        ) -> Iterator[tuple[int, Batch]]:
            if needless(0):
                return
            rows, changes = [ROWS_SCHEMA.to_frame()], [ACCOUNTS_SCHEMA.to_frame()]
            info = []
            for number in part:
                full, diff = (
                    answers(parsed(path))[at][1] for path, at in (places[number][m] for m in _MODES)
                )
                where = " and ".join(dict.fromkeys(path for path, _ in places[number].values()))
                try:
                    touches = prestate.block_touches(number, full, diff)
                    accounts = prestate.block_changes(number, diff)
                except InputError as error:
                    named = InputError(f"{where}: {error}")
                    if on_bad is None:
                        raise named from error
                    on_bad(named)
                    continue
                rows.append(touches.select(ROWS_SCHEMA.names()))
                changes.append(accounts)
                info.append((number, None, len(full)))
            blocks = pl.DataFrame(info, BLOCKS_INFO_SCHEMA, orient="row")
            yield 0, Batch(pl.concat(rows), pl.concat(changes), blocks)

        named = sorted({path for number in part for path, _ in places[number].values()})
        return Unit(named[0], sum(map(files.size, named)), batches)

    return Source(
        format="prestate",
        schema=ROWS_SCHEMA,
        units=tuple(unit(numbers[at : at + BLOCKS_IN_UNIT]) for at in range(0, len(numbers), BLOCKS_IN_UNIT)),
        observes_reads=True,
        observes_all_writes=True,
        tx_level="all",
        account_changes=True,
        span=(numbers[0], numbers[-1] + 1),
        notes=("Reads of a contract in the transaction that creates it are in neither answer.",),
    )
