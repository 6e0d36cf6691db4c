"""Run a block's transactions again, and see of each what it read, wrote, moved, cost, and whether it succeeded.

The EVM is revm through `pyrevm <https://pypi.org/project/pyrevm/>`_. Around it this module does what a block adds to
calls: fees, nonces, and state that passes from one transaction to the next.

    >>> from pathlib import Path
    >>> block, state = block_inputs.read_folder(Path("block_folder"))   # doctest: +SKIP
    >>> found = replay(block, state)                                    # doctest: +SKIP
    >>> found.accepted, found.gas_used, found.transactions[0].writes    # doctest: +SKIP

What is not as in the chain, because pyrevm leaves no choice: BASEFEE gives zero, BLOCKHASH other hashes than the true
ones, and a sender's balance includes its fee while its transaction runs. `BlockReplay.accepted` compares gas with the
header's, where such a difference would show.
"""

from __future__ import annotations

import contextlib
import copy
import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyrevm
from eth_hash.auto import keccak

from rollstate.errors import InputError
from rollstate.execution import block_inputs, opcodes
from rollstate.execution.block_inputs import Account, State
from rollstate.traces import rlp_items
from rollstate.traces.json_values import mapping, octets, quantity, sequence

TOLERANCE = 0.001
"""Largest relative difference of gas from the header's with which a replay is accepted."""

Slot = tuple[str, int]
Change = tuple[int, int]

_ACCOUNT = re.compile(
    r"0x([0-9a-f]{40}): Account \{ info: AccountInfo \{ balance: (\d+), nonce: (\d+), code_hash: 0x([0-9a-f]{64}), "
    r".*?\}, storage: \{(.*?)\}, status: AccountStatus\(([^)]*)\) \}"
)
_STORAGE = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: (\d+), present_value: (\d+) \}")
_EMPTY_CODE = keccak(b"").hex()
# EIP-4844: gas of a blob, and how fast its price rises.
_BLOB_GAS, _BLOB_FRACTION = 2**17, 3_338_477
_SHANGHAI = ("SHANGHAI", "CANCUN")


@dataclass(frozen=True)
class TransactionReplay:
    """What one transaction did.

    Attributes
    ----------
    index : int
        Position in the block, from 0.
    sender, to : str
        Addresses, ``0x`` and 40 small letters; `to` is the new contract's where one is created.
    success : bool
        False if it was reverted or halted: it then changed nonce and fee alone.
    gas_used, intrinsic_gas, refund : int
        Gas by the receipt, what is paid before the first opcode, and what was given back.
    gas_by_class : dict of str to int
        Gas by `opcodes.CLASSES`; with `intrinsic_gas`, less `refund`, it adds up to `gas_used`. "calls" holds what
        calls and creations cost beyond the opcodes inside them, precompiles, and gas lost in calls that halted.
        Without opcodes all of it is "execution".
    operations : dict of str to int
        Executed opcodes by class; empty without opcodes.
    reads : frozenset of (address, slot)
        Storage that was touched and not changed; what failed calls touched only with opcodes.
    writes : dict of (address, slot) to (before, after)
        Storage that has another value afterwards.
    balances, nonces : dict of address to (before, after)
        Changed balances, fees included, and changed nonces.
    codes : dict of address to bytes
        Code that was deployed, or emptied.
    balance_reads : frozenset of address
        Accounts whose balance decides what the transaction does: it was run again with one wei more. With opcodes,
        those that BALANCE and SELFBALANCE looked at.
    code_reads : frozenset of address
        Accounts with code that were loaded.
    fee : int
        What the fee recipient got, in wei.
    plain : bool
        Whether it calls no code: a transfer between accounts.
    """

    index: int
    sender: str
    to: str
    success: bool
    gas_used: int
    intrinsic_gas: int
    refund: int
    gas_by_class: dict[str, int]
    operations: dict[str, int]
    reads: frozenset[Slot]
    writes: dict[Slot, Change]
    balances: dict[str, Change]
    nonces: dict[str, Change]
    codes: dict[str, bytes]
    balance_reads: frozenset[str]
    code_reads: frozenset[str]
    fee: int
    plain: bool


@dataclass(frozen=True)
class BlockReplay:
    """A block's transactions, in order, beside what its header says; ``evm_seconds`` is the CPU time inside revm."""

    number: int
    fork: str
    fee_recipient: str
    header_gas: int
    transactions: tuple[TransactionReplay, ...]
    evm_seconds: float = field(default=0.0, compare=False)

    @property
    def gas_used(self) -> int:
        """Gas of all transactions."""
        return sum(one.gas_used for one in self.transactions)

    @property
    def deviation(self) -> float:
        """Relative difference of the gas from the header's."""
        return self.gas_used / self.header_gas - 1 if self.header_gas else float(bool(self.gas_used))

    @property
    def accepted(self) -> bool:
        """Whether the gas is the header's to `TOLERANCE`."""
        return abs(self.deviation) <= TOLERANCE

    def state_difference(self) -> pl.DataFrame:
        """Return what differs after the block: ``kind``, ``address``, ``slot``, ``before``, ``after``.

        ``kind`` is "storage", "balance", "nonce" or "code"; values are hexadecimal words, code is its hash; ``slot`` is
        null but for storage. What was changed and changed back is not there.
        """
        first: dict[tuple[str, str, str | None], str] = {}
        last: dict[tuple[str, str, str | None], str] = {}
        for one in self.transactions:
            for key, (before, after) in _changes(one):
                first.setdefault(key, before)
                last[key] = after
        rows = [(*key, first[key], after) for key, after in last.items() if first[key] != after]
        return pl.DataFrame(
            rows,
            schema=dict.fromkeys(("kind", "address", "slot", "before", "after"), pl.String),
            orient="row",
        ).sort("kind", "address", "slot")


def _changes(one: TransactionReplay) -> Iterator[tuple[tuple[str, str, str | None], tuple[str, str]]]:
    """Yield each change of a transaction, by kind, address and slot, with values as words."""
    for (address, slot), values in one.writes.items():
        yield ("storage", address, f"0x{slot:064x}"), (f"0x{values[0]:064x}", f"0x{values[1]:064x}")
    for kind, changed in (("balance", one.balances), ("nonce", one.nonces)):
        for address, values in changed.items():
            yield (kind, address, None), (f"0x{values[0]:064x}", f"0x{values[1]:064x}")
    for address, code in one.codes.items():
        yield ("code", address, None), (f"0x{_EMPTY_CODE}", f"0x{keccak(code).hex()}")


def replay(
    block: dict[str, Any],
    state: State,
    *,
    fork: str | None = None,
    with_opcodes: bool = False,
    with_balance_reads: bool = True,
) -> BlockReplay:
    """Run all transactions of a block.

    Parameters
    ----------
    block : dict
        Answer of ``eth_getBlockByNumber`` with whole transactions.
    state : dict of str to Account
        Accounts before the block; what is not there is empty. It is not changed.
    fork : str, optional
        Rules, in revm's words; those of Ethereum mainnet at that block if not given.
    with_opcodes : bool
        Trace every opcode: gas by class, and what failed calls looked at. A hundred times slower, for small blocks.
    with_balance_reads : bool
        Run calls again to see which balances decide what they do; without it `balance_reads` is empty, and every call
        runs once.

    Returns
    -------
    BlockReplay
        Also where the gas is not the header's: look at ``accepted``.

    Raises
    ------
    InputError
        Naming the transaction that could not run, or the field that is missing.
    """
    rules = fork or block_inputs.fork_of(block)
    return _Replayer(
        block, copy.deepcopy(state), rules, opcodes=with_opcodes, balances=with_balance_reads
    ).run()


class _Replayer:
    """One EVM, and the state that passes from each transaction to the next."""

    def __init__(
        self, block: dict[str, Any], state: State, fork: str, *, opcodes: bool, balances: bool
    ) -> None:
        self.block, self.state, self.fork = block, state, fork
        self.opcodes, self.balances, self.seconds = opcodes, balances, 0.0
        self.number = self.quantity("number")
        self.recipient = "0x" + octets(block.get("miner"), "block, miner", 20).hex()
        self.base_fee = self.quantity("baseFeePerGas", 256) if "baseFeePerGas" in block else 0
        self.excess = self.quantity("excessBlobGas") if "excessBlobGas" in block else None
        self.hashes: dict[bytes, str] = {}
        self.evm = self.fresh()

    def quantity(self, name: str, bits: int = 63) -> int:
        return quantity(self.block.get(name), f"block, {name}", bits)

    def fresh(self) -> pyrevm.EVM:
        """Return an EVM that knows the present state."""
        env = pyrevm.BlockEnv(
            number=self.number,
            coinbase=self.recipient,
            timestamp=self.quantity("timestamp"),
            difficulty=self.quantity("difficulty", 256),
            prevrandao=octets(self.block.get("mixHash"), "block, mixHash", 32),
            basefee=self.base_fee,
            gas_limit=self.quantity("gasLimit"),
            excess_blob_gas=self.excess,
        )
        evm = pyrevm.EVM(
            pyrevm.Env(block=env),
            gas_limit=self.quantity("gasLimit"),
            tracing=self.opcodes,
            spec_id=self.fork.title(),
        )
        for address, account in self.state.items():
            _tell(evm, address, account)
        return evm

    def run(self) -> BlockReplay:
        listed = sequence(self.block.get("transactions"), f"block {self.number}, transactions")
        done = tuple(self.transaction(i, mapping(tx, f"transaction {i}")) for i, tx in enumerate(listed))
        return BlockReplay(
            self.number, self.fork, self.recipient, self.quantity("gasUsed"), done, self.seconds
        )

    def transaction(self, index: int, tx: dict[str, Any]) -> TransactionReplay:
        call = self.call(index, tx)
        # What an access list loads cannot be undone: such a transaction has an EVM of its own.
        evm = self.fresh() if call.listed else self.evm
        run = self.execute(evm, call)
        changed = self.changed(run)
        looks = opcodes.read(run.trace, call.to) if self.opcodes else None
        balances = looks.balances if looks else self.balances_that_matter(evm, call, run)
        if not call.create:
            changed.nonces[call.sender] = (call.nonce, call.nonce + 1)
        blob_fee = len(call.blobs) * _BLOB_GAS * pyrevm.fake_exponential(1, self.excess or 0, _BLOB_FRACTION)
        fee = run.gas_used * (call.price - self.base_fee)
        self.pay(changed, call.sender, -run.gas_used * call.price - blob_fee)
        self.pay(changed, self.recipient, fee)
        self.apply(changed)
        codes = {a for a, found in run.journal.items() if found.code_hash != _EMPTY_CODE}
        # Slots that an access list names are loaded without being touched.
        loaded = set() if call.listed else _slots(run.journal)
        touched = loaded | (looks.slots if looks else set())
        intrinsic = _intrinsic_gas(
            call.data, call.listed, create=call.create, shanghai=self.fork in _SHANGHAI
        )
        gas = dict(looks.gas) if looks else {}
        if rest := run.gas_used + run.refund - intrinsic - sum(gas.values()):
            gas["calls" if looks else "execution"] = rest
        return TransactionReplay(
            index=index,
            sender=call.sender,
            to=call.to,
            success=run.success,
            gas_used=run.gas_used,
            intrinsic_gas=intrinsic,
            refund=run.refund,
            gas_by_class=gas,
            operations=looks.counts if looks else {},
            reads=frozenset(touched - changed.storage.keys()),
            writes=changed.storage,
            balances=changed.balances,
            nonces=changed.nonces,
            codes=changed.codes,
            balance_reads=balances,
            code_reads=frozenset(codes - changed.codes.keys()),
            fee=fee,
            plain=not call.create and call.to not in codes and not self.is_precompile(call.to),
        )

    def is_precompile(self, address: str) -> bool:
        """Say whether an address is one of the contracts that come with the EVM."""
        return 0 < int(address, 16) <= 10

    def call(self, index: int, tx: dict[str, Any]) -> _Call:
        """Read one transaction of ``eth_getBlockByNumber``."""
        where = f"block {self.number}, transaction {index}"

        def number(name: str, bits: int = 256) -> int:
            return quantity(tx.get(name), f"{where}, {name}", bits)

        sender = "0x" + octets(tx.get("from"), f"{where}, from", 20).hex()
        create, nonce = tx.get("to") is None, number("nonce", 64)
        blobs = [octets(name, f"{where}, blob", 32) for name in tx.get("blobVersionedHashes") or ()]
        return _Call(
            where=where,
            sender=sender,
            to=_created(sender, nonce) if create else "0x" + octets(tx["to"], f"{where}, to", 20).hex(),
            create=create,
            nonce=nonce,
            data=octets(tx.get("input", tx.get("data")), f"{where}, input"),
            value=number("value"),
            gas=number("gas"),
            price=self.price(tx, where),
            listed=_access_list(tx, where),
            blobs=blobs,
            blob_price=number("maxFeePerBlobGas") if blobs else None,
        )

    def execute(self, evm: pyrevm.EVM, call: _Call) -> _Run:
        """Run a call, take down what it did, and undo it."""
        evm.set_tx_env(
            pyrevm.TxEnv(
                caller=call.sender,
                gas_limit=call.gas,
                gas_price=call.price,
                access_list=call.listed,
                blob_hashes=call.blobs,
                max_fee_per_blob_gas=call.blob_price,
            )
        )
        evm.reset_transient_storage()
        mark = evm.snapshot()
        seen = io.StringIO()
        said = ""
        how: dict[str, Any] = {"value": call.value, "gas": call.gas, "gas_price": call.price}
        with contextlib.redirect_stdout(seen):
            started = time.thread_time()
            # A call that is reverted raises, and leaves its result.
            try:
                if call.create:
                    evm.deploy(call.sender, call.data, **how)
                else:
                    evm.message_call(call.sender, call.to, call.data, **how)
            except (RuntimeError, OverflowError, ValueError) as error:
                said = str(error)
            self.seconds += time.thread_time() - started
        result = evm.result
        if result is None:
            raise InputError(
                f"{call.where} could not run: {said[:200]}; is the state that of before the block?"
            )
        journal = _journal(evm)
        codes = {
            address: bytes(evm.get_code(address) or b"")
            for address, found in journal.items()
            if found.code_hash != self.code_hash(self.state.get(address, Account()))
        }
        evm.revert(mark)
        return _Run(result.is_success, result.gas_used, result.gas_refunded, journal, codes, seen.getvalue())

    def balances_that_matter(self, evm: pyrevm.EVM, call: _Call, run: _Run) -> frozenset[str]:
        """Return the accounts whose balance decides what a call does: with one wei more it does something else."""
        if call.to in run.journal and run.journal[call.to].code_hash == _EMPTY_CODE and not call.create:
            return frozenset()
        if not self.balances or not self.differs(evm, call, run, sorted(run.journal)):
            return frozenset()
        return frozenset(one for one in sorted(run.journal) if self.differs(evm, call, run, [one]))

    def differs(self, evm: pyrevm.EVM, call: _Call, run: _Run, addresses: list[str]) -> bool:
        """Say whether a call does something else when these accounts have one wei more."""
        for address in addresses:
            known = self.state.get(address, Account())
            _tell(evm, address, Account(known.balance + 1, known.nonce, known.code))
        other = self.execute(evm, call)
        for address in addresses:
            known = self.state.get(address, Account())
            _tell(evm, address, Account(known.balance, known.nonce, known.code))
        more = dict.fromkeys(addresses, 1)
        return (
            (other.success, other.gas_used, other.codes.keys())
            != (run.success, run.gas_used, run.codes.keys())
            or other.journal.keys() != run.journal.keys()
            or any(
                found.storage != run.journal[a].storage
                or found.balance - more.get(a, 0) != run.journal[a].balance
                for a, found in other.journal.items()
                if not found.destroyed
            )
        )

    def price(self, tx: dict[str, Any], where: str) -> int:
        """Return what the sender pays for a unit of gas (EIP-1559)."""
        if "maxFeePerGas" not in tx:
            return quantity(tx.get("gasPrice"), f"{where}, gasPrice", 256)
        most = quantity(tx["maxFeePerGas"], f"{where}, maxFeePerGas", 256)
        tip = quantity(tx.get("maxPriorityFeePerGas"), f"{where}, maxPriorityFeePerGas", 256)
        return min(most, self.base_fee + tip)

    def changed(self, run: _Run) -> _Changed:
        """Return what the journal shows to differ from the state before the transaction."""
        out = _Changed({}, {}, {}, {})
        for address, found in run.journal.items():
            known = self.state.get(address, Account())
            storage, balance, nonce, code_hash = found.storage, found.balance, found.nonce, found.code_hash
            if found.destroyed:
                balance, nonce, code_hash = 0, 0, _EMPTY_CODE
                storage = dict.fromkeys(known.storage.keys() | found.storage.keys(), 0)
            for slot, value in storage.items():
                if value != known.storage.get(slot, 0):
                    out.storage[address, slot] = (known.storage.get(slot, 0), value)
            if balance != known.balance:
                out.balances[address] = (known.balance, balance)
            if nonce != known.nonce:
                out.nonces[address] = (known.nonce, nonce)
            if code_hash != self.code_hash(known):
                out.codes[address] = b"" if found.destroyed else run.codes.get(address, b"")
        return out

    def code_hash(self, account: Account) -> str:
        """Return the hash of an account's code, computed once."""
        if account.code not in self.hashes:
            self.hashes[account.code] = keccak(account.code).hex()
        return self.hashes[account.code]

    def pay(self, changed: _Changed, address: str, amount: int) -> None:
        """Add to a balance, which may be none."""
        before = self.state.get(address, Account()).balance
        after = changed.balances.pop(address, (before, before))[1] + amount
        if after != before:
            changed.balances[address] = (before, after)

    def apply(self, changed: _Changed) -> None:
        """Make the changes part of the state, the block's EVM included."""
        for address in {*changed.balances, *changed.nonces, *changed.codes}:
            account = self.state.setdefault(address, Account())
            account.balance = changed.balances.get(address, (0, account.balance))[1]
            account.nonce = changed.nonces.get(address, (0, account.nonce))[1]
            account.code = changed.codes.get(address, account.code)
            _tell(self.evm, address, Account(account.balance, account.nonce, account.code))
        for (address, slot), (_, value) in changed.storage.items():
            self.state.setdefault(address, Account()).storage[slot] = value
        _store(self.evm, [(*key, value) for key, (_, value) in changed.storage.items()])


@dataclass(frozen=True)
class _Call:
    """A transaction, read."""

    where: str
    sender: str
    to: str
    create: bool
    nonce: int
    data: bytes
    value: int
    gas: int
    price: int
    listed: list[tuple[str, list[int]]]
    blobs: list[bytes]
    blob_price: int | None


@dataclass(frozen=True)
class _Run:
    """What a call did before it was undone."""

    success: bool
    gas_used: int
    refund: int
    journal: dict[str, _Found]
    codes: dict[str, bytes]
    trace: str


@dataclass
class _Changed:
    storage: dict[Slot, Change]
    balances: dict[str, Change]
    nonces: dict[str, Change]
    codes: dict[str, bytes]


@dataclass(frozen=True)
class _Found:
    """An account in revm's journal."""

    balance: int
    nonce: int
    code_hash: str
    storage: dict[int, int]
    destroyed: bool


def _journal(evm: pyrevm.EVM) -> dict[str, _Found]:
    """Return the accounts that the running transaction loaded, from the journal's text."""
    text = evm.journal_str
    return {
        f"0x{address}": _Found(
            int(balance),
            int(nonce),
            code_hash,
            {int(slot): int(value) for slot, _, value in _STORAGE.findall(storage)},
            "SelfDestructed" in status,
        )
        for address, balance, nonce, code_hash, storage, status in _ACCOUNT.findall(text)
    }


def _slots(journal: dict[str, _Found]) -> set[Slot]:
    return {(address, slot) for address, found in journal.items() for slot in found.storage}


def _tell(evm: pyrevm.EVM, address: str, account: Account) -> None:
    """Put an account into an EVM's database."""
    # The type stub of pyrevm leaves out what the class takes.
    make_info: Any = pyrevm.AccountInfo
    info = make_info(balance=account.balance, nonce=account.nonce, code=account.code or None)
    evm.insert_account_info(address, info)
    _store(evm, [(address, slot, value) for slot, value in account.storage.items()])


def _store(evm: pyrevm.EVM, values: list[tuple[str, int, int]]) -> None:
    """Put storage into an EVM's database, where it goes while its account is not loaded: each load is undone."""
    for address, slot, value in values:
        mark = evm.snapshot()
        evm.insert_account_storage(address, slot, value)
        evm.revert(mark)


def _created(sender: str, nonce: int) -> str:
    """Return the address of a contract that a transaction creates."""
    count = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    return "0x" + keccak(rlp_items.encode([bytes.fromhex(sender[2:]), count]))[12:].hex()


def _access_list(tx: dict[str, Any], where: str) -> list[tuple[str, list[int]]]:
    """Return a transaction's access list (EIP-2930)."""
    out = []
    for entry in sequence(tx.get("accessList") or [], f"{where}, accessList"):
        found = mapping(entry, f"{where}, accessList")
        keys = sequence(found.get("storageKeys"), f"{where}, storageKeys")
        address = octets(found.get("address"), f"{where}, accessList", 20)
        out.append(("0x" + address.hex(), [quantity(key, f"{where}, a key", 256) for key in keys]))
    return out


def _intrinsic_gas(data: bytes, listed: list[tuple[str, list[int]]], *, create: bool, shanghai: bool) -> int:
    """Return what a transaction pays before its first opcode (EIP-2028, 2930, 3860)."""
    zeros = data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(data) - zeros)
    gas += sum(2_400 + 1_900 * len(keys) for _, keys in listed)
    if create:
        gas += 32_000 + (2 * ((len(data) + 31) // 32) if shanghai else 0)
    return gas


def touches(found: BlockReplay) -> pl.DataFrame:
    """Return what a replayed block's transactions touch, as `conflicts.by_rule` takes it.

    Returns
    -------
    polars.DataFrame
        ``block_number``, ``tx``, ``kind``, ``name``, ``is_write``. The fee recipient's balance is left out unless code
        depends on it; sender and balances are writes; code that is called is a read.
    """
    rows: list[tuple[int, int, str, str, bool]] = []
    for one in found.transactions:
        listed = [("storage", f"{a}/{slot:x}", False) for a, slot in one.reads]
        listed += [("storage", f"{a}/{slot:x}", True) for a, slot in one.writes]
        listed += [("balance", f"balance {a}", True) for a in one.balances if a != found.fee_recipient]
        listed += [("balance", f"balance {a}", False) for a in one.balance_reads]
        listed += [("nonce", f"nonce {a}", True) for a in one.nonces]
        listed += [("code", f"code {a}", True) for a in one.codes]
        listed += [("code", f"code {a}", False) for a in one.code_reads]
        rows += [(found.number, one.index, *entry) for entry in listed]
    names = {
        "block_number": pl.Int64,
        "tx": pl.Int32,
        "kind": pl.String,
        "name": pl.String,
        "is_write": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=names, orient="row")
