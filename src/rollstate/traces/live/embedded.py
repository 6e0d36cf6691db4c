"""The workload on py-evm in this process, with every SLOAD and SSTORE written down.

From the opcodes and the state follow the answers that a node would give: the prestate tracer's in both modes, by
geth's rules, and the logs. The extractors read those answers as they would a node's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from rollstate.traces.live.workload import GAS, Transaction
from rollstate.traces.prestate import ZERO

SLOAD, SSTORE = 0x54, 0x55
GAS_PRICE = 10**9
TRUTH_SCHEMA = pl.Schema(
    {
        "block_number": pl.Int64,
        "tx_index": pl.Int32,
        "address": pl.Binary,
        "slot": pl.Binary,
        "loaded": pl.Boolean,
        "stored": pl.Boolean,
        "changed": pl.Boolean,
    }
)
"""Opcode-level truth: one row per transaction and slot that an SLOAD or SSTORE of it named, in failed calls too;
``changed`` if the slot has another value after the transaction."""


@dataclass(frozen=True)
class BlockViews:
    """What a node would answer about one block, and the truth.

    Attributes
    ----------
    full, diff : list
        ``debug_traceBlockByNumber`` with the prestate tracer, diffMode false and true.
    logs : list
        ``eth_getLogs`` of the block.
    truth : list of tuple
        Rows of `TRUTH_SCHEMA`.
    succeeded : list of bool
        Outcome of each transaction.
    """

    number: int
    full: list[dict[str, Any]]
    diff: list[dict[str, Any]]
    logs: list[dict[str, Any]]
    truth: list[tuple]
    succeeded: list[bool]


def play(blocks: list[list[Transaction]], first: int = 1) -> list[BlockViews]:
    """Execute blocks of transactions from an empty state, the first with number `first`."""
    machine = _Machine({tx.sender for block in blocks for tx in block})
    return [machine.block(number, block) for number, block in enumerate(blocks, first)]


def truth(views: list[BlockViews]) -> pl.DataFrame:
    """Return `TRUTH_SCHEMA` of some blocks."""
    return pl.DataFrame([row for view in views for row in view.truth], TRUTH_SCHEMA, orient="row")


class _Machine:
    def __init__(self, senders: set[bytes]) -> None:
        from eth.chains.base import MiningChain
        from eth.db.atomic import AtomicDB
        from eth.vm.forks.cancun import CancunVM
        from eth.vm.opcode import as_opcode

        touched: list[tuple[bytes, int, bool, int]] = []
        self._touched = touched

        def watch(opcode: Any, stores: bool) -> Any:
            def logic(computation: Any) -> None:
                slot = computation.stack_pop1_int()
                computation.stack_push_int(slot)
                address = computation.msg.storage_address
                touched.append((address, slot, stores, computation.state.get_storage(address, slot)))
                opcode.logic_fn(computation)

            return as_opcode(logic, opcode.mnemonic, opcode.gas_cost)

        state_class = CancunVM._state_class
        computation_class = state_class.computation_class
        opcodes = dict(computation_class.opcodes)
        for code in (SLOAD, SSTORE):
            opcodes[code] = watch(opcodes[code], code == SSTORE)
        watched = type("Watched", (computation_class,), {"opcodes": opcodes})
        state = type("WatchedState", (state_class,), {"computation_class": watched})
        vm_class = type("WatchedVM", (CancunVM,), {"_state_class": state})
        # Addresses are plain bytes here and a type of their own there.
        chain_class: Any = MiningChain.configure("Embedded", vm_configuration=((0, vm_class),), chain_id=1337)
        rich: Any = {"balance": 10**24, "nonce": 0, "code": b"", "storage": {}}
        genesis = {"difficulty": 0, "gas_limit": 10**12, "timestamp": 1, "coinbase": bytes(20)}
        chain = chain_class.from_genesis(AtomicDB(), genesis, dict.fromkeys(sorted(senders), rich))
        self._vm: Any = chain.get_vm()

    def block(self, number: int, transactions: list[Transaction]) -> BlockViews:
        view = BlockViews(number, [], [], [], [], [])
        for index, transaction in enumerate(transactions):
            self._transaction(view, index, transaction)
        return view

    def _transaction(self, view: BlockViews, index: int, transaction: Transaction) -> None:
        from eth.vm.spoof import SpoofTransaction

        state = self._vm.state
        state.lock_changes()
        self._touched.clear()
        unsigned = self._vm.create_unsigned_transaction(
            nonce=state.get_nonce(transaction.sender),
            gas_price=GAS_PRICE,
            gas=GAS,
            to=transaction.to or b"",
            value=0,
            data=transaction.data,
        )
        done = state.apply_transaction(SpoofTransaction(unsigned, from_=transaction.sender))
        before: dict[tuple[bytes, int], int] = {}
        loaded: set[tuple[bytes, int]] = set()
        stored: set[tuple[bytes, int]] = set()
        for address, slot, stores, old in self._touched:
            before.setdefault((address, slot), old)
            (stored if stores else loaded).add((address, slot))
        after = {key: state.get_storage(*key) for key in before}
        changed = {key for key in before if before[key] != after[key]}
        new = done.msg.storage_address if transaction.to is None else None
        full: dict[str, Any] = {}
        sides: dict[str, dict[str, Any]] = {"pre": {}, "post": {}}
        for key in sorted(before):
            # A contract that the transaction creates was empty before, and the tracer leaves it out.
            if key[0] != new:
                _list(full, key, before[key])
            for side, values in (("pre", before), ("post", after)):
                if key in changed and values[key]:
                    _list(sides[side], key, values[key])
            word = key[1].to_bytes(32, "big")
            flags = (key in loaded, key in stored, key in changed)
            view.truth.append((view.number, index, key[0], word, *flags))
        view.full.append({"result": full})
        view.diff.append({"result": sides})
        view.succeeded.append(done.is_success)
        for address, topics, data in done.get_log_entries():
            view.logs.append(
                {
                    "address": "0x" + address.hex(),
                    "topics": [f"0x{topic:064x}" for topic in topics],
                    "data": "0x" + data.hex(),
                    "blockNumber": hex(view.number),
                    "blockHash": "0x" + ZERO.hex(),
                    "transactionIndex": hex(index),
                    "logIndex": hex(len(view.logs)),
                    "removed": False,
                }
            )


def _list(accounts: dict[str, Any], key: tuple[bytes, int], value: int) -> None:
    storage = accounts.setdefault("0x" + key[0].hex(), {"storage": {}})["storage"]
    storage[f"0x{key[1]:064x}"] = f"0x{value:064x}"
