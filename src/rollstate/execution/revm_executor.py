"""The EVM of revm, through `pyrevm <https://pypi.org/project/pyrevm/>`_: fast, with gaps that pyrevm leaves.

BASEFEE gives zero, BLOCKHASH other hashes than the true ones, and a sender's balance includes its fee while its
transaction runs. `rollstate.execution.py_evm_executor` has none of these gaps, and is a hundred times slower.
"""

from __future__ import annotations

import contextlib
import io
import re
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pyrevm

from rollstate.errors import InputError
from rollstate.execution import block_reads
from rollstate.execution.block_inputs import Account, State
from rollstate.execution.evm_calls import Call, CodeHashes, Found, Header, Run

_ACCOUNT = re.compile(
    r"0x([0-9a-f]{40}): Account \{ info: AccountInfo \{ balance: (\d+), nonce: (\d+), code_hash: 0x([0-9a-f]{64}), "
    r".*?\}, storage: \{(.*?)\}, status: AccountStatus\(([^)]*)\) \}"
)
_STORAGE = re.compile(r"(\d+): StorageSlot \{ previous_or_original_value: (\d+), present_value: (\d+) \}")
_PADDING = 33


class Revm:
    """One EVM that knows the state; `tell` and `store` bring it what changes.

    Parameters
    ----------
    header : Header
        The block's.
    state : dict of str to Account
        The present state, which later changes.
    fork : str
        Rules, in revm's words.
    hashes : CodeHashes
        Hashes of code.
    tracing : bool
        Whether runs carry a trace of their opcodes.
    blind : bool
        Whether code that asks for the base fee or for the hash of a block halts there.
    """

    def __init__(
        self,
        header: Header,
        state: State,
        fork: str,
        hashes: CodeHashes,
        *,
        tracing: bool = False,
        blind: bool = False,
    ) -> None:
        self.state, self.hashes, self.blind, self.seconds = state, hashes, blind, 0.0
        self.recipient = header.recipient
        env = pyrevm.BlockEnv(
            number=header.number,
            coinbase=header.recipient,
            timestamp=header.timestamp,
            difficulty=header.difficulty,
            prevrandao=header.mix_hash,
            basefee=header.base_fee,
            gas_limit=header.gas_limit,
            excess_blob_gas=header.excess_blob_gas,
        )
        self.evm = pyrevm.EVM(
            pyrevm.Env(block=env), gas_limit=header.gas_limit, tracing=tracing, spec_id=fork.title()
        )
        for address, account in state.items():
            self.tell(address, account)

    def tell(self, address: str, account: Account) -> None:
        """Put an account into the EVM's database, with the storage that it lists."""
        code = block_reads.blind(account.code) if self.blind else account.code
        # The type stub of pyrevm leaves out what the class takes.
        make_info: Any = pyrevm.AccountInfo
        info = make_info(balance=account.balance, nonce=account.nonce, code=code or None)
        self.evm.insert_account_info(address, info)
        self.store([(address, slot, value) for slot, value in account.storage.items()])

    def store(self, values: list[tuple[str, int, int]]) -> None:
        """Put storage into the database, where it goes while its account is not loaded: each load is undone."""
        for address, slot, value in values:
            mark = self.evm.snapshot()
            self.evm.insert_account_storage(address, slot, value)
            self.evm.revert(mark)

    def execute(self, call: Call, more: Collection[str] = ()) -> Run:
        """Run a call, with one wei more in the accounts ``more``, take down what it did, and undo it."""
        for address in more:
            known = self.state.get(address, Account())
            self.tell(address, Account(known.balance + 1, known.nonce, known.code))
        try:
            return self._execute(call)
        finally:
            for address in more:
                known = self.state.get(address, Account())
                self.tell(address, Account(known.balance, known.nonce, known.code))

    def _execute(self, call: Call) -> Run:
        evm = self.evm
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
            address: self._unpadded(bytes(evm.get_code(address) or b""), found.code_hash)
            for address, found in journal.items()
            if found.code_hash != self.hashes[self.state.get(address, Account()).code]
        }
        evm.revert(mark)
        if call.create:
            # pyrevm takes the fee for creations alone, and gives the recipient all of it.
            _give(journal, call.sender, result.gas_used * call.price)
            _give(journal, self.recipient, -result.gas_used * call.price)
        return Run(result.is_success, result.gas_used, result.gas_refunded, journal, codes, seen.getvalue())

    def _unpadded(self, code: bytes, code_hash: str) -> bytes:
        """Return new code without the zeros that revm appends to it, so that its hash is the journal's."""
        for found in (code, code[:-_PADDING]):
            if self.hashes[found] == code_hash:
                return found
        raise InputError(f"revm gives code of {len(code)} bytes whose hash is not {code_hash}")


def _journal(evm: pyrevm.EVM) -> dict[str, Found]:
    """Return the accounts that the running transaction loaded, from the journal's text."""
    text = evm.journal_str
    return {
        f"0x{address}": Found(
            int(balance),
            int(nonce),
            code_hash,
            {int(slot): int(value) for slot, _, value in _STORAGE.findall(storage)},
            "SelfDestructed" in status,
        )
        for address, balance, nonce, code_hash, storage, status in _ACCOUNT.findall(text)
    }


def _give(journal: dict[str, Found], address: str, amount: int) -> None:
    found = journal[address]
    journal[address] = replace(found, balance=found.balance + amount)
