"""Run a block's transactions again, and see of each what it read, wrote, moved, cost, and whether it succeeded.

Two EVMs run them: revm (`revm_executor`), and py-evm (`py_evm_executor`) for those few transactions that look at what
revm's Python library cannot give (the base fee, the hash of an earlier block, the sender's balance while its fee is
paid), and for those that fail in revm: two of the transactions in pevm's ten blocks fail there and not in the chain,
for a cause that is not known. Around them this module does what a block adds to calls: fees, nonces, and state that
passes from one transaction to the next.

    >>> from pathlib import Path
    >>> block, state, hashes = block_inputs.read_folder(Path("block_folder"))   # doctest: +SKIP
    >>> found = replay(block, state, hashes)                                    # doctest: +SKIP
    >>> found.accepted, found.gas_used, found.transactions[0].writes            # doctest: +SKIP

`BlockReplay.accepted` compares gas with the header's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from eth_hash.auto import keccak

from rollstate.errors import InputError
from rollstate.execution import block_inputs, block_reads, evm_calls, opcodes
from rollstate.execution.block_inputs import Account, State
from rollstate.execution.evm_calls import EMPTY_CODE, Call, Executor, Found, Run
from rollstate.execution.py_evm_executor import PyEvm
from rollstate.execution.revm_executor import Revm
from rollstate.traces import rlp_items
from rollstate.traces.json_values import mapping, octets, quantity, sequence

TOLERANCE = 0.001
"""Largest relative difference of gas from the header's with which a replay is accepted."""

Slot = tuple[str, int]
Change = tuple[int, int]

EXECUTORS = ("auto", "revm", "py-evm")


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

    def apply(self, account: Callable[[str], Account]) -> None:
        """Make what the transaction changed part of a state, whose accounts `account` gives by address."""
        for address, (_, balance) in self.balances.items():
            account(address).balance = balance
        for address, (_, nonce) in self.nonces.items():
            account(address).nonce = nonce
        for address, code in self.codes.items():
            account(address).code = code
        for (address, slot), (_, value) in self.writes.items():
            account(address).storage[slot] = value


@dataclass(frozen=True)
class BlockReplay:
    """A block's transactions, in order, beside what its header says.

    Attributes
    ----------
    number, fork, fee_recipient, header_gas, transactions
        The block, its rules, and its transactions.
    by_py_evm : tuple of int
        Transactions whose answer is py-evm's.
    unknown_hashes : tuple of int
        Earlier blocks whose hash code asked for and nobody gave: it got zero.
    evm_seconds : float
        CPU time inside revm.
    """

    number: int
    fork: str
    fee_recipient: str
    header_gas: int
    transactions: tuple[TransactionReplay, ...]
    by_py_evm: tuple[int, ...] = field(default=(), compare=False)
    unknown_hashes: tuple[int, ...] = ()
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
        yield ("code", address, None), (f"0x{EMPTY_CODE}", f"0x{keccak(code).hex()}")


def replay(
    block: dict[str, Any],
    state: State,
    hashes: Mapping[int, bytes] | None = None,
    *,
    fork: str | None = None,
    executor: str = "auto",
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
    hashes : dict of int to bytes, optional
        Hashes of earlier blocks by number; the parent's is in the block itself.
    fork : str, optional
        Rules, in revm's words; those of Ethereum mainnet at that block if not given.
    executor : {"auto", "revm", "py-evm"}
        Which EVM runs: revm alone, py-evm alone (a hundred times slower), or revm and py-evm for transactions that
        fail, or that look at the base fee, at a hash or, if balance reads are wanted, at the balance of their sender.
    with_opcodes : bool
        Trace every opcode: gas by class, and what failed calls looked at. A hundred times slower, for small blocks.
    with_balance_reads : bool
        Run calls again to see which balances decide what they do; without it `balance_reads` is empty.

    Returns
    -------
    BlockReplay
        Also where the gas is not the header's: look at ``accepted``.

    Raises
    ------
    InputError
        Naming the transaction that could not run, or the field that is missing.
    """
    if executor not in EXECUTORS:
        raise InputError(f"executor {executor!r} is not one of {EXECUTORS}")
    rules = fork or block_inputs.fork_of(block)
    return _Replayer(
        block,
        copy.deepcopy(state),
        dict(hashes or {}),
        rules,
        executor,
        opcodes=with_opcodes,
        balances=with_balance_reads,
    ).run()


def calls(
    block: dict[str, Any], hashes: Mapping[int, bytes] | None = None, *, fork: str | None = None
) -> tuple[evm_calls.Header, str, list[Call]]:
    """Return a block's header, its rules and its transactions, as `replay` reads them, without running any."""
    rules = fork or block_inputs.fork_of(block)
    reader = _Replayer(block, {}, dict(hashes or {}), rules, "py-evm", opcodes=False, balances=False)
    listed = sequence(block.get("transactions"), f"block {reader.number}, transactions")
    read = [reader.call(i, mapping(tx, f"transaction {i}")) for i, tx in enumerate(listed)]
    return reader.header, rules, read


class _Replayer:
    """The EVMs, and the state that passes from each transaction to the next."""

    def __init__(
        self,
        block: dict[str, Any],
        state: State,
        hashes: dict[int, bytes],
        fork: str,
        executor: str,
        *,
        opcodes: bool,
        balances: bool,
    ) -> None:
        self.block, self.state, self.fork, self.executor = block, state, fork, executor
        self.opcodes, self.balances = opcodes, balances
        self.header = evm_calls.header(block, hashes)
        self.number, self.recipient = self.header.number, self.header.recipient
        self.code_hashes = evm_calls.CodeHashes()
        self.revm = None if executor == "py-evm" else self.fresh()
        # The same, but code halts where it asks for the base fee or a hash; not needed while no code does.
        asked = executor == "auto" and any(block_reads.asks(one.code) for one in state.values())
        self.probe = self.fresh(blind=True) if asked else None
        self.exact: PyEvm | None = None
        self.by_py_evm: list[int] = []

    def fresh(self, *, blind: bool = False) -> Revm:
        """Return a revm that knows the present state."""
        return Revm(
            self.header,
            self.state,
            self.fork,
            self.code_hashes,
            tracing=self.opcodes and not blind,
            blind=blind,
        )

    def py_evm(self) -> PyEvm:
        """Return py-evm, made when it is first needed."""
        if self.exact is None:
            self.exact = PyEvm(self.header, self.state, self.fork, self.code_hashes, tracing=self.opcodes)
        return self.exact

    def run(self) -> BlockReplay:
        listed = sequence(self.block.get("transactions"), f"block {self.number}, transactions")
        gas = quantity(self.block.get("gasUsed"), "block, gasUsed")
        done = tuple(self.transaction(i, mapping(tx, f"transaction {i}")) for i, tx in enumerate(listed))
        return BlockReplay(
            self.number,
            self.fork,
            self.recipient,
            gas,
            done,
            tuple(self.by_py_evm),
            tuple(sorted(self.exact.unknown)) if self.exact else (),
            self.revm.seconds if self.revm else 0.0,
        )

    def transaction(self, index: int, tx: dict[str, Any]) -> TransactionReplay:
        call = self.call(index, tx)
        answer = self.answered(call)
        run, looks = answer.run, answer.looks
        if answer.exact:
            self.by_py_evm.append(index)
        changed = self.changed(run)
        if not call.create:
            changed.nonces[call.sender] = (call.nonce, call.nonce + 1)
        blob_fee = evm_calls.blob_fee(call, self.header)
        fee = run.gas_used * (call.price - self.header.base_fee)
        self.pay(changed, call.sender, -run.gas_used * call.price - blob_fee)
        self.pay(changed, self.recipient, fee)
        self.apply(changed)
        codes = {a for a, found in run.journal.items() if found.code_hash != EMPTY_CODE}
        # Slots that an access list names are loaded without being touched.
        loaded = set() if call.listed else _slots(run.journal)
        touched = loaded | (looks.slots if looks else set())
        intrinsic = evm_calls.intrinsic_gas(call, self.fork)
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
            balance_reads=answer.balances,
            code_reads=frozenset(codes - changed.codes.keys()),
            fee=fee,
            plain=not call.create and call.to not in codes and not self.is_precompile(call.to),
        )

    def answered(self, call: Call) -> _Answer:
        """Run a call with the EVM that can answer it."""
        if self.revm is not None:
            # What an access list loads cannot be undone: such a transaction has an EVM of its own.
            evm = self.fresh() if call.listed else self.revm
            run = evm.execute(call)
            # What fails may fail for want of something that revm was not told.
            if self.executor == "revm" or (run.success and not self.asks_its_block(call, run)):
                answer = self.answer(evm, call, run)
                if self.executor == "revm" or call.sender not in answer.balances:
                    return answer
        return self.answer(self.py_evm(), call)

    def answer(self, evm: Executor, call: Call, run: Run | None = None) -> _Answer:
        """Return what an EVM says of a call, the balances that it reads included."""
        run = run or evm.execute(call)
        looks = opcodes.read(run.trace, call.to) if self.opcodes else None
        balances = looks.balances if looks else self.balances_that_matter(evm, call, run)
        return _Answer(isinstance(evm, PyEvm), run, looks, balances)

    def asks_its_block(self, call: Call, run: Run) -> bool:
        """Say whether a call asks for the base fee or for a hash: it runs differently where both halt."""
        made = [*run.codes.values(), *([call.data] if call.create else [])]
        if any(block_reads.asks(code) for code in made):
            return True
        if self.probe is None or self.calls_no_code(call, run):
            return False
        other = (self.fresh(blind=True) if call.listed else self.probe).execute(call)
        return (other.success, other.gas_used) != (run.success, run.gas_used)

    def calls_no_code(self, call: Call, run: Run) -> bool:
        """Say whether a call is a transfer to an account without code."""
        return not call.create and call.to in run.journal and run.journal[call.to].code_hash == EMPTY_CODE

    def is_precompile(self, address: str) -> bool:
        """Say whether an address is one of the contracts that come with the EVM."""
        return 0 < int(address, 16) <= 10

    def call(self, index: int, tx: dict[str, Any]) -> Call:
        """Read one transaction of ``eth_getBlockByNumber``."""
        where = f"block {self.number}, transaction {index}"

        def number(name: str, bits: int = 256) -> int:
            return quantity(tx.get(name), f"{where}, {name}", bits)

        sender = "0x" + octets(tx.get("from"), f"{where}, from", 20).hex()
        create, nonce = tx.get("to") is None, number("nonce", 64)
        blobs = [octets(name, f"{where}, blob", 32) for name in tx.get("blobVersionedHashes") or ()]
        return Call(
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

    def balances_that_matter(self, evm: Executor, call: Call, run: Run) -> frozenset[str]:
        """Return the accounts whose balance decides what a call does: with one wei more it does something else."""
        if not self.balances or self.calls_no_code(call, run):
            return frozenset()
        if not _differs(evm.execute(call, sorted(run.journal)), run, set(run.journal)):
            return frozenset()
        return frozenset(one for one in sorted(run.journal) if _differs(evm.execute(call, [one]), run, {one}))

    def price(self, tx: dict[str, Any], where: str) -> int:
        """Return what the sender pays for a unit of gas (EIP-1559)."""
        if "maxFeePerGas" not in tx:
            return quantity(tx.get("gasPrice"), f"{where}, gasPrice", 256)
        most = quantity(tx["maxFeePerGas"], f"{where}, maxFeePerGas", 256)
        tip = quantity(tx.get("maxPriorityFeePerGas"), f"{where}, maxPriorityFeePerGas", 256)
        return min(most, self.header.base_fee + tip)

    def changed(self, run: Run) -> _Changed:
        """Return what the journal shows to differ from the state before the transaction."""
        out = _Changed({}, {}, {}, {})
        for address, found in run.journal.items():
            known = self.state.get(address, Account())
            storage, balance, nonce, code_hash = found.storage, found.balance, found.nonce, found.code_hash
            if found.destroyed:
                balance, nonce, code_hash = 0, 0, EMPTY_CODE
                storage = dict.fromkeys(known.storage.keys() | found.storage.keys(), 0)
            for slot, value in storage.items():
                if value != known.storage.get(slot, 0):
                    out.storage[address, slot] = (known.storage.get(slot, 0), value)
            if balance != known.balance:
                out.balances[address] = (known.balance, balance)
            if nonce != known.nonce:
                out.nonces[address] = (known.nonce, nonce)
            if code_hash != self.code_hashes[known.code]:
                out.codes[address] = b"" if found.destroyed else run.codes.get(address, b"")
        return out

    def pay(self, changed: _Changed, address: str, amount: int) -> None:
        """Add to a balance, which may be none."""
        before = self.state.get(address, Account()).balance
        after = changed.balances.pop(address, (before, before))[1] + amount
        if after != before:
            changed.balances[address] = (before, after)

    def apply(self, changed: _Changed) -> None:
        """Make the changes part of the state, the EVMs that have their own copy included."""
        told = [evm for evm in (self.revm, self.probe) if evm is not None]
        for address in sorted({*changed.balances, *changed.nonces, *changed.codes}):
            account = self.state.setdefault(address, Account())
            account.balance = changed.balances.get(address, (0, account.balance))[1]
            account.nonce = changed.nonces.get(address, (0, account.nonce))[1]
            account.code = changed.codes.get(address, account.code)
            for evm in told:
                evm.tell(address, Account(account.balance, account.nonce, account.code))
        for (address, slot), (_, value) in changed.storage.items():
            self.state.setdefault(address, Account()).storage[slot] = value
        for evm in told:
            evm.store([(*key, value) for key, (_, value) in changed.storage.items()])


@dataclass(frozen=True)
class _Answer:
    """What an EVM says of a call; ``exact`` if it is py-evm."""

    exact: bool
    run: Run
    looks: opcodes.Looks | None
    balances: frozenset[str]


@dataclass
class _Changed:
    storage: dict[Slot, Change]
    balances: dict[str, Change]
    nonces: dict[str, Change]
    codes: dict[str, bytes]


def _differs(other: Run, run: Run, more: set[str]) -> bool:
    """Say whether a run does something else than another, in which the accounts ``more`` had one wei less."""
    return (
        (other.success, other.gas_used, other.codes.keys()) != (run.success, run.gas_used, run.codes.keys())
        or other.journal.keys() != run.journal.keys()
        or any(
            found.storage != run.journal[a].storage or found.balance - (a in more) != run.journal[a].balance
            for a, found in other.journal.items()
            if not found.destroyed
        )
    )


def _slots(journal: dict[str, Found]) -> set[Slot]:
    return {(address, slot) for address, found in journal.items() for slot in found.storage}


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
