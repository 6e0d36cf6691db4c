"""The step contract on a chain: what it says, and what it costs."""

from __future__ import annotations

from typing import Any

from rollstate.dispute.chain import compile_source
from rollstate.riscv import verifier
from rollstate.riscv.verifier import Witness

_DEPLOY_GAS, _STEP_GAS = 15_000_000, 2_000_000


class StepContract:
    """The contract, deployed by a chain's first account.

    Parameters
    ----------
    w3 : web3.Web3
        The chain.
    """

    def __init__(self, w3: Any) -> None:
        self.w3, self.sender = w3, w3.eth.accounts[0]
        compiled = compile_source(verifier.source())
        made = w3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
        sent = made.constructor().transact({"from": self.sender, "gas": _DEPLOY_GAS})
        self.address = w3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        self.functions = w3.eth.contract(address=self.address, abi=compiled["abi"]).functions

    @property
    def code_bytes(self) -> int:
        """Length of its code."""
        return len(self.w3.eth.get_code(self.address))

    def step(self, before: bytes, witness: Witness) -> bytes:
        """Return the hash of the state that follows, by the contract."""
        return self.functions.step(*verifier.arguments(before, witness)).call()

    def gas(self, before: bytes, witness: Witness) -> int:
        """Return the gas of a transaction that checks the step, from its receipt."""
        call = self.functions.step(*verifier.arguments(before, witness))
        sent = call.transact({"from": self.sender, "gas": _STEP_GAS})
        return self.w3.eth.wait_for_transaction_receipt(sent)["gasUsed"]
