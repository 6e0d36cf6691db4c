"""The page "My rollup": closed forms of the chapters for the reader's own values.

This is the Python side: what is asked, what is answered, and the package's function behind each answer. The page
computes the same in the browser (``book/_static/my_rollup.js``); tests hold the two together on a grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollstate.compendium import own_formulas
from rollstate.compendium.by_name import parameter_class
from rollstate.compendium.own_formulas import Values
from rollstate.dispute import economics
from rollstate.dispute.records import Rules
from rollstate.errors import InputError
from rollstate.execution import state_trees
from rollstate.tiering import costs


@dataclass(frozen=True)
class Input:
    """One value that the reader sets.

    Attributes
    ----------
    name : str
        Its name, in the page's address too.
    label, unit : str
        What it is.
    default : float or str
        Its default, or ``chapter.parameter`` whose default it shares.
    low, high : float
        What is taken.
    whole : bool
        Whether it is a whole number.
    """

    name: str
    label: str
    unit: str
    default: float | str
    low: float
    high: float
    whole: bool = False

    @property
    def start(self) -> float:
        """The default as a number."""
        if not isinstance(self.default, str):
            return self.default
        chapter, _, name = self.default.partition(".")
        return parameter_class(chapter).resolve({}).as_dict()[name]


@dataclass(frozen=True)
class Output:
    """One answer.

    Attributes
    ----------
    name : str
        Its name.
    label, unit : str
        What it is.
    compute : callable
        Returns it from all values; an `InputError` where it has no answer.
    source : str
        The package's function behind it.
    """

    name: str
    label: str
    unit: str
    compute: Callable[[Values], float]
    source: str


@dataclass(frozen=True)
class Topic:
    """One chapter's questions and answers."""

    title: str
    chapter: str
    about: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]


_USD_MONTH = "$ per GiB and month"
TOPICS = (
    Topic(
        "Where idle slots should live",
        "tiering",
        "Ski rental: keep a slot until holding it has cost as much as the miss that dropping it risks. It never costs "
        "more than twice what knowing the future would.",
        (
            Input("ram_usd", "RAM", _USD_MONTH, costs.MEDIA["ram"].usd_per_gib_month, 0.01, 1000),
            Input("ssd_usd", "SSD", _USD_MONTH, costs.MEDIA["ssd"].usd_per_gib_month, 0.001, 1000),
            Input(
                "cold_usd", "Cold storage", _USD_MONTH, costs.MEDIA["cold"].usd_per_gib_month, 0.0001, 1000
            ),
            Input("ssd_us", "An access on SSD", "µs", costs.MEDIA["ssd"].latency_s * 1e6, 1, 1e5),
            Input(
                "cold_ms", "An access in cold storage", "ms", costs.MEDIA["cold"].latency_s * 1e3, 0.1, 1e5
            ),
            Input("slot_bytes", "A slot, with key and index", "bytes", "tiering.slot_bytes", 1, 1e6),
            Input("block_s", "Time between blocks", "s", "tiering.block_s", 0.01, 600),
            Input("usd_per_s", "Value of a second that an access waits", "$", "tiering.usd_per_s", 1e-9, 1e6),
        ),
        (
            Output(
                "penalty",
                "a miss on SSD costs as much as this long in RAM",
                "blocks",
                own_formulas.penalty,
                "tiering.costs.worksheet",
            ),
            Output(
                "ssd_window_h",
                "idle time after which a slot leaves RAM for SSD",
                "h",
                own_formulas.ssd_window,
                "tiering.windows.ski_rental",
            ),
            Output(
                "cold_window_d",
                "idle time after which it leaves SSD for cold storage",
                "days",
                own_formulas.cold_window,
                "tiering.windows.ski_rental",
            ),
        ),
    ),
    Topic(
        "How long proving delays a transaction",
        "proving",
        "Regular times, except for the wait for a prover, which takes batches that close at random and proofs that "
        "are tried again until they succeed.",
        (
            Input("close_s", "Time to close a batch", "s", "proving.close_s", 0.5, 3600),
            Input("prove_s", "Time to prove a batch", "s", "proving.prove_s", 1, 36_000),
            Input("agg_s", "Time to aggregate a group", "s", "proving.aggregate_s", 0, 36_000),
            Input("slot_s", "L1 slot", "s", "proving.slot_s", 1, 60),
            Input("miss", "Share of L1 slots missed", "", "proving.miss", 0, 0.5),
            Input("failure", "Share of proofs that fail", "", "proving.failure", 0, 0.9),
            Input("provers", "Provers", "", 14, 1, 10_000, whole=True),
            Input("group", "Batches per aggregate", "", "proving.group", 1, 100, whole=True),
        ),
        (
            Output(
                "min_provers",
                "provers needed at least",
                "",
                own_formulas.least_provers,
                "proving.closed_form.min_provers",
            ),
            Output(
                "capacity_h",
                "batches that can pass",
                "per h",
                own_formulas.capacity_per_hour,
                "proving.closed_form.capacity",
            ),
            Output(
                "delay_mean",
                "mean delay to finality, regular times",
                "s",
                own_formulas.delay_mean,
                "proving.closed_form.delay_mean",
            ),
            Output(
                "delay_worst",
                "longest delay to finality, regular times",
                "s",
                own_formulas.delay_worst,
                "proving.closed_form.delay_worst",
            ),
            Output(
                "wait",
                "mean wait for a prover, random times",
                "s",
                own_formulas.wait,
                "proving.closed_form.wait_ggc",
            ),
            Output(
                "slot_wait",
                "mean wait for an L1 slot",
                "s",
                own_formulas.slot_wait,
                "proving.closed_form.slot_wait",
            ),
            Output(
                "backlog",
                "each batch waits longer than the one before by",
                "s",
                own_formulas.backlog,
                "proving.closed_form.backlog_growth",
            ),
        ),
    ),
    Topic(
        "What proving costs",
        "proving",
        "Verification is shared by a group, and a larger group waits longer: the best size balances the two.",
        (
            Input("tx_per_s", "Transactions", "per s", "proving.tx_per_s", 0.1, 100_000),
            Input("verify_gas", "Verifying an aggregate on L1", "gas", "proving.verify_gas", 1, 1e8),
            Input("batch_gas", "Posting a batch on L1", "gas", 200_000, 0, 1e9),
            Input("gwei", "Gas price", "gwei", "proving.gwei", 0.01, 10_000),
            Input("eth_usd", "Price of ether", "$", "proving.eth_usd", 1, 1e6),
            Input("prover_usd_per_h", "A prover", "$/h", "proving.prover_usd_per_h", 0, 10_000),
            Input("delay_usd", "A second's delay of a transaction", "$", "proving.delay_usd", 1e-9, 100),
        ),
        (
            Output(
                "best_group",
                "batches per aggregate that cost least",
                "",
                own_formulas.best_group,
                "proving.closed_form.optimal_aggregation",
            ),
            Output(
                "verify_usd",
                "verification, per transaction",
                "$",
                own_formulas.cost("verify"),
                "proving.closed_form.cost_per_tx",
            ),
            Output(
                "post_usd",
                "posting, per transaction",
                "$",
                own_formulas.cost("post"),
                "proving.closed_form.cost_per_tx",
            ),
            Output(
                "prove_usd",
                "proving, per transaction",
                "$",
                own_formulas.cost("prove"),
                "proving.closed_form.cost_per_tx",
            ),
        ),
    ),
    Topic(
        "What reading at once and threads bring",
        "execution_state",
        "A model: reads wait for the disk, as many at once as are under way; computing is spread over threads without "
        "conflicts. Conflicts are in the answer after it.",
        (
            Input("block_slots", "Slots that a block reads from disk", "", 1200, 1, 1e7, whole=True),
            Input("disk_us", "A read", "µs", 100, 0.1, 1e6),
            Input("depth", "Reads under way at once", "", "execution_state.depth", 1, 4096, whole=True),
            Input("compute_ms", "Computing a block on one thread", "ms", 100, 0, 1e6),
            Input("threads", "Threads", "", "execution_state.threads", 1, 1024, whole=True),
            Input("independent", "Share of transactions without a conflict", "", 0.6, 0, 1),
        ),
        (
            Output(
                "serial_read_ms",
                "reading one slot after the other",
                "ms",
                own_formulas.read_ms(deep=False),
                "execution.caches.read_time_s",
            ),
            Output(
                "deep_read_ms",
                "reading that many at once",
                "ms",
                own_formulas.read_ms(deep=True),
                "execution.caches.read_time_s",
            ),
            Output(
                "block_ms",
                "a block, one thread, one read after the other",
                "ms",
                own_formulas.block_ms(overlapped=False),
                "execution.caches.block_time_s",
            ),
            Output(
                "fast_block_ms",
                "a block, all threads, reads at once and beside",
                "ms",
                own_formulas.block_ms(overlapped=True),
                "execution.caches.block_time_s",
            ),
            Output(
                "speed_up",
                "speed-up of the two together",
                "times",
                own_formulas.speed_up,
                "execution.caches.block_time_s",
            ),
            Output(
                "two_phase",
                "speed-up of all at once, then conflicts one by one",
                "times",
                own_formulas.two_phase,
                "execution.schedules.two_phase",
            ),
            Output(
                "amdahl",
                "speed-up if that share is spread without end",
                "times",
                own_formulas.amdahl,
                "execution.schedules.amdahl",
            ),
        ),
    ),
    Topic(
        "What committing less often saves",
        "execution_state",
        "A root for several blocks hashes upper nodes once. Keys are taken as written at random, once each: keys that "
        "are written again save more. The witnesses are those of one block.",
        (
            Input("state_slots", "Slots of the whole state", "", 1_000_000_000, 1000, 1e13, whole=True),
            Input("written_slots", "Slots that a block writes", "", 1000, 1, 100_000, whole=True),
            Input("interval", "Blocks per commitment", "", 10, 1, 10_000, whole=True),
        ),
        (
            Output(
                "kept_binary",
                "node hashes per key, as a share of those with one commitment per block, binary tree",
                "",
                own_formulas.kept_hashes(state_trees.BINARY),
                "execution.state_trees.update_cost",
            ),
            Output(
                "kept_hexary",
                "node hashes per key, as a share of those with one commitment per block, hexary tree",
                "",
                own_formulas.kept_hashes(state_trees.HEXARY),
                "execution.state_trees.update_cost",
            ),
            Output(
                "binary_kb",
                "binary witness of a block",
                "kB",
                own_formulas.witness_kb(state_trees.witness_binary_bytes),
                "execution.state_trees.witness_binary_bytes",
            ),
            Output(
                "hexary_kb",
                "hexary witness of a block",
                "kB",
                own_formulas.witness_kb(state_trees.witness_hexary_bytes),
                "execution.state_trees.witness_hexary_bytes",
            ),
        ),
    ),
    Topic(
        "What a dispute costs in time and money",
        "fraud_proof",
        "By the rules of the contract of this book. The gas of a dispute is measured in the chapter.",
        (
            Input("window_s", "Window to challenge a claim", "s", float(Rules.window), 1, 1e7, whole=True),
            Input("clock_s", "Time to think, each side", "s", float(Rules.clock), 1, 1e7, whole=True),
            Input("extension_s", "Least time in a stage", "s", float(Rules.extension), 0, 1e6, whole=True),
            Input(
                "bond_eth",
                "Bond of the sequencer",
                "ETH",
                Rules.sequencer_bond / economics.WEI,
                0.001,
                10_000,
            ),
            Input("dispute_gas", "Gas of a dispute, both sides", "gas", 600_000, 1, 1e9, whole=True),
            Input("op_depth", "Depth of OP Stack's game, for comparison", "", 30, 0, 73, whole=True),
        ),
        (
            Output(
                "game_s",
                "delay that any number of puppet games can buy",
                "s",
                own_formulas.game_s,
                "dispute.economics.delays",
            ),
            Output(
                "per_eth_s",
                "delay that one ETH buys a sequencer that loses on purpose",
                "s",
                own_formulas.per_eth,
                "dispute.economics.delays",
            ),
            Output(
                "dispute_eth",
                "gas of a dispute at the gas price above",
                "ETH",
                own_formulas.dispute_eth,
                "dispute.economics.gas_cost",
            ),
            Output(
                "op_bond_eth",
                "bond that OP Stack asks for at that depth",
                "ETH",
                own_formulas.op_bond,
                "dispute.economics.op_bond",
            ),
        ),
    ),
)
"""All that the page asks and answers."""


def inputs() -> list[Input]:
    """Return all inputs."""
    return [one for topic in TOPICS for one in topic.inputs]


def outputs() -> list[Output]:
    """Return all outputs."""
    return [one for topic in TOPICS for one in topic.outputs]


def answers(values: Values) -> dict[str, float | None]:
    """Return every answer; None where the package has none, such as the delay of provers that cannot keep up."""
    found: dict[str, float | None] = {}
    for one in outputs():
        try:
            found[one.name] = float(one.compute(values))
        except InputError:
            found[one.name] = None
    return found
