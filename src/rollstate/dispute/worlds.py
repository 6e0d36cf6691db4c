"""A party's world: what it holds to be the state, the differences and every step, right or wrong.

A world keeps the log of writes, not the states: roots, differences, traces and witnesses are built from it when a
game asks. A `Fault` makes a world wrong from one transaction on, in a way that is consistent with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rollstate.dispute.batches import transaction_proof
from rollstate.dispute.commitment import (
    TOMBSTONE,
    ZERO,
    SparseMerkleTree,
    State,
    encode_change,
    vm_state,
)
from rollstate.dispute.step import Access, StepWitness
from rollstate.dispute.transition import Effect, apply_transaction, check_genesis, write
from rollstate.errors import InputError

FAULTS = ("mint", "drop", "reorder", "wrong_root", "wrong_delta", "omit_tombstone", "no_op_entry")


@dataclass(frozen=True)
class Fault:
    """How a world is wrong.

    Attributes
    ----------
    batch : int
        Batch in which it goes wrong, from 1.
    transaction : int
        Transaction at which it goes wrong, from 0.
    kind : str
        One of `FAULTS`: ``mint`` adds `amount` to `key`; ``drop`` skips the transaction; ``reorder`` swaps it
        with the next; ``wrong_root`` mints in the state but not in the difference; ``wrong_delta`` the other way
        round; ``omit_tombstone`` leaves the deletions out of the difference; ``no_op_entry`` puts an unchanged
        key into it.
    key, amount : int
        Which key, and by how much.
    """

    batch: int
    transaction: int
    kind: str
    key: int = 0
    amount: int = 1

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise InputError(f"unknown kind of fault {self.kind!r}; known are {', '.join(FAULTS)}")


@dataclass(frozen=True)
class _Executed:
    """One transaction of the log: its effect, writes to the state alone, entries of the difference alone."""

    effect: Effect
    state_writes: tuple[tuple[int, int], ...] = ()
    delta_entries: tuple[tuple[int, int], ...] = ()


class World:
    """A party's view of all batches.

    Parameters
    ----------
    genesis : mapping
        ``S_0``.
    batches : sequence of sequences of bytes
        ``T_1, T_2, ...``.
    tree : SparseMerkleTree
        Where tree nodes are kept; worlds may share it.
    fault : Fault, optional
        What is wrong with this world.
    """

    def __init__(
        self,
        genesis: State,
        batches: Sequence[Sequence[bytes]],
        tree: SparseMerkleTree,
        fault: Fault | None = None,
    ) -> None:
        self.genesis = check_genesis(genesis, tree.depth)
        self.batches = [tuple(batch) for batch in batches]
        self.fault = fault
        self.tree = tree
        self._traces: dict[int, list[tuple[bytes, bytes]]] = {}
        state = dict(genesis)
        self._log: list[tuple[dict[int, int], list[_Executed]]] = [({}, [])]
        for n in range(1, len(self.batches) + 1):
            self._log.append(self._run(n, state))
        self.final_state = state

    def _run(self, n: int, state: dict[int, int]) -> tuple[dict[int, int], list[_Executed]]:
        """Execute batch `n` in place; return the values its keys had before, and the log."""
        fault = self.fault if self.fault and self.fault.batch == n else None
        transactions: list[bytes] = list(self.batches[n - 1])
        before: dict[int, int] = {}
        log: list[_Executed] = []
        if fault and fault.kind == "reorder" and fault.transaction + 1 < len(transactions):
            i = fault.transaction
            transactions[i], transactions[i + 1] = transactions[i + 1], transactions[i]
        for i, transaction in enumerate(transactions):
            lied = fault if fault is not None and fault.transaction == i else None
            if lied and lied.kind == "drop":
                log.append(_Executed(Effect((), False)))
                continue
            done = apply_transaction(state, transaction, self.tree.depth)
            # The first value seen of a key is the one before the batch.
            for key, now, _ in done.writes:
                before.setdefault(key, now)
            extra = self._lie(lied, before, state) if lied else ((), ())
            log.append(_Executed(done, *extra))
        return before, log

    def _lie(self, fault: Fault, before: dict[int, int], state: dict[int, int]) -> tuple[tuple, tuple]:
        """Return writes to the state alone and entries of the difference alone, for faults after the writes."""
        key, held = fault.key, state.get(fault.key, 0)
        before.setdefault(key, held)
        if fault.kind in ("mint", "wrong_root"):
            write(state, key, held + fault.amount)
            entry = (key, encode_change(before[key], held + fault.amount))
            return ((key, held + fault.amount),), ((entry,) if fault.kind == "mint" else ())
        if fault.kind == "wrong_delta":
            return (), ((key, held + fault.amount + 2),)
        if fault.kind == "omit_tombstone":
            gone = [k for k, v in before.items() if v and not state.get(k, 0)]
            return (), tuple((k, 0) for k in gone)
        if fault.kind == "no_op_entry":
            return (), ((key, held + 2 if held else TOMBSTONE),) if before[key] == held else ()
        return (), ()

    @cached_property
    def roots(self) -> list[bytes]:
        """``h(S_0), h(S_1), ...``: what flat execution does without until a dispute asks."""
        roots = [self.tree.build(self.genesis)]
        for _, log in self._log[1:]:
            last: dict[int, int] = {}
            for done in log:
                last.update(self._state_writes(done))
            roots.append(self.tree.update(roots[-1], last.items()))
        return roots

    @cached_property
    def deltas(self) -> list[bytes]:
        """``h(Delta_n)`` by batch; the entry at 0 is zero."""
        return [ZERO, *(self.tree.build(self.delta(n)) for n in range(1, len(self.batches) + 1))]

    def delta(self, n: int) -> dict[int, int]:
        """Return ``Delta_n`` as this world would post it."""
        before, log = self._log[n]
        entries: dict[int, int] = {}
        for done in log:
            entries.update(self._delta_entries(done, before))
        return {key: change for key, change in sorted(entries.items()) if change}

    def trace(self, n: int) -> list[tuple[bytes, bytes]]:
        """Return ``(R_i, A_i)`` for ``i = 0..m`` of batch `n`."""
        if n not in self._traces:
            before, log = self._log[n]
            states = [(self.roots[n - 1], ZERO)]
            for done in log:
                state_root, delta_root = states[-1]
                states.append(
                    (
                        self.tree.update(state_root, self._state_writes(done)),
                        self.tree.update(delta_root, self._delta_entries(done, before)),
                    )
                )
            self._traces[n] = states
        return self._traces[n]

    def vm_state(self, n: int, executed: int) -> bytes:
        """Return ``s_i`` of batch `n`."""
        return vm_state(*self.trace(n)[executed], executed)

    def witness(self, n: int, index: int) -> StepWitness:
        """Return what proves transaction `index` of batch `n`."""
        before, log = self._log[n]
        state_root, delta_root = self.trace(n)[index]
        accesses = []
        a, b = state_root, delta_root
        for key, now, after in log[index].effect.writes:
            accesses.append(
                Access(
                    before[key],
                    now,
                    self.tree.prove(self.roots[n - 1], key),
                    self.tree.prove(a, key),
                    self.tree.prove(b, key),
                )
            )
            a = self.tree.update(a, [(key, after)])
            b = self.tree.update(b, [(key, encode_change(before[key], after))])
        transactions = self.batches[n - 1]
        return StepWitness(
            transactions[index],
            transaction_proof(transactions, index),
            state_root,
            delta_root,
            tuple(accesses),
        )

    @staticmethod
    def _state_writes(done: _Executed) -> list[tuple[int, int]]:
        writes = [(key, after) for key, _, after in done.effect.writes] if done.effect.applied else []
        return [*writes, *done.state_writes]

    @staticmethod
    def _delta_entries(done: _Executed, before: dict[int, int]) -> list[tuple[int, int]]:
        writes = done.effect.writes if done.effect.applied else ()
        entries = [(key, encode_change(before[key], after)) for key, _, after in writes]
        return [*entries, *done.delta_entries]
