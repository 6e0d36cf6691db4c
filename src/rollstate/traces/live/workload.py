"""Users of a few contracts, as a list of transactions: heavy-tailed, bursty, with contracts that die.

The list is a pure function of its parameters and holds addresses and calldata only, so that it can be sent to any
chain where the first user deploys the contracts in order and its nonce counts from zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from eth_abi import encode
from eth_hash.auto import keccak

from rollstate.errors import InputError
from rollstate.traces.transfer_logs import TokenLayout

CONTRACTS = ("gold", "silver", "fad", "collectible", "pool", "registry", "bridge")
"""In the order of deployment; the first three are ERC-20 tokens, of which `fad` falls out of use."""
SOURCES = {"gold": "token", "silver": "token", "fad": "token"}
SUPPLY = 10**12
GAS = 1_500_000
"""Gas limit of a transaction."""


@dataclass(frozen=True)
class Transaction:
    """One transaction; ``to`` is None where it deploys a contract."""

    sender: bytes
    to: bytes | None
    data: bytes


@dataclass(frozen=True)
class Workload:
    """Who does how much.

    Attributes
    ----------
    blocks : int
        Blocks after those of the set-up.
    users : int
        Number of users.
    exponent : float
        Users are chosen with weight rank ** -exponent.
    rate, burst : float
        Mean transactions of a block in calm and in bursts.
    fad_ends : float
        Share of the blocks after which nobody uses the token `fad`.
    seed : int
        Seed.
    """

    blocks: int = 300
    users: int = 200
    exponent: float = 1.1
    rate: float = 4.0
    burst: float = 16.0
    fad_ends: float = 0.4
    seed: int = 20_261_121

    def __post_init__(self) -> None:
        if min(self.blocks, self.users) < 2 or min(self.rate, self.burst) <= 0:
            raise InputError("a workload needs at least 2 blocks and 2 users, and positive rates")


@cache
def compiled(name: str) -> bytes:
    """Return the creation code of one of `CONTRACTS`, without arguments; compiled once per process."""
    import vyper

    text = (resources.files(__package__) / "contracts" / f"{SOURCES.get(name, name)}.vy").read_text(
        encoding="utf-8"
    )
    return bytes.fromhex(vyper.compile_code(text, output_formats=["bytecode"])["bytecode"][2:])


def user(number: int) -> bytes:
    """Return the address of a user."""
    return keccak(f"user {number}".encode())[12:]


def created(sender: bytes, nonce: int) -> bytes:
    """Return the address of the contract that a sender's transaction with this nonce deploys."""
    import rlp

    return keccak(rlp.encode([sender, nonce]))[12:]


def addresses() -> dict[str, bytes]:
    """Return the address of each contract."""
    return {name: created(user(0), nonce) for nonce, name in enumerate(CONTRACTS)}


def layouts() -> dict[bytes, TokenLayout]:
    """Return where the tokens keep balances and owners, as their sources say."""
    at = addresses()
    tokens = {at[name]: TokenLayout(0, compiler="vyper") for name in ("gold", "silver", "fad")}
    return tokens | {at["collectible"]: TokenLayout(0, owners=1, compiler="vyper")}


def call(signature: str, *values: Any) -> bytes:
    """Return calldata."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak(signature.encode())[:4] + encode(types.split(",") if types else [], values)


def blocks(load: Workload) -> list[list[Transaction]]:
    """Return the transactions of each block; the first blocks deploy, mint and approve."""
    at, boss = addresses(), user(0)
    arguments = {
        "pool": encode(["address", "address"], [at["gold"], at["silver"]]),
        "bridge": encode(["address"], [at["gold"]]),
    }
    out = [[Transaction(boss, None, compiled(name) + arguments.get(name, b""))] for name in CONTRACTS]
    for name in ("gold", "silver", "fad"):
        holders = range(load.users // 4)
        mints = [call("mint(address,uint256)", user(n), SUPPLY) for n in holders]
        out.append([Transaction(user(n), at[name], data) for n, data in zip(holders, mints, strict=True)])
    for name, spender in (("gold", "pool"), ("silver", "pool"), ("gold", "bridge")):
        data = call("approve(address,uint256)", at[spender], 2**255)
        spenders = range(load.users // 2) if spender == "bridge" else range(load.users)
        senders = [user(n) for n in spenders]
        out += [
            [Transaction(one, at[name], data) for one in senders[k : k + 25]]
            for k in range(0, len(senders), 25)
        ]
    out.append([Transaction(boss, at["pool"], call("add(uint256)", SUPPLY // 10))])
    return out + _traffic(load, at)


def setup_blocks(load: Workload) -> int:
    """Return how many of the blocks set the chain up."""
    return len(blocks(load)) - load.blocks


def _traffic(load: Workload, at: dict[str, bytes]) -> list[list[Transaction]]:
    rng = np.random.default_rng(load.seed)
    weights = np.arange(1, load.users + 1) ** -load.exponent
    weights /= weights.sum()
    out, bursting = [], False
    state = {"minted": 0, "queued": 0, "deposits": []}
    for block in range(load.blocks):
        # Bursts begin about once in 25 blocks and last five on average.
        bursting = rng.random() < (0.8 if bursting else 0.04)
        count = rng.poisson(load.burst if bursting else load.rate)
        senders = rng.choice(load.users, count, p=weights)
        faddish = block < load.fad_ends * load.blocks
        out.append([_action(rng, int(sender), weights, at, state, faddish) for sender in senders])
    return out


def _action(rng: Any, sender: int, weights: Any, at: dict, state: dict, faddish: bool) -> Transaction:
    """Draw what one user does; some of it fails, as on any chain."""
    me = user(sender)
    other = user(int(rng.choice(len(weights), p=weights)))
    value = int(rng.pareto(1.2) * 50)
    token = rng.choice(["gold", "silver", "fad"], p=[0.5, 0.3, 0.2] if faddish else [0.6, 0.4, 0.0])
    name = keccak(f"name {int(rng.zipf(1.6))}".encode())

    def to(contract: str, signature: str, *values: Any) -> Transaction:
        return Transaction(me, at[contract], call(signature, *values))

    kind = rng.choice(
        ["transfer", "mint", "approve", "swap", "collect", "give", "claim", "release", "vote", "check", "deposit",
         "withdraw", "deploy"],
        p=[0.3, 0.04, 0.05, 0.2, 0.06, 0.06, 0.06, 0.02, 0.05, 0.05, 0.06, 0.04, 0.01],
    )  # fmt: skip
    if kind == "transfer":
        return to(token, "transfer(address,uint256)", other, value)
    if kind == "mint":
        return to(token, "mint(address,uint256)", me, 1000)
    if kind == "approve":
        return to(token, "approve(address,uint256)", other, value)
    if kind == "swap":
        return to("pool", "swap(bool,uint256)", bool(rng.random() < 0.5), value)
    if kind == "collect":
        state["minted"] += 1
        return to("collectible", "mint()")
    if kind == "give":
        return to(
            "collectible",
            "transferFrom(address,address,uint256)",
            me,
            other,
            int(rng.integers(state["minted"] + 1)),
        )
    if kind in ("claim", "release", "check"):
        return to("registry", f"{kind}(bytes32)", name)
    if kind == "vote":
        return to("registry", "vote(uint256)", int(rng.integers(5)))
    if kind == "deposit":
        state["deposits"].append((sender, state["queued"], value))
        state["queued"] += 1
        return to("bridge", "deposit(uint256)", value)
    if kind == "withdraw" and state["deposits"]:
        owner, message, amount = state["deposits"].pop(0)
        return Transaction(user(owner), at["bridge"], call("withdraw(uint256,uint256)", message, amount))
    if kind == "deploy":
        return Transaction(me, None, compiled("bridge") + encode(["address"], [at["gold"]]))
    return to(token, "transfer(address,uint256)", me, 0)
