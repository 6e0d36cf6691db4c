"""The step contract on a chain: what it says, and what it costs."""

from __future__ import annotations

from rollstate.dispute.chain import Node
from rollstate.riscv import verifier
from rollstate.riscv.verifier import Witness


class StepContract:
    """The contract, deployed by a chain's first account.

    Parameters
    ----------
    node : Node
        The chain.
    """

    def __init__(self, node: Node) -> None:
        self.node, self.w3 = node, node.w3
        self.sender = self.w3.eth.accounts[0]
        contract, _ = node.deploy(verifier.source(), ())
        self.address, self.functions = contract.address, contract.functions

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
        return self.node.mine(call, self.sender)["gasUsed"]
