"""One execution step checked against roots alone, as the contract does it, bit for bit.

For each key a transfer writes, a witness gives three paths: under ``h(S_{x-1})`` (the value before the batch),
under ``R_i`` (the value now) and under ``A_i`` (the net change so far). From them follow the next roots.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollstate.dispute.commitment import VALUE_LIMIT, Path, encode_change, leaf_hash, path_root, vm_state
from rollstate.dispute.transition import decode
from rollstate.errors import InputError


class Refused(InputError):
    """A message or witness that the contract reverts; the text is the contract's reason."""


def require(condition: bool, reason: str) -> None:
    """Refuse with the contract's reason unless `condition` holds."""
    if not condition:
        raise Refused(reason)


@dataclass(frozen=True)
class Access:
    """What a step needs to write one key.

    Attributes
    ----------
    before, now : int
        Value of the key before the batch, and just before this write.
    pre, state, diff : Path
        Paths of the key under ``h(S_{x-1})``, ``R`` and ``A``.
    """

    before: int
    now: int
    pre: Path
    state: Path
    diff: Path


@dataclass(frozen=True)
class StepWitness:
    """The agreed state opened, the transaction with its proof, and the accesses.

    Attributes
    ----------
    transaction : bytes
        The posted bytes.
    proof : tuple of bytes
        Its siblings under the batch's transaction root.
    state_root, delta_root : bytes
        ``R_i`` and ``A_i``.
    accesses : tuple of Access
        Two for a transfer within range, none otherwise.
    """

    transaction: bytes
    proof: tuple[bytes, ...]
    state_root: bytes
    delta_root: bytes
    accesses: tuple[Access, ...]


def _root(key: int, value: int, path: Path, depth: int) -> bytes:
    try:
        return path_root(key, leaf_hash(key, value), path, depth)
    except InputError as error:
        raise Refused(str(error)) from None


def _write(
    key: int, value: int, access: Access, roots: tuple[bytes, bytes, bytes], depth: int
) -> tuple[bytes, bytes]:
    pre, state_root, delta_root = roots
    require(access.before < VALUE_LIMIT, "earlier value too large")
    require(_root(key, access.before, access.pre, depth) == pre, "value is not in the state before the batch")
    require(_root(key, access.now, access.state, depth) == state_root, "value is not in the state")
    old, new = encode_change(access.before, access.now), encode_change(access.before, value)
    require(_root(key, old, access.diff, depth) == delta_root, "change is not in the difference")
    return _root(key, value, access.state, depth), _root(key, new, access.diff, depth)


def one_step(witness: StepWitness, pre: bytes, executed: int, depth: int) -> bytes:
    """Return the state ``s_{i+1}`` after one more transaction.

    Parameters
    ----------
    witness : StepWitness
        Opens ``s_i``.
    pre : bytes
        ``h(S_{x-1})``.
    executed : int
        ``i``.
    depth : int
        Depth of the trees.

    Raises
    ------
    Refused
        If a path does not lead to its root; the text is the contract's reason.
    """
    state_root, delta_root, accesses = witness.state_root, witness.delta_root, witness.accesses
    unchanged = vm_state(state_root, delta_root, executed + 1)
    transfer = decode(witness.transaction, depth)
    if transfer is None:
        return unchanged
    require(len(accesses) == 2, "a transfer needs two accesses")
    debit, credit = accesses
    held, there = debit.now, credit.now
    require(held < VALUE_LIMIT and there < VALUE_LIMIT, "value too large")
    if held < transfer.amount:
        found = _root(transfer.source, held, debit.state, depth)
        require(found == state_root, "overdraft is not in the state")
        return unchanged
    overflow = there + transfer.amount >= VALUE_LIMIT
    result = there if overflow else there + transfer.amount
    middle = _write(transfer.source, held - transfer.amount, debit, (pre, state_root, delta_root), depth)
    after = _write(transfer.target, result, credit, (pre, *middle), depth)
    return unchanged if overflow else vm_state(*after, executed + 1)
