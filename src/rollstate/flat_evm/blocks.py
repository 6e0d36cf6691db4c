"""Blocks with everything a state has to give and to take: what they read before, what differs after.

Two sources: published blocks with the state before them, and the embedded chain's workload, the project's Vyper
contracts under transfers, swaps, votes and deposits, which needs no data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollstate.errors import InputError
from rollstate.execution import block_inputs, replay
from rollstate.execution.block_inputs import Account, State
from rollstate.traces.live import workload
from rollstate.traces.live.workload import Transaction, Workload

_MINER = "0x" + "99" * 20
_PRICE, _BASE_FEE, _START = 10**9, 10**8, 1_710_338_135 + 12
WORKLOAD_FORK = "CANCUN"
"""Rules of the embedded workload."""
RICH = 10**24
"""Balance of each user of the workload, in wei."""


@dataclass(frozen=True)
class ExecutedBlock:
    """A block that the EVM ran.

    Attributes
    ----------
    number, transactions, gas : int
        Block number, its transactions, their gas.
    before : dict of str to Account
        Every account and slot that a transaction touched, as it was before the block; None for an account that was not.
    after : dict of str to Account
        The accounts that differ after the block, whole, with the slots that differ; one without balance, nonce and code
        is gone.
    evm_seconds : float
        CPU time inside revm.
    """

    number: int
    transactions: int
    gas: int
    before: dict[str, Account | None]
    after: State
    evm_seconds: float

    @property
    def read_keys(self) -> int:
        """Accounts and slots touched."""
        return sum(1 + (len(one.storage) if one else 0) for one in self.before.values())

    @property
    def written_keys(self) -> int:
        """Accounts and slots that differ after the block."""
        return sum(len(one.storage) + (one_changed(self.before.get(a), one)) for a, one in self.after.items())


def one_changed(before: Account | None, after: Account) -> bool:
    """Say whether an account itself differs, its storage left aside."""
    held = before or Account()
    return (held.balance, held.nonce, held.code) != (after.balance, after.nonce, after.code)


def execute(
    block: dict[str, Any],
    state: State,
    hashes: Mapping[int, bytes] | None = None,
    *,
    fork: str | None = None,
) -> ExecutedBlock:
    """Run a block and take down what it read and changed.

    Parameters
    ----------
    block : dict
        Answer of ``eth_getBlockByNumber`` with whole transactions.
    state : dict of str to Account
        Accounts before the block, at least those it touches.
    hashes : dict of int to bytes, optional
        Hashes of earlier blocks by number.
    fork : str, optional
        Rules, as `rollstate.execution.replay.replay` takes them.
    """
    found = replay.replay(block, state, hashes, fork=fork, with_balance_reads=False)
    touched: dict[str, set[int]] = {found.fee_recipient: set()}
    last: State = {}

    def reached(address: str) -> Account:
        if address not in last:
            held = state.get(address, Account())
            last[address] = Account(held.balance, held.nonce, held.code)
        return last[address]

    for one in found.transactions:
        for address in (one.sender, one.to, *one.balances, *one.nonces, *one.codes, *one.code_reads):
            touched.setdefault(address, set())
        for address, slot in (*one.reads, *one.writes):
            touched.setdefault(address, set()).add(slot)
        one.apply(reached)
    # A replay's sets and revm's maps have no order: in that of their keys, what is built from them is always the same.
    before = {address: _part(state.get(address), touched[address]) for address in sorted(touched)}
    after = {}
    for address, account in sorted(last.items()):
        held = before[address] or Account()
        kept = {slot: v for slot, v in sorted(account.storage.items()) if v != held.storage.get(slot, 0)}
        changed = Account(account.balance, account.nonce, account.code, kept)
        if kept or one_changed(held, changed):
            after[address] = changed
    return ExecutedBlock(
        found.number, len(found.transactions), found.gas_used, before, after, found.evm_seconds
    )


def _part(account: Account | None, slots: set[int]) -> Account | None:
    """Return an account with some of its slots, those that are zero included; None if it is empty."""
    if account is None or not (account.balance or account.nonce or account.code or account.storage):
        return None
    held = {slot: account.storage.get(slot, 0) for slot in sorted(slots)}
    return Account(account.balance, account.nonce, account.code, held)


def published(
    folder: Path, *, most_transactions: int | None = None, most_blocks: int | None = None
) -> list[ExecutedBlock]:
    """Run the blocks below a folder (`block_inputs.read_folder`), in the order of their numbers.

    Parameters
    ----------
    folder : Path
        Folder of folders, each named by its block's number.
    most_transactions : int, optional
        Leave blocks with more transactions out.
    most_blocks : int, optional
        Stop after that many.

    Raises
    ------
    InputError
        If none is left.
    """
    named = sorted(
        (one for one in folder.iterdir() if one.is_dir()), key=lambda one: (len(one.name), one.name)
    )
    done: list[ExecutedBlock] = []
    for one in named:
        if most_blocks is not None and len(done) >= most_blocks:
            break
        block, state, hashes = block_inputs.read_folder(one)
        if most_transactions is None or len(block["transactions"]) <= most_transactions:
            done.append(execute(block, state, hashes))
    if not done:
        limit = "" if most_transactions is None else f" of at most {most_transactions} transactions"
        raise InputError(
            f"{folder} holds no block{limit}; each has a folder with block.json and pre_state.json"
        )
    return done


def embedded(load: Workload) -> list[ExecutedBlock]:
    """Run the embedded chain's workload; return the blocks after those that set it up."""
    return [done for _, _, done in _embedded(load)][-load.blocks :]


def embedded_inputs(load: Workload) -> list[tuple[dict[str, Any], State]]:
    """Return the embedded workload's blocks after those that set it up, each with the state before it."""
    return [(block, state) for block, state, _ in _embedded(load)][-load.blocks :]


def _embedded(load: Workload) -> Iterator[tuple[dict[str, Any], State, ExecutedBlock]]:
    listed = workload.blocks(load)
    state: State = {f"0x{tx.sender.hex()}": Account(RICH) for block in listed for tx in block}
    nonces = dict.fromkeys(state, 0)
    for number, transactions in enumerate(listed, 1):
        block = _block(number, transactions, nonces)
        found = execute(block, state, fork=WORKLOAD_FORK)
        yield block, dict(state), found
        advance(state, found.after)


def advance(state: State, after: State) -> None:
    """Make what a block changed part of a state, in place; zeros and empty accounts leave it."""
    for address, one in after.items():
        held = state.get(address, Account())
        storage = {slot: value for slot, value in (held.storage | one.storage).items() if value}
        if one.balance or one.nonce or one.code:
            state[address] = Account(one.balance, one.nonce, one.code, storage)
        else:
            state.pop(address, None)


def _block(number: int, transactions: Sequence[Transaction], nonces: dict[str, int]) -> dict[str, Any]:
    """Return a block as an endpoint would; `nonces` counts on."""
    listed = []
    for tx in transactions:
        sender = f"0x{tx.sender.hex()}"
        listed.append(
            {
                "from": sender, "to": f"0x{tx.to.hex()}" if tx.to else None, "nonce": hex(nonces[sender]),
                "value": "0x0", "input": f"0x{tx.data.hex()}", "gas": hex(workload.GAS), "gasPrice": hex(_PRICE),
            }
        )  # fmt: skip
        nonces[sender] += 1
    return {
        "number": hex(number), "timestamp": hex(_START + 12 * number), "miner": _MINER, "difficulty": "0x0",
        "mixHash": "0x" + "00" * 32, "gasLimit": hex(10**12), "gasUsed": "0x0", "baseFeePerGas": hex(_BASE_FEE),
        "excessBlobGas": "0x0", "transactions": listed,
    }  # fmt: skip
