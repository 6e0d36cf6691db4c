"""One chain per session, boards on it, and the mark for long runs."""

import random

import pytest
from tests.needs import absent

from rollstate.dispute import chain
from rollstate.dispute.commitment import SparseMerkleTree
from rollstate.dispute.matches import random_transactions
from rollstate.dispute.worlds import World


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; run with -m slow")


def pytest_collection_modifyitems(config, items):
    if "slow" in config.getoption("-m"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with -m slow"))


@pytest.fixture(scope="session", params=["py-evm", pytest.param("anvil", marks=pytest.mark.chain)])
def node(request):
    if request.param == "anvil" and chain.anvil_binary() is None:
        absent(
            "anvil is not installed: npm install @foundry-rs/anvil-linux-amd64, or name it with ROLLSTATE_ANVIL"
        )
    with chain.chain(request.param) as running:
        yield running


@pytest.fixture(scope="session")
def py_evm():
    with chain.chain("py-evm") as running:
        yield running


@pytest.fixture
def make_board(node):
    return lambda rules, genesis: chain.ChainBoard(node, rules, genesis)


@pytest.fixture
def make_world():
    def make(seed: int, depth: int, batches: int = 4, most: int = 6, accounts: int = 6) -> World:
        rng = random.Random(seed)
        keys = rng.sample(range(1 << min(depth, 60)), accounts)
        genesis = {key: rng.randint(1, 20) for key in keys[: accounts - 2]}
        return World(genesis, random_transactions(rng, keys, batches, most), SparseMerkleTree(depth))

    return make
