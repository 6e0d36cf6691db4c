"""What an endpoint means by its errors: who can help, whether asking again does, and what to do.

Nodes and gateways word the same refusal in many ways, under codes that they choose. The phrases below are those of
geth, reth, Erigon, Nethermind, Besu, Nitro, op-geth, ZKsync Era and the gateways before them; what none of them knows
is an error that names itself, the method and the block.
"""

from __future__ import annotations

import re
from typing import Any

from rollstate.errors import RollstateError
from rollstate.traces.json_values import shown

METHOD_MISSING = -32601
INVALID_PARAMS = -32602
_RATE_CODES = frozenset({429, -32005, -32029, -32603})
_MISSING = re.compile(
    r"method .*(not found|not available|not supported|not allowed|does not exist)|unsupported method|not whitelisted",
    re.I,
)
_TRACER = re.compile(
    r"tracer.*(not (found|supported|available|defined)|unknown|invalid)|unknown (variant|tracer)"
    r"|(unsupported|invalid) tracer|only .*tracers? (is|are) supported",
    re.I,
)
_RATE = re.compile(
    r"\brate|too many requests|throttl|capacity|quota|per second|timed? ?out|try again|overload|busy"
    r"|header not found",
    re.I,
)
_LARGE = re.compile(
    r"(more|bigger|larger|wider) than( the| your)? (\d|max|range)|at most \d+ blocks|block range|range (is|limit)"
    r"|too (big|large|wide|long)|too many (results|logs|blocks|requested)|limited to|limit the query"
    r"|(exceeds?|exceeded)( the| your)? (max|limit of|rpc range|server limit|range)|exceeds limit"
    r"|max(imum)? (results|number of|rpc range|allowed|response)|results? limit|(response|content|log) (size|length)"
    r"|query timeout|range .*exceeds",
    re.I,
)
_PRUNED = re.compile(
    r"missing trie node|historical|pruned|state .*(not available|unavailable|not found|is missing)|required historical"
    r"|old data not available|no state available|block .*state.*not",
    re.I,
)
SLOW = re.compile(r"execution timeout|timed? ?out|deadline exceeded", re.I)
"""A tracer that was stopped by its time limit."""
REMEDIES = {
    "debug_traceBlockByNumber": "use an archive node that serves the debug methods (geth: --http.api "
    "eth,debug); the view `transfers` (--view transfers) needs none, but sees token transfers only",
    "zks_L1BatchNumber": "only nodes of ZKsync chains tell the times of batches; for other chains they are those of "
    "events of the rollup's L1 contract",
    "zks_getL1BatchDetails": "only nodes of ZKsync chains tell the times of batches; use one with the zks methods",
    "eth_getBlockReceipts": "use a newer node, or leave --receipts out",
}
TRACERS = (
    "this chain's nodes have no prestate tracer, or not this mode of it: the view `transfers` (--view transfers) needs "
    "none, but sees token transfers only"
)
STATUS = {
    400: "the request is refused",
    401: "the key is missing or wrong",
    402: "payment is required: the plan is used up, or does not cover this",
    403: "the key does not allow this",
    404: "there is no endpoint at this address",
    405: "this address takes no JSON-RPC requests",
    410: "the endpoint is gone",
    421: "the host name is not one that it serves",
    426: "it wants another protocol: try https:// in place of http://, or its address for HTTP in place of WebSocket",
    451: "it may not serve you here",
}
"""Meaning of HTTP answers that asking again does not change."""


class EndpointError(RollstateError):
    """The endpoint cannot or will not answer; asking again does not help."""


class CallRefusedError(EndpointError):
    """The endpoint cannot answer this one call; others may pass."""


class ParametersRefusedError(CallRefusedError):
    """The endpoint does not take the parameters of a call; without optional ones it may."""


class TooLargeError(EndpointError):
    """The endpoint refuses the size of one answer; a smaller request may pass."""


class GaveUpError(EndpointError):
    """The endpoint kept failing; the last failure is named."""


class TransientError(Exception):
    """A failure that may pass by itself, after `wait` seconds if the endpoint says so."""

    def __init__(self, said: str, wait: float = 0.0) -> None:
        super().__init__(said)
        self.wait = wait


def name_call(method: str, params: list[Any]) -> str:
    """Return method and block, or blocks, of a call."""
    first = params[0] if params else None
    try:
        if isinstance(first, dict):
            return f"{method}, blocks {int(first['fromBlock'], 16)} to {int(first['toBlock'], 16)}"
        if isinstance(first, int):
            return f"{method}, batch {first}"
        return f"{method}, block {int(first, 16)}" if isinstance(first, str) else method
    except (KeyError, ValueError, TypeError):
        return method


def is_rate_limit(said: str) -> bool:
    """Say whether a message speaks of limits that time lifts."""
    return bool(_RATE.search(said))


def is_too_large(said: str) -> bool:
    """Say whether a message speaks of a size that a smaller request has not."""
    return bool(_LARGE.search(said))


def message(error: object) -> tuple[object, str]:
    """Return code and text of a JSON-RPC error; the text has the ``data`` that many nodes put the reason in."""
    if not isinstance(error, dict):
        return None, str(error)
    data = error.get("data")
    more = "" if data in (None, "", {}, []) else f" ({data if isinstance(data, str) else shown(data)})"
    return error.get("code"), f"{error.get('message')}{more}"


def meaning(method: str, params: list[Any], error: object) -> Exception:
    """Return the exception that a JSON-RPC error stands for.

    Returns
    -------
    EndpointError
        `TooLargeError` where less may pass, `CallRefusedError` where other calls may.
    TransientError
        Where asking again may help.
    """
    code, said = message(error)
    named = f"{name_call(method, params)}: error {shown(code)}, {said[:200]!a}"
    tracing = method.startswith("debug_trace")
    if code == METHOD_MISSING or _MISSING.search(said):
        remedy = REMEDIES.get(method, "use an endpoint that serves it")
        return EndpointError(f"{named}: the endpoint does not serve this method; {remedy}")
    if tracing and _TRACER.search(said):
        return EndpointError(f"{named}: {TRACERS}")
    if tracing and code == INVALID_PARAMS:
        return ParametersRefusedError(f"{named}: {TRACERS}")
    if tracing and SLOW.search(said):
        return CallRefusedError(named)
    if _PRUNED.search(said):
        return CallRefusedError(f"{named}: the endpoint has not kept that state; use an archive node")
    if _LARGE.search(said):
        return TooLargeError(
            f"error {shown(code)}, {said[:200]!a}: the endpoint refuses an answer of this size"
        )
    if code in _RATE_CODES or _RATE.search(said):
        return TransientError(named)
    return CallRefusedError(named)


def of_status(status: int, text: bytes) -> EndpointError | None:
    """Return what an HTTP status, or a page in the place of JSON, means; None if the body decides."""
    if status in STATUS and not text.lstrip().startswith((b"{", b"[")):
        return EndpointError(
            f"the endpoint answers HTTP {status}: {STATUS[status]}; check its address and key"
        )
    if status in {401, 402, 403, 404, 426}:
        return EndpointError(
            f"the endpoint answers HTTP {status}: {STATUS[status]}; check its address and key"
        )
    if status == 413:
        return TooLargeError("the endpoint answers HTTP 413: the request, or what it asks for, is too large")
    if status < 400 and text.lstrip()[:1] == b"<":
        return EndpointError(
            "the endpoint answers with a web page: this is not the address of a JSON-RPC endpoint, or a login or a "
            "gateway stands before it"
        )
    return None
