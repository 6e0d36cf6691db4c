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
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any

import aiohttp
from yarl import URL

from rollstate.errors import InputError
from rollstate.traces import endpoint_errors
from rollstate.traces.endpoint_errors import (
    CallRefusedError,
    EndpointError,
    GaveUpError,
    TooLargeError,
    TransientError,
    name_call,
)
from rollstate.traces.json_values import ResponseError, shown

Call = tuple[str, list[Any]]
Check = Callable[[Any], Any]
Refused = Callable[[EndpointError], Any]
FIRST_TRIES = 3
"""How often an endpoint is tried that has never answered: its address may be wrong."""


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
        self._answered = False

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
        refused: Refused | None = None,
        timeout: float | None = None,
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
        refused : callable, optional
            Takes the error of a call that the endpoint cannot answer, and returns what stands in the place of its
            result; without it that error is raised.
        timeout : float, optional
            Seconds for one request, where the limit of the session is too short.

        Raises
        ------
        EndpointError
            If the endpoint does not know the method, refuses the caller, or keeps failing (`GaveUpError`).
        """
        size = min(batch or self._batch, self._batch)
        groups = [calls[at : at + size] for at in range(0, len(calls), size)]
        most = attempts or self.limits.attempts
        done = await together([self._group(group, check, most, refused, timeout) for group in groups])
        return [result for group in done for result in group]

    async def _group(
        self,
        calls: Sequence[Call],
        check: Check,
        attempts: int,
        refused: Refused | None,
        timeout: float | None,
    ) -> list[Any]:
        results: dict[int, Any] = {}
        pending = dict(enumerate(calls))
        for attempt in range(1, attempts + 1):
            failures: list[TransientError] = []
            # An endpoint that has refused batches gets single calls from then on.
            step = min(len(pending), self._batch)
            keys = list(pending)
            for at in range(0, len(keys), step):
                failures += await self._attempt(
                    keys[at : at + step], pending, results, check, refused, timeout
                )
            if not pending:
                return [results[key] for key in range(len(calls))]
            if not self._answered and attempt >= FIRST_TRIES:
                raise GaveUpError(
                    f"the endpoint has never answered ({failures[-1]}): check its address, and that it runs"
                )
            if attempt < attempts:
                told = max(failure.wait for failure in failures)
                scale = min(self.limits.longest_pause, self.limits.pause * 2 ** (attempt - 1))
                await asyncio.sleep(
                    min(told, 10 * self.limits.longest_pause) + self._random.uniform(0, scale)
                )
        named = name_call(*next(iter(pending.values())))
        raise GaveUpError(f"{named}: failed {attempts} times, the last time so: {failures[-1]}")

    async def _attempt(
        self,
        keys: list[int],
        pending: dict[int, Call],
        results: dict[int, Any],
        check: Check,
        refused: Refused | None,
        timeout: float | None,
    ) -> list[TransientError]:
        """Ask some pending calls in one request; move what came right to the results, return what failed."""
        failures = []
        try:
            answers = await self._post([pending[key] for key in keys], timeout)
            for key, answer in zip(keys, answers, strict=True):
                try:
                    results[key] = check(self._result(pending[key], answer))
                    del pending[key]
                except ResponseError as error:
                    failures.append(TransientError(str(error)))
                except TransientError as failure:
                    failures.append(failure)
                except CallRefusedError as error:
                    if refused is None:
                        raise
                    results[key] = refused(error)
                    del pending[key]
        except TransientError as failure:
            failures.append(failure)
        except TooLargeError as error:
            if len(keys) == 1:
                named = TooLargeError(f"{name_call(*pending[keys[0]])}: {error}")
                if refused is None:
                    raise named from error
                results[keys[0]] = refused(named)
                del pending[keys[0]]
                return failures
            self._batch = max(1, len(keys) // 2)
            failures.append(TransientError(str(error)))
        return failures

    async def _post(self, calls: Sequence[Call], timeout: float | None = None) -> list[Any]:
        """Return the answer object of each call; None where the endpoint left it out."""
        ids = [next(self._ids) for _ in calls]
        body = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in zip(ids, calls, strict=True)
        ]
        wait = aiohttp.ClientTimeout(total=max(self.limits.timeout, timeout or 0.0))
        try:
            async with (
                self._slots,
                self._session.post(self._url, json=body if len(body) > 1 else body[0], timeout=wait) as reply,
            ):
                self._answered = True
                status, retry_after, text = reply.status, reply.headers.get("Retry-After"), await reply.read()
        except TimeoutError:
            raise TransientError("no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            # The text of the error may hold the address.
            raise TransientError(f"the connection failed ({type(error).__name__})") from None
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
        if error := endpoint_errors.of_status(status, text):
            raise error
        if status in {408, 429} or status >= 500:
            raise TransientError(f"HTTP {status}", wait)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise TransientError(
                f"HTTP {status} with an answer that is no JSON, or cut short", wait
            ) from None

    def _refused_batch(self, parsed: Any, status: int) -> list[Any]:
        error = parsed.get("error") if isinstance(parsed, dict) else None
        if isinstance(error, dict):
            said = endpoint_errors.message(error)[1]
            if endpoint_errors.is_too_large(said):
                raise TooLargeError(f"the endpoint refuses a batch of this size ({said[:120]!a})")
            if not endpoint_errors.is_rate_limit(said):
                self._batch = 1
                raise TransientError("the endpoint takes no batches")
        raise TransientError(f"HTTP {status} with {shown(parsed)} in place of a batch of answers")

    @staticmethod
    def _result(call: Call, answer: Any) -> Any:
        if not isinstance(answer, dict):
            raise TransientError("the answer to one call is missing")
        error = answer.get("error")
        if error is None:
            if answer.get("result") is None:
                raise TransientError("the result is null")
            return answer["result"]
        raise endpoint_errors.meaning(*call, error)


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
