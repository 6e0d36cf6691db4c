"""The contracts on py-evm, and on anvil where there is one."""

import pytest
from tests.needs import absent

from rollstate.dispute import chain
from rollstate.riscv.on_chain import StepContract


@pytest.fixture(scope="session", params=["py-evm", pytest.param("anvil", marks=pytest.mark.chain)])
def node(request):
    if request.param == "anvil" and chain.anvil_binary() is None:
        absent(
            "anvil is not installed: npm install @foundry-rs/anvil-linux-amd64, or name it with ROLLSTATE_ANVIL"
        )
    with chain.chain(request.param) as running:
        yield running


@pytest.fixture(scope="session")
def py_evm_node():
    with chain.chain("py-evm") as running:
        yield running


@pytest.fixture(scope="session")
def on_chain(node):
    return StepContract(node)
