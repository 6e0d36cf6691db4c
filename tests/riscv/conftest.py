"""The step contract on py-evm."""

import pytest

from rollstate.dispute import chain
from rollstate.riscv.on_chain import StepContract


@pytest.fixture(scope="session")
def on_chain():
    with chain.chain("py-evm") as node:
        yield StepContract(node.w3)
