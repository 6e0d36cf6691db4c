"""The contract on a chain, message by message beside the Python rules.

The default chain is py-evm in this process (through eth-tester); where an ``anvil`` binary is at hand the same
messages run there. Time is set for every block, so gas is reproducible.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any, ClassVar

from rollstate.derived import derived_folder
from rollstate.dispute.commitment import Path, check_depth
from rollstate.dispute.game import Game, Rollup, Rules
from rollstate.dispute.step import StepWitness, require
from rollstate.errors import InputError, RollstateError

START = 1_000_000
"""Time of the first block, seconds: fixed, so that calldata and hence gas do not depend on the day."""
GAS_LIMIT = 30_000_000
GAS_PRICE = 10**9
ACCOUNTS = 10

NAIVE = (
    (
        "    # Nothing becomes final here: the challenger may have lost on purpose.\n",
        "    self.finalised = max(self.finalised, game.batch)  # naive: defended, so taken for true\n",
    ),
)
"""The one edit that makes the contract naive: a defended batch is final."""


PARTS = ("rollup.vy", "lists.vy", "transfers.vy")
"""The contract's parts in order; the last is the machine that a game ends with."""


class Disagreement(RollstateError):
    """The contract and the Python rules did different things; one of them has a bug."""


def part(name: str) -> str:
    """Return the text of a part of the contract."""
    return (resources.files("rollstate.dispute") / "contracts" / name).read_text(encoding="utf-8")


def source(depth: int = 32, edits: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the contract's source for a depth of the tree.

    Parameters
    ----------
    depth : int
        Levels of the state tree, a constant of the contract.
    edits : tuple of (old, new)
        Changes to the text, for contracts that are wrong on purpose such as `NAIVE`.

    Raises
    ------
    InputError
        If an old text does not occur exactly once.
    """
    text = "\n\n".join(map(part, PARTS))
    line = "DEPTH: constant(uint256) = {}  #"
    return edited(text, ((line.format(32), line.format(check_depth(depth))), *edits))


def edited(text: str, edits: tuple[tuple[str, str], ...]) -> str:
    """Return a source with each old text replaced by its new one.

    Raises
    ------
    InputError
        If an old text does not occur exactly once.
    """
    for old, new in edits:
        if text.count(old) != 1:
            raise InputError(f"the contract does not hold this text exactly once: {old!r}")
        text = text.replace(old, new)
    return text


@cache
def compile_source(text: str) -> dict[str, Any]:
    """Return ``abi`` and ``bytecode``.

    Compiled once on a machine: the file is named by a hash of the very text, the compiler's version and the formats, so
    a change of any of them compiles anew.
    """
    formats = ["abi", "bytecode"]
    named = "\0".join((version("vyper"), *formats, text))
    kept = derived_folder("contracts") / f"{hashlib.sha256(named.encode()).hexdigest()}.json"
    with suppress(OSError, ValueError):
        return json.loads(kept.read_text())
    import vyper

    out = vyper.compile_code(text, output_formats=formats)
    # Written elsewhere first, so that nobody reads half a file. Where nothing can be written, only time is lost.
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=kept.parent, suffix=".part", delete=False) as half:
            json.dump(out, half)
        os.replace(half.name, kept)
    return out


def anvil_binary() -> str | None:
    """Return the path of ``anvil``: ``ROLLSTATE_ANVIL`` or the one on the path, if any."""
    return os.environ.get("ROLLSTATE_ANVIL") or shutil.which("anvil")


class Node:
    """A running chain: `w3` speaks to it, and every transaction gets a block of its own.

    Blocks get their times from here alone. A node's own clock would leak into what later messages carry, and with the
    zero bytes of a time, which are cheaper, into their gas.
    """

    name: ClassVar[str]
    w3: Any

    def set_time(self, now: int) -> None:
        """Set the time of the next block."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop what was started."""

    def now(self) -> int:
        """Return the time of the last block."""
        return self.w3.eth.get_block("latest")["timestamp"]

    def mine(self, call: Any, by: str, *, now: int | None = None, value: int = 0) -> Any:
        """Send a contract call in a block of its own; return the receipt.

        Parameters
        ----------
        call : web3 contract function or constructor
            With its arguments.
        by : str
            Address of the sender.
        now : int, optional
            Time of the block; one second after the last block's by default.
        value : int
            Wei that go with it.
        """
        self.set_time(self.now() + 1 if now is None else now)
        sender = self.w3.to_checksum_address(by)
        sent = call.transact({"from": sender, "value": value, "gas": GAS_LIMIT // 2, "gasPrice": GAS_PRICE})
        return self.w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)

    def deploy(
        self, text: str, constants: tuple, *, now: int | None = None, value: int = 0
    ) -> tuple[Any, int]:
        """Deploy a contract of some source by the chain's first account; return it, and the gas it took.

        Raises
        ------
        RollstateError
            If the contract refuses its constants.
        """
        out = compile_source(text)
        factory = self.w3.eth.contract(abi=out["abi"], bytecode=out["bytecode"])
        receipt = self.mine(factory.constructor(*constants), self.w3.eth.accounts[0], now=now, value=value)
        if receipt["status"] != 1:
            raise RollstateError(f"the contract refused its constants: {constants}")
        return self.w3.eth.contract(address=receipt["contractAddress"], abi=out["abi"]), receipt["gasUsed"]


class PyEvm(Node):
    """py-evm in this process."""

    name = "py-evm"

    def __init__(self) -> None:
        from eth_tester import EthereumTester, PyEVMBackend
        from web3 import EthereumTesterProvider, Web3

        parameters = PyEVMBackend.generate_genesis_params({"gas_limit": GAS_LIMIT, "timestamp": START})
        self._backend = PyEVMBackend(genesis_parameters=parameters)
        self.w3 = Web3(EthereumTesterProvider(EthereumTester(self._backend)))

    def set_time(self, now: int) -> None:
        """Set the time of the next block."""
        chain = self._backend.chain
        chain.header = chain.header.copy(timestamp=now)


class Anvil(Node):
    """An ``anvil`` process on a free local port."""

    name = "anvil"

    def __init__(self, binary: str) -> None:
        from web3 import HTTPProvider, Web3

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._process = subprocess.Popen(
            [
                binary, "--port", str(port), "--silent", "--timestamp", str(START),
                "--gas-limit", str(GAS_LIMIT), "--hardfork", "prague",
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        self.w3 = Web3(HTTPProvider(f"http://127.0.0.1:{port}"))
        for _ in range(100):
            with suppress(Exception):
                if self.w3.is_connected():
                    return
            time.sleep(0.05)
        self.close()
        raise RollstateError(f"{binary} did not answer on port {port} within 5 s")

    def set_time(self, now: int) -> None:
        """Set the time of the next block."""
        from web3.types import RPCEndpoint

        self.w3.provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [now])

    def close(self) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.wait(timeout=10)


@contextmanager
def chain(name: str = "py-evm") -> Iterator[Node]:
    """Start a chain, ``"py-evm"`` or ``"anvil"``; stop it at the end.

    Raises
    ------
    InputError
        If there is no ``anvil`` binary.
    """
    if name == "py-evm":
        running: Node = PyEvm()
    elif name == "anvil":
        binary = anvil_binary()
        if binary is None:
            raise InputError("no anvil on the PATH; install Foundry or name the binary in ROLLSTATE_ANVIL")
        running = Anvil(binary)
    else:
        raise InputError(f"unknown chain {name!r}; known are 'py-evm' and 'anvil'")
    try:
        yield running
    finally:
        running.close()


@dataclass(frozen=True)
class Message:
    """One message that went through."""

    name: str
    by: str
    now: int
    game_id: int | None
    gas: int
    game: Game | None


GAME_MESSAGES = {
    "respond_agree": "respondAgree",
    "respond_disagree": "respondDisagree",
    "post_roots": "postRoots",
    "pick": "pick",
    "post_trace": "postTrace",
    "prove": "prove",
    "timeout": "timeout",
    "close_void": "closeVoid",
}
MESSAGES = GAME_MESSAGES | {
    "resign": "resign",
    "post_batch": "postBatch",
    "force_batch": "forceBatch",
    "claim_batch": "claimBatch",
    "finalise": "finalise",
    "post_checkpoint": "postCheckpoint",
    "accept_checkpoint": "acceptCheckpoint",
    "open_challenge": "openChallenge",
    "challenge_checkpoint": "challengeCheckpoint",
    "open_exit": "openExit",
    "exit": "exit",
    "withdraw": "withdraw",
}
"""Python name of each message and the contract's."""
OPENING = ("open_challenge", "challenge_checkpoint", "pick", "enter_program")
"""Messages that return the number of the game that goes on."""


class LocalBoard:
    """Where a game is played: here by the Python rules alone.

    Attributes
    ----------
    rollup : Rollup
        The state.
    messages : list of Message
        What went through, in order.
    now : int
        Time of the last message, seconds.
    """

    game_messages: ClassVar[dict[str, str]] = GAME_MESSAGES
    """Messages that belong to a game; their first argument is its number."""

    def __init__(self, rules: Rules, genesis: bytes, vault: int = 0) -> None:
        self.rollup = self._begin(rules, genesis, vault)
        self.rules = rules
        self.accounts = [f"0x{i:040x}" for i in range(1, ACCOUNTS + 1)]
        self.messages: list[Message] = []
        self.now = START + 1

    def _begin(self, rules: Rules, genesis: bytes, vault: int) -> Rollup:
        return Rollup(rules, genesis, vault)

    def rules_of(self, name: str) -> Any:
        """Return whose message `name` is: an object with a method of that name, and with games."""
        return self.rollup

    def send(self, name: str, by: str, *arguments: Any, value: int = 0, wait: int = 1) -> Any:
        """Send a message `wait` seconds after the last one.

        Raises
        ------
        Refused
            With the contract's reason; nothing has changed then, not even the time.
        """
        paid = {"value": value} if value else {}
        rules = self.rules_of(name)
        game_id = arguments[0] if arguments and name in self.game_messages else None
        before = rules.games.get(game_id) if game_id else None
        result = getattr(rules, name)(by, self.now + wait, *arguments, **paid)
        self.now += wait
        game_id = result if name in OPENING else game_id
        gas = self._transmit(name, by, arguments, value, before, game_id)
        after = rules.games.get(game_id) if game_id else None
        self.messages.append(Message(name, by, self.now, game_id, gas, after))
        return result

    def _transmit(
        self, name: str, by: str, arguments: tuple, value: int, before: Game | None, game_id: int | None
    ) -> int:
        return 0


class ChainBoard(LocalBoard):
    """The same board with the contract beside the Python rules.

    Every message is checked by the Python rules first, so a refusal costs nothing; then it is sent, and the
    game's stored hash is compared.

    Parameters
    ----------
    node : Node
        A running chain.
    rules : Rules
        Constants, deployed with the contract.
    genesis : bytes
        ``h(S_0)``.
    edits : tuple of (old, new)
        Changes to the contract's source; see `source`.
    vault : int
        Wei deployed with the contract, from which exits are paid.
    """

    def __init__(
        self,
        node: Node,
        rules: Rules,
        genesis: bytes,
        edits: tuple[tuple[str, str], ...] = (),
        vault: int = 0,
    ) -> None:
        super().__init__(rules, genesis, vault)
        self.node, self.w3 = node, node.w3
        self.accounts = [account.lower() for account in self.w3.eth.accounts]
        self.now = max(START, node.now()) + 1
        self.deploy_gas = 0
        self.contract = self._deploy_all((genesis, *astuple(rules)[1:]), edits, vault)

    def _deploy_all(self, constants: tuple, edits: tuple[tuple[str, str], ...], vault: int) -> Any:
        return self.deploy(source(self.rules.depth, edits), constants, vault)

    def deploy(self, text: str, constants: tuple, value: int = 0) -> Any:
        """Return a deployed contract; what it costs is added to `deploy_gas`."""
        contract, gas = self.node.deploy(text, constants, now=self.now, value=value)
        self.deploy_gas += gas
        return contract

    def call_of(self, name: str, arguments: tuple, game: Game | None) -> Any:
        """Return the contract call of a message; messages within a game carry its state."""
        plain = [part for argument in arguments for part in _plain(argument)]
        if name in self.game_messages:
            if game is None:
                raise InputError(f"message {name!r} belongs to a game; name the game")
            plain = [plain[0], game_tuple(game, self.w3), *plain[1:]]
        return self._function(name)(*plain)

    def _function(self, name: str) -> Any:
        """Return the contract's function for a message, which takes plain arguments."""
        return getattr(self.contract.functions, MESSAGES[name])

    def stored(self, name: str, game_id: int) -> bytes:
        """Return what the contract that takes message `name` stores of a game."""
        return self.contract.functions.games(game_id).call()

    def reason(
        self, name: str, by: str, *arguments: Any, value: int = 0, wait: int = 1, game: Game | None = None
    ) -> str | None:
        """Return why the contract itself would revert a message, None if it would take it; nothing is sent."""
        if game is None and name in self.game_messages:
            game = self.rules_of(name).games[arguments[0]]
        self.node.set_time(self.now + wait)
        sender = self.w3.to_checksum_address(by)
        return self._revert_of(self.call_of(name, arguments, game), {"from": sender, "value": value})[0]

    @staticmethod
    def _revert_of(call: Any, options: dict[str, Any]) -> tuple[str | None, Any]:
        """Call without sending; return the reason of a revert, or None and the result."""
        try:
            return None, call.call({"gas": GAS_LIMIT // 2, **options}, block_identifier="pending")
        except Exception as error:
            text = str(error.args[0])
            if "revert" not in text:
                raise
            return text.removeprefix("execution reverted: "), None

    def _transmit(
        self, name: str, by: str, arguments: tuple, value: int, before: Game | None, game_id: int | None
    ) -> int:
        receipt = self.node.mine(self.call_of(name, arguments, before), by, now=self.now, value=value)
        if receipt["status"] != 1:
            raise Disagreement(f"the contract reverted {name}{arguments!r:.200}, the Python rules took it")
        if game_id is not None:
            game = self.rules_of(name).games.get(game_id)
            stored = self.stored(name, game_id)
            if stored != (game.commitment() if game else bytes(32)):
                raise Disagreement(
                    f"after {name} game {game_id} is stored as 0x{stored.hex()}, expected {game}"
                )
        return receipt["gasUsed"]

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Return every stored number on which the contract and the Python rules differ: name to both."""
        read, ours = self.contract.functions, self.rollup
        pairs: dict[str, tuple[Any, Any]] = {
            name: (getattr(read, name)().call(), getattr(ours, name))
            for name in (
                "posted",
                "claimed",
                "finalised",
                "history",
                "forced_at",
                "r",
                "root",
                "due",
                "game_count",
                "active_at",
                "stake",
                "vault",
                "exit_count",
                "burned",
            )
        }
        pairs["sequencer"] = (read.sequencer().call().lower(), ours.sequencer)
        pairs["pending"] = (_lower(read.pending().call()), astuple(ours.pending))
        pairs["balance"] = (self.w3.eth.get_balance(self.contract.address), ours.balance)
        for n, batch in ours.batches.items():
            pairs[f"batch {n}"] = (_lower(read.batches(n).call()), astuple(batch))
        for key, paid in ours.exited.items():
            pairs[f"exited from {key}"] = (read.exited(key).call(), paid)
        for game_id in range(1, ours.game_count + 1):
            game = ours.games.get(game_id)
            pairs[f"game {game_id}"] = (
                read.games(game_id).call(), game.commitment() if game else bytes(32),
            )  # fmt: skip
        for account in sorted({message.by for message in self.messages} | set(ours.credit)):
            credit = read.credit(self.w3.to_checksum_address(account)).call()
            pairs[f"credit of {account}"] = (credit, ours.credit.get(account, 0))
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def step(self, witness: StepWitness, pre: bytes, executed: int) -> bytes:
        """Return what the contract's step alone computes from a witness, or refuse it with its reason."""
        transaction, _, *rest = _plain(witness)
        state_root, delta_root, accesses = rest
        call = self.contract.functions.step(transaction, pre, state_root, delta_root, executed, accesses)
        reason, result = self._revert_of(call, {})
        require(reason is None, reason or "")
        return result


def game_tuple(game: Game, w3: Any) -> tuple:
    """Return a game as web3 encodes it."""
    return tuple(w3.to_checksum_address(v) if isinstance(v, str) else v for v in game.as_tuple())


def _lower(values: Any) -> tuple:
    """Return what web3 read with addresses as the Python rules write them."""
    return tuple(value.lower() if isinstance(value, str) else value for value in values)


def _plain(argument: Any) -> tuple:
    """Return a message's argument as the contract takes it."""
    if hasattr(argument, "as_arguments"):
        return argument.as_arguments()
    if isinstance(argument, Path):
        return ((argument.bitmap, argument.siblings),)
    if not isinstance(argument, StepWitness):
        return (argument,)
    accesses = [
        (a.before, a.now, *((path.bitmap, path.siblings) for path in (a.pre, a.state, a.diff)))
        for a in argument.accesses
    ]
    return (argument.transaction, argument.proof, argument.state_root, argument.delta_root, accesses)
