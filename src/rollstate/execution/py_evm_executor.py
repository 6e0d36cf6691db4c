"""The EVM of `py-evm <https://pypi.org/project/py-evm/>`_: its opcodes answer as in the chain, a hundred times slower.

BASEFEE is the block's, BLOCKHASH what the header's `Header.hashes` say, and the sender has paid for its gas while its
transaction runs. Accounts come from the present state as code asks for them; nothing is hashed into a trie.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from rollstate.errors import InputError
from rollstate.execution.block_inputs import Account, State
from rollstate.execution.evm_calls import (
    EMPTY_CODE,
    Call,
    CodeHashes,
    Found,
    Header,
    Run,
    blob_fee,
    intrinsic_gas,
)

RULES = {
    "BERLIN": "berlin.BerlinState",
    "LONDON": "london.LondonState",
    "ARROW_GLACIER": "arrow_glacier.ArrowGlacierState",
    "GRAY_GLACIER": "gray_glacier.GrayGlacierState",
    "MERGE": "paris.ParisState",
    "SHANGHAI": "shanghai.ShanghaiState",
    "CANCUN": "cancun.CancunState",
}
"""State of py-evm for each fork by revm's name."""

_ABSENT: Any = object()
_BLOB_TYPE = 3


class PyEvm:
    """Runs calls on the present state, from which it takes accounts as code asks for them.

    Attributes
    ----------
    unknown : set of int
        Blocks whose hash code asked for and that the header does not have: it got zero.

    Raises
    ------
    InputError
        If py-evm has no rules of that name.
    """

    def __init__(
        self, header: Header, state: State, fork: str, hashes: CodeHashes, *, tracing: bool = False
    ) -> None:
        from eth.vm.execution_context import ExecutionContext

        if fork not in RULES:
            raise InputError(f"py-evm has no rules {fork!r}; it has {', '.join(RULES)}")
        self.header, self.state, self.fork, self.hashes = header, state, fork, hashes
        self.unknown: set[int] = set()
        self._lines: list[dict[str, Any]] = []
        address: Any = _octets(header.recipient)
        number: Any = header.number
        self._context = ExecutionContext(
            coinbase=address,
            timestamp=header.timestamp,
            block_number=number,
            difficulty=header.difficulty,
            mix_hash=header.mix_hash,  # type: ignore[arg-type]
            gas_limit=header.gas_limit,
            prev_hashes=(),
            chain_id=1,
            base_fee_per_gas=header.base_fee,
            excess_blob_gas=header.excess_blob_gas or 0,
        )
        self._rules = self._state_class(tracing)

    def _state_class(self, tracing: bool) -> Any:
        """Return py-evm's state of the fork with accounts in memory, the header's hashes and, maybe, traced opcodes."""
        module, name = RULES[self.fork].split(".")
        base: Any = getattr(importlib.import_module(f"eth.vm.forks.{module}.state"), name)
        own = self

        def ancestor(_: Any, number: int) -> bytes:
            if not 0 < own.header.number - number <= 256 or number < 0:
                return b""
            if number not in own.header.hashes:
                own.unknown.add(number)
            return own.header.hashes.get(number, bytes(32))

        computation = base.computation_class
        if tracing:
            opcodes = {op: self._traced(op, logic) for op, logic in computation.opcodes.items()}
            computation = type("Traced", (computation,), {"opcodes": opcodes})
        return type(
            "Rules",
            (base,),
            {
                "account_db_class": _Accounts,
                "get_ancestor_hash": ancestor,
                "computation_class": computation,
            },
        )

    def _traced(self, op: int, logic: Callable[..., None]) -> Callable[..., None]:
        """Return an opcode that writes a line of EIP-3155 before it runs, and its gas after it."""

        def run(computation: Any) -> None:
            if not computation.msg.code:
                # An account without code: py-evm steps over a STOP that is not there.
                logic(computation=computation)
                return
            left = computation._gas_meter.gas_remaining
            line: dict[str, Any] = {
                "pc": max(0, computation.code.program_counter - 1),
                "op": op,
                "gas": hex(left),
                "gasCost": "0x0",
                "depth": computation.msg.depth + 1,
                "stack": [_word(value) for value in computation._stack.values[-7:]],
            }
            self._lines.append(line)
            try:
                logic(computation=computation)
            finally:
                line["gasCost"] = hex(max(0, left - computation._gas_meter.gas_remaining))

        return run

    def execute(self, call: Call, more: Collection[str] = ()) -> Run:
        """Run a call on a copy of what it touches, with one wei more in the accounts ``more``."""
        self._lines = []
        state = self._rules((self.state, frozenset(more)), self._context, b"")
        accounts: _Accounts = state._account_db
        # What py-evm loads to set itself up is not the call's.
        accounts.loaded.clear()
        executor = state.get_transaction_executor()
        paid = call.gas * call.price + blob_fee(call, self.header)
        sender = _octets(call.sender)
        if (held := accounts.get_balance(sender)) < paid + call.value:
            raise InputError(
                f"{call.where} could not run: its sender has {held} wei and needs {paid + call.value}; is the state "
                "that of before the block?"
            )
        # What creations pay for each word of code (EIP-3860) py-evm takes itself.
        transaction = _transaction(call, self.header.base_fee, intrinsic_gas(call, "LONDON"))
        if transaction.intrinsic_gas > call.gas:
            raise InputError(f"{call.where} could not run: {call.gas} gas do not pay for its start")
        message = executor.build_evm_message(transaction)
        done = executor.build_computation(message, transaction)
        used = call.gas - done.get_gas_remaining()
        refund = executor.calculate_gas_refund(done, used)
        accounts.set_balance(sender, accounts.get_balance(sender) + paid)
        gone = {bytes(address) for address in done.get_accounts_for_deletion()} if done.is_success else set()
        journal = accounts.journal(gone, self.hashes)
        codes = {
            address: accounts.get_code(_octets(address))
            for address, found in journal.items()
            if found.code_hash != self.hashes[self.state.get(address, Account()).code]
        }
        trace = "\n".join(json.dumps(line, separators=(",", ":")) for line in self._lines)
        return Run(done.is_success, used - refund, refund, journal, codes, trace)


@dataclass(frozen=True)
class _Transaction:
    """What py-evm's executor asks of a transaction; its signature is not looked at."""

    sender: bytes
    to: bytes
    value: int
    data: bytes
    gas: int
    nonce: int
    gas_price: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    intrinsic_gas: int
    access_list: list[tuple[bytes, list[int]]]
    type_id: int
    blob_versioned_hashes: list[bytes]
    r: int = 0
    s: int = 0
    y_parity: int = 0


def _transaction(call: Call, base_fee: int, intrinsic: int) -> _Transaction:
    return _Transaction(
        sender=_octets(call.sender),
        to=b"" if call.create else _octets(call.to),
        value=call.value,
        data=call.data,
        gas=call.gas,
        nonce=call.nonce,
        gas_price=call.price,
        max_fee_per_gas=call.price,
        max_priority_fee_per_gas=call.price - base_fee,
        intrinsic_gas=intrinsic,
        access_list=[(_octets(address), slots) for address, slots in call.listed],
        type_id=_BLOB_TYPE if call.blobs else 2,
        blob_versioned_hashes=call.blobs,
    )


class _Accounts:
    """Accounts in memory behind py-evm's interface of a database; what fails is rolled back.

    Loads are rolled back with the rest, as in revm's journal, so that both executors mean the same by a read.
    """

    def __init__(self, source: tuple[State, frozenset[str]], root: bytes) -> None:
        self.held, self.more = source
        self.state_root = root
        self.balances: dict[bytes, int] = {}
        self.nonces: dict[bytes, int] = {}
        self.codes: dict[bytes, bytes] = {}
        self.values: dict[tuple[bytes, int], int] = {}
        self.cleared: dict[bytes, bool] = {}
        self.loaded: dict[bytes, bool] = {}
        self.slots: dict[tuple[bytes, int], bool] = {}
        self.warm: dict[Any, bool] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._marks: dict[int, int] = {}

    def _set(self, where: dict[Any, Any], key: Any, value: Any) -> None:
        before = where.get(key, _ABSENT)
        if before is _ABSENT or before != value:
            self._undo.append((where, key, before))
            where[key] = value

    def _before(self, address: bytes) -> Account:
        """Return an account as it was before the call, and note that it was loaded."""
        self._set(self.loaded, address, True)
        return self.held.get(f"0x{address.hex()}", _NOBODY)

    def record(self) -> int:
        """Remember where changes stand; return the mark to go back to."""
        from eth.db.journal import get_next_checkpoint

        # py-evm keeps transient storage by the same marks, and takes some of them for itself.
        mark = get_next_checkpoint()
        self._marks[mark] = len(self._undo)
        return mark

    def discard(self, mark: int) -> None:
        """Undo what came after a mark."""
        stand = self._marks[mark]
        while len(self._undo) > stand:
            where, key, before = self._undo.pop()
            if before is _ABSENT:
                del where[key]
            else:
                where[key] = before

    def commit(self, mark: int) -> None:
        """Keep what came after a mark, until an earlier one is discarded."""

    def get_balance(self, address: bytes) -> int:
        before = self._before(address)
        if address in self.balances:
            return self.balances[address]
        return before.balance + (f"0x{address.hex()}" in self.more)

    def set_balance(self, address: bytes, balance: int) -> None:
        self._before(address)
        self._set(self.balances, address, balance)

    def get_nonce(self, address: bytes) -> int:
        before = self._before(address)
        return self.nonces.get(address, before.nonce)

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._before(address)
        self._set(self.nonces, address, nonce)

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: bytes) -> bytes:
        before = self._before(address)
        return self.codes.get(address, before.code)

    def set_code(self, address: bytes, code: bytes) -> None:
        self._before(address)
        self._set(self.codes, address, code)

    def delete_code(self, address: bytes) -> None:
        self.set_code(address, b"")

    def get_code_hash(self, address: bytes) -> bytes:
        from eth_hash.auto import keccak

        return keccak(self.get_code(address))

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        before = self._before(address)
        self._set(self.slots, (address, slot), True)
        if from_journal and (address, slot) in self.values:
            return self.values[address, slot]
        return 0 if address in self.cleared else before.storage.get(slot, 0)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        self._before(address)
        self._set(self.slots, (address, slot), True)
        self._set(self.values, (address, slot), value)

    def delete_storage(self, address: bytes) -> None:
        self._set(self.cleared, address, True)
        for key in [key for key in self.values if key[0] == address]:
            self._set(self.values, key, 0)

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        return bool(self.get_nonce(address) or self.get_code(address))

    def account_is_empty(self, address: bytes) -> bool:
        return not (self.account_has_code_or_nonce(address) or self.get_balance(address))

    def account_exists(self, address: bytes) -> bool:
        return not self.account_is_empty(address)

    def touch_account(self, address: bytes) -> None:
        self._before(address)

    def delete_account(self, address: bytes) -> None:
        self.set_balance(address, 0)
        self.set_nonce(address, 0)
        self.set_code(address, b"")
        self.delete_storage(address)

    def is_address_warm(self, address: bytes) -> bool:
        return address in self.warm

    def mark_address_warm(self, address: bytes) -> None:
        self._set(self.warm, address, True)

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self.warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        self._set(self.warm, (address, slot), True)

    def journal(self, gone: set[bytes], hashes: CodeHashes) -> dict[str, Found]:
        """Return the accounts that were loaded, as they are now; those in ``gone`` destroyed themselves."""
        slots: dict[bytes, list[int]] = {}
        for address, slot in self.slots:
            slots.setdefault(address, []).append(slot)
        out = {}
        for address in list(self.loaded):
            code = self.get_code(address)
            out[f"0x{address.hex()}"] = Found(
                self.get_balance(address),
                self.get_nonce(address),
                hashes[code] if code else EMPTY_CODE,
                {slot: self.get_storage(address, slot) for slot in slots.get(address, ())},
                address in gone,
            )
        return out


_NOBODY = Account()


def _octets(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _word(value: int | bytes) -> str:
    """Return a stack value, which py-evm keeps as a number or as bytes, in hexadecimal."""
    return hex(value if isinstance(value, int) else int.from_bytes(value, "big"))
