"""A JSON-RPC client that asks an untrusted, rate-limited endpoint until each answer is one.

Many calls share a request and many requests are under way at once, both bounded. Time-outs, dropped connections, HTTP
429 and 5xx, rate-limit errors, answers cut short and ``null`` are asked again after an exponential pause with full
jitter, or after what ``Retry-After`` says; each call by itself, so that one bad answer in a batch repeats one call.

An endpoint's address may hold a key: it is in no error, no log and no file. This is why the transport is aiohttp,
which logs no address, and not web3's HTTP provider, which does.

Sources: JSON-RPC 2.0, https://www.jsonrpc.org/specification; jitter,
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any

import aiohttp
from yarl import URL

from rollstate.errors import InputError, RollstateError
from rollstate.traces.json_values import ResponseError, shown

Call = tuple[str, list[Any]]
Check = Callable[[Any], Any]

METHOD_MISSING = -32601
REQUEST_INVALID = -32600
_MISSING = re.compile(
    r"method .*(not found|not available|not supported|not allowed|does not exist)|unsupported method|not whitelisted",
    re.I,
)
_RATE = re.compile(
    r"\brate|too many requests|throttl|capacity|quota|per second|timed? ?out|try again|overload|busy|header not found",
    re.I,
)
_LARGE = re.compile(
    r"more than \d+ (results|logs)|too many (results|logs)|max results|block range|range is|limited to|response size"
    r"|too large|results? limit|query timeout",
    re.I,
)
_PRUNED = re.compile(r"missing trie node|historical|pruned|state .*not available", re.I)
REMEDIES = {
    "debug_traceBlockByNumber": "use an archive node that serves the debug methods (geth: --http.api "
    "eth,debug); the view `transfers` needs none, but sees token transfers only",
    "eth_getBlockReceipts": "use a newer node",
}


class EndpointError(RollstateError):
    """The endpoint cannot or will not answer; asking again does not help."""


class TooLargeError(EndpointError):
    """The endpoint refuses the size of one answer; a smaller request may pass."""


class GaveUpError(EndpointError):
    """The endpoint kept failing; the last failure is named."""


class _TransientError(Exception):
    def __init__(self, said: str, wait: float = 0.0) -> None:
        super().__init__(said)
        self.wait = wait


@dataclass(frozen=True)
class Limits:
    """How hard to press an endpoint.

    Attributes
    ----------
    concurrency : int
        Requests under way at once.
    batch : int
        Calls in one request.
    attempts : int
        How often one call is tried.
    timeout, pause, longest_pause : float
        Seconds: for one request; the scale of the first pause; the most one pause lasts.
    """

    concurrency: int = 16
    batch: int = 50
    attempts: int = 10
    timeout: float = 60.0
    pause: float = 0.25
    longest_pause: float = 30.0

    def __post_init__(self) -> None:
        for name in ("concurrency", "batch", "attempts", "timeout", "pause", "longest_pause"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, not {getattr(self, name)}")


async def together(work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Run coroutines side by side; the first error ends them all and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one) for one in work]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [task.result() for task in running]


class Client:
    """A session with one endpoint; use as an asynchronous context manager."""

    def __init__(self, url: str, limits: Limits) -> None:
        try:
            self._url = URL(url)
            good = self._url.scheme in {"http", "https"} and bool(self._url.host)
        except (ValueError, TypeError):
            good = False
        if not good:
            raise InputError("the endpoint's address must begin with http:// or https:// and name a host")
        self.limits = limits
        self._batch = limits.batch
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._ids = count(1)
        self._random = random.Random()

    async def __aenter__(self) -> Client:
        timeout = aiohttp.ClientTimeout(total=self.limits.timeout)
        connector = aiohttp.TCPConnector(limit=self.limits.concurrency)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        params: list[Any],
        check: Check = lambda result: result,
        *,
        attempts: int | None = None,
    ) -> Any:
        """Return the checked result of one call; see `calls`."""
        return (await self.calls([(method, params)], check, attempts=attempts))[0]

    async def calls(
        self,
        calls: Sequence[Call],
        check: Check = lambda result: result,
        *,
        batch: int | None = None,
        attempts: int | None = None,
    ) -> list[Any]:
        """Return the checked results of many calls, in their order.

        Parameters
        ----------
        calls : sequence of (method, params)
            The calls.
        check : callable
            Turns a result into what is returned; a `ResponseError` it raises counts as a failed answer and is asked
            again. ``null`` is always a failed answer.
        batch : int, optional
            Calls in one request, where answers are too large for the limit of the session.
        attempts : int, optional
            How often a call is tried, where that is not the limit of the session.

        Raises
        ------
        EndpointError
            If the endpoint does not know the method, refuses the caller, or keeps failing (`GaveUpError`).
        """
        size = min(batch or self._batch, self._batch)
        groups = [calls[at : at + size] for at in range(0, len(calls), size)]
        most = attempts or self.limits.attempts
        done = await together([self._group(group, check, most) for group in groups])
        return [result for group in done for result in group]

    async def _group(self, calls: Sequence[Call], check: Check, attempts: int) -> list[Any]:
        results: dict[int, Any] = {}
        pending = dict(enumerate(calls))
        for attempt in range(1, attempts + 1):
            failures: list[_TransientError] = []
            # An endpoint that has refused batches gets single calls from then on.
            step = min(len(pending), self._batch)
            keys = list(pending)
            for at in range(0, len(keys), step):
                failures += await self._attempt(keys[at : at + step], pending, results, check)
            if not pending:
                return [results[key] for key in range(len(calls))]
            if attempt < attempts:
                told = max(failure.wait for failure in failures)
                scale = min(self.limits.longest_pause, self.limits.pause * 2 ** (attempt - 1))
                await asyncio.sleep(
                    min(told, 10 * self.limits.longest_pause) + self._random.uniform(0, scale)
                )
        method = next(iter(pending.values()))[0]
        raise GaveUpError(f"{method} failed {attempts} times, the last time so: {failures[-1]}")

    async def _attempt(
        self, keys: list[int], pending: dict[int, Call], results: dict[int, Any], check: Check
    ) -> list[_TransientError]:
        """Ask some pending calls in one request; move what came right to the results, return what failed."""
        failures = []
        try:
            answers = await self._post([pending[key] for key in keys])
            for key, answer in zip(keys, answers, strict=True):
                try:
                    results[key] = check(self._result(pending[key][0], answer))
                    del pending[key]
                except ResponseError as error:
                    failures.append(_TransientError(str(error)))
                except _TransientError as failure:
                    failures.append(failure)
        except _TransientError as failure:
            failures.append(failure)
        except TooLargeError as error:
            if len(keys) == 1:
                raise
            self._batch = max(1, len(keys) // 2)
            failures.append(_TransientError(str(error)))
        return failures

    async def _post(self, calls: Sequence[Call]) -> list[Any]:
        """Return the answer object of each call; None where the endpoint left it out."""
        ids = [next(self._ids) for _ in calls]
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in zip(ids, calls, strict=True)
        ]
        try:
            async with (
                self._slots,
                self._session.post(self._url, json=body if len(body) > 1 else body[0]) as reply,
            ):
                status, retry_after, text = reply.status, reply.headers.get("Retry-After"), await reply.read()
        except TimeoutError:
            raise _TransientError("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            # The text of the error may hold the address.
            raise _TransientError(f"the connection failed ({type(error).__name__})") from None
        parsed = self._parse(status, retry_after, text)
        if len(body) == 1:
            return [parsed]
        if not isinstance(parsed, list):
            return self._refused_batch(parsed, status)
        by_id = {
            entry.get("id"): entry for entry in parsed if isinstance(entry, dict) and _is_id(entry.get("id"))
        }
        return [by_id.get(number) for number in ids]

    def _parse(self, status: int, retry_after: str | None, text: bytes) -> Any:
        wait = _seconds(retry_after)
        if status in {401, 403, 404}:
            raise EndpointError(f"the endpoint answers HTTP {status}: check its address and key")
        if status == 413:
            raise TooLargeError("the endpoint answers HTTP 413: the request is too large")
        if status in {408, 429} or status >= 500:
            raise _TransientError(f"HTTP {status}", wait)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise _TransientError(
                f"HTTP {status} with an answer that is no JSON, or cut short", wait
            ) from None

    def _refused_batch(self, parsed: Any, status: int) -> list[Any]:
        error = parsed.get("error") if isinstance(parsed, dict) else None
        if isinstance(error, dict) and not _RATE.search(str(error.get("message", ""))):
            self._batch = 1
            raise _TransientError("the endpoint takes no batches")
        raise _TransientError(f"HTTP {status} with {shown(parsed)} in place of a batch of answers")

    @staticmethod
    def _result(method: str, answer: Any) -> Any:
        if not isinstance(answer, dict):
            raise _TransientError("the answer to one call is missing")
        error = answer.get("error")
        if error is None:
            if answer.get("result") is None:
                raise _TransientError("the result is null")
            return answer["result"]
        code, said = (
            (error.get("code"), str(error.get("message"))) if isinstance(error, dict) else (None, str(error))
        )
        named = f"{method}: error {shown(code)}, {said[:120]!a}"
        if code == METHOD_MISSING or _MISSING.search(said):
            remedy = REMEDIES.get(method, "use an endpoint that serves it")
            raise EndpointError(f"{named}: the endpoint does not serve this method; {remedy}")
        if _PRUNED.search(said):
            raise EndpointError(f"{named}: the endpoint has not kept that state; use an archive node")
        if _LARGE.search(said):
            raise TooLargeError(f"{named}: the endpoint refuses an answer of this size")
        if code in {429, -32005, -32029, -32603} or _RATE.search(said):
            raise _TransientError(named)
        raise EndpointError(named)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _seconds(retry_after: str | None) -> float:
    """Return the pause that ``Retry-After`` asks for, as seconds or as a date."""
    if retry_after is None:
        return 0.0
    try:
        return min(max(0.0, float(retry_after)), 3600.0)
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
