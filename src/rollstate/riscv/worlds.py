"""A party's view of batches that the program executes: what it posts, and what it answers in a dispute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rollstate.dispute.commitment import ZERO, vm_state
from rollstate.errors import InputError
from rollstate.riscv import guest, regions
from rollstate.riscv.guest import DIFFERENCE, TABLE, Balances
from rollstate.riscv.regions import End
from rollstate.riscv.runs import FalseStep, Run


@dataclass(frozen=True)
class Lie:
    """Where a party executes falsely: the batch, from 1, its transaction, from 0, and the instruction of that."""

    batch: int
    transaction: int
    false: FalseStep


@dataclass(frozen=True)
class _Point:
    """The two regions of a state inside a batch, and what commits to each."""

    table: bytes
    difference: bytes
    roots: tuple[bytes, bytes]


class ProgramWorld:
    """All batches as one party has them.

    Parameters
    ----------
    balances : mapping or bytes
        What the table holds at first: balances, or for another program the bytes of its table.
    batches : sequence of sequences of bytes
        ``T_1, T_2, ...``; what is no transfer has no effect.
    lie : Lie, optional
        The instruction that this party executes falsely.
    program : bytes, optional
        The program that runs; that of transfers if not given.

    Raises
    ------
    InputError
        If the lie is in no batch, or the program does not end well after it.
    """

    def __init__(
        self,
        balances: Balances | bytes,
        batches: Sequence[Sequence[bytes]],
        lie: Lie | None = None,
        program: bytes | None = None,
    ) -> None:
        self.batches = [tuple(batch) for batch in batches]
        self.lie = lie
        if lie and not (
            1 <= lie.batch <= len(self.batches) and 0 <= lie.transaction < len(self.batches[lie.batch - 1])
        ):
            raise InputError(f"there is no transaction {lie.transaction} of batch {lie.batch} to be false in")
        self._first = balances if isinstance(balances, bytes) else guest.table(balances)
        self.program = guest.program() if program is None else program

    @cached_property
    def _points(self) -> list[list[_Point]]:
        """States by batch, from 1, and by transactions done; entry 0 holds the first state."""
        empty = bytes(regions.REGION_BYTES)
        start = self._first.ljust(regions.REGION_BYTES, b"\0")
        out = [[_Point(start, empty, (regions.table_root(start), ZERO))]]
        for n, batch in enumerate(self.batches, 1):
            last = out[-1][-1]
            points = [_Point(last.table, empty, (last.roots[0], ZERO))]
            for index in range(len(batch)):
                _, tree, memory = self._run(points[-1], n, index).end()
                parts = tree.regions
                points.append(
                    _Point(
                        regions.region(memory, TABLE),
                        regions.region(memory, DIFFERENCE),
                        (parts[2], parts[3]),
                    )
                )
            out.append(points)
        return out

    def _run(self, before: _Point, n: int, index: int) -> Run:
        transaction = self.batches[n - 1][index]
        lie = self.lie.false if self.lie and (self.lie.batch, self.lie.transaction) == (n, index) else None
        return Run(regions.start_memory(self.program, transaction, before.table, before.difference), lie)

    def run(self, n: int, index: int) -> Run:
        """Return the run of a transaction."""
        return self._run(self._points[n][index], n, index)

    def end(self, n: int, index: int) -> End:
        """Return the opened end of the run of a transaction."""
        state, tree, _ = self.run(n, index).end()
        return regions.end_of(state, tree)

    def parts(self, n: int, executed: int) -> tuple[bytes, bytes]:
        """Return the roots of table and difference after some transactions of a batch."""
        return self._points[n][executed].roots

    @property
    def roots(self) -> list[bytes]:
        """``h(S_0), h(S_1), ...``: roots of the table."""
        return [points[-1].roots[0] for points in self._points]

    @property
    def deltas(self) -> list[bytes]:
        """``h(Delta_n)`` by batch, roots of the difference; the entry at 0 is zero."""
        return [ZERO, *(points[-1].roots[1] for points in self._points[1:])]

    def vm_state(self, n: int, executed: int) -> bytes:
        """Return ``s_i`` of batch `n`."""
        return vm_state(*self.parts(n, executed), executed)

    def storage(self, n: int) -> dict[bytes, int]:
        """Return balances by slot after a batch."""
        return guest.entries(self._points[n][-1].table)

    def difference(self, n: int) -> dict[bytes, int]:
        """Return what a batch wrote: last value by slot."""
        return guest.entries(self._points[n][-1].difference)
