"""Every checkable claim of the survey: our number, a published reference, the verdict, and where to look.

A row's number is a template that `rows` fills from computed values. Every row has a number, or "none" where no data can
decide the claim. A verdict begins with one of `VERDICTS`; "no data" says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.chapters.execution_state import study
from rollstate.chapters.execution_state.parameters import ExecutionState
from rollstate.chapters.execution_state.study import Seen
from rollstate.compendium.style import share
from rollstate.estimate import Estimate
from rollstate.execution import caches, schedules, state_trees
from rollstate.scalars import real

VERDICTS = ("holds", "holds under conditions", "wrong", "no data", "a note")


@dataclass(frozen=True)
class Claim:
    """One claim: number in the list, sentence in short, template of our number, reference, verdict, place."""

    number: int
    claim: str
    ours: str
    reference: str
    verdict: str
    place: str


@dataclass(frozen=True)
class Computed:
    """What the chapter has computed already when the ledger is filled.

    Attributes
    ----------
    sizes : mapping of str to array
        `study.witnesses`.
    hits, window : Estimate
        Touches that an unlimited cache answers, and those within the longest window.
    crossing : Estimate or None
        Transactions across shards, where there are any to place.
    real : polars.DataFrame or None
        `study.real_witnesses`.
    """

    sizes: Mapping[str, np.ndarray]
    hits: Estimate
    window: Estimate
    crossing: Estimate | None
    real: pl.DataFrame | None = None


def said(estimate: Estimate, form: str = ".1f") -> str:
    """Return an estimate as text, with its interval in brackets."""
    text = f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"
    return text.replace("%", "\u202f%")


def values(seen: Seen, found: Computed) -> dict[str, str]:
    """Return the computed numbers that templates name, as text; intervals are 95 % bootstrap over blocks."""
    return {
        **_models(seen.p),
        **_states(seen, found),
        **_conflicts(seen),
        **_published(seen.p),
        "none": "none",
    }


def _models(p: ExecutionState) -> dict[str, str]:
    """Return what follows from the parameters alone."""
    one = {tree: state_trees.update_cost(layout, p.slots) for tree, layout in study.TREES.items()}
    levels = state_trees.depth(p.slots, 16)
    reads = one["hexary"].reads
    pruned = levels - state_trees.depth(max(1, 0.22 * p.slots), 16)
    two, most = schedules.amdahl(0.5, 10), schedules.amdahl(0.25, np.inf)
    return {
        "latency": f"{p.disk_s / p.register_s:,.0f} (model, {p.disk_s * 1e6:g} µs)",
        "depth": f"{state_trees.depth(p.accounts, 16):.2f} levels for accounts, {levels:.2f} for slots (model)",
        "hashing": f"{one['hexary'].hashed_bytes / one['binary'].hashed_bytes:.2f} times fewer bytes, "
        f"{one['binary'].reads / reads:.2f} times as many reads (model)",
        "deeper": f"{state_trees.depth(10 * p.slots, 16) - levels:.2f} levels for ten times the state (model)",
        "pruned": f"{pruned:.2f} of {levels:.2f} levels fewer in a state smaller by 78 % (model)",
        "held": f"{p.slots * 64 / 1e9:,.0f} GB for all slots at 64 bytes (model)",
        "btree": f"{state_trees.b_tree_reads(p.slots, 200)} pages cold, "
        f"{state_trees.b_tree_reads(p.slots, 200, 3)} with three levels cached (model)",
        "paged": f"{reads:.1f} node reads an update, {one['binary, six levels a page'].reads:.1f} with pages (model)",
        "flat": f"1 read of a flat store, {reads:.1f} nodes of a tree, with a root per update in both (model)",
        "five": f"{schedules.amdahl(0.8, np.inf):.2f} on threads without number, "
        f"{schedules.amdahl(0.8, p.threads):.2f} on {p.threads} (model)",
        "two": f"{two:.2f} with ten times faster code, {most:.2f} at most if half is host work (model)",
        "stages": f"{2:.2f} times at most, for two stages of the same length (arithmetic)",
    }


def _states(seen: Seen, found: Computed) -> dict[str, str]:
    """Return what reading, proving and keeping state costs on the trace."""
    p, sizes = seen.p, found.sizes
    serial, deep = (study.read_ms(seen, depth) for depth in (1, p.depth))
    both = p.compute_s + serial.value / 1e3
    left = caches.block_time_s(p.compute_s, p.threads, serial.value / 1e3, overlapped=False) / both
    hexary, verkle = seen.mean(sizes["hexary"]), sizes["Verkle"]
    kept, weights = study.merged(seen), seen.weights
    no_lists, no_runs = "none: the source has no lists", "none: the window is too short"
    out = {
        "memory": f"{p.disk_s / p.memory_s:,.0f} per access (model); memory answers {said(found.hits, '.0%')} of touches",
        "hexary": f"{said(hexary, ',.0f')} kB of hexary witness",
        "binary": f"{said(seen.mean(sizes['binary']), ',.0f')} kB binary, {said(seen.mean(verkle), ',.0f')} kB Verkle",
        "bandwidth": f"{hexary.value / 12 / 1e3:.2f} MB/s of hexary witness in slots of 12 s",
        "verkle": f"{said(seen.mean(verkle), ',.0f')} kB, from {verkle.min():,.0f} to {verkle.max():,.0f}",
        "reads": f"{said(serial, '.0f')} ms one by one, {said(deep)} ms with {p.depth} under way (model)",
        "serial": f"{share(left)} of the time on one thread remain with {p.threads} threads and reads one by one (model)",
        "tries": f"{said(study.storage_tries(seen))} storage tries touched a block",
        "window": f"{said(found.window, '.0%')} of touches come within {max(p.windows)} blocks, the longest window",
        "crossing": "none: no transactions to place",
        "difference": no_lists,
        "replayed": no_lists,
        "merged": no_runs,
        "per_key": no_runs,
        "real": "none: no real witnesses at hand",
    }
    if found.crossing is not None:
        out["crossing"] = f"{said(found.crossing, '.0%')} cross"
    if weights is not None:
        listed, changed = (seen.mean(weights[name].to_numpy() / 1e3) for name in ("list", "difference"))
        out["difference"] = (
            f"{said(changed, '.0f')} kB of difference, {said(listed, '.0f')} of list, {said(hexary, ',.0f')} of witness"
        )
        out["replayed"] = f"{10 * changed.value:,.0f} kB of differences to replay with one root in 10 blocks"
    if kept is not None:
        out["merged"] = (
            f"{said(kept['nodes'], '.1%')} of nodes, {said(kept['keys'], '.1%')} of keys left at 10 blocks"
        )
        out["per_key"] = f"{said(kept['nodes per key'])} nodes hashed for each key with a root per block"
    if found.real is not None:
        ratio = found.real["real_kb"] / found.real["formula_kb"]
        out["real"] = (
            f"real nodes {real(ratio.min()):.2f} to {real(ratio.max()):.2f} of the bytes of full levels, {len(ratio)} witnesses"
        )
    return out


def _conflicts(seen: Seen) -> dict[str, str]:
    """Return what conflicts leave of parallel execution on the trace."""
    p, run = seen.p, study.engines(seen)
    limits, hot = study.declared(seen)
    cooled = limits[f"the {p.hot_keys} hottest keys priced or sharded"]
    on = f"on {p.threads} threads"
    return {
        "strict": f"limit {said(study.limit(seen, 'unit'))}",
        "gas": said(study.limit(seen, "gas")),
        "lazy": f"limit {said(study.limit(seen, 'unit', 'lazy'))}",
        "listed": f"limit {said(study.limit(seen, 'gas', 'listed'))}",
        "locks": f"{said(run['locks'])} {on}",
        "validated": f"{said(run['validated'])} {on}",
        "against_locks": f"{said(run['validated'])} optimistic, {said(run['locks'])} with locks, {on}",
        "marks": f"{said(run['aborts validated'], '.2f')} aborts a transaction with marks, "
        f"{said(run['aborts rounds'], '.2f')} in rounds without",
        "retries": f"{said(run['validated'])}, with retries at a tenth of the cost "
        f"{said(run['validated, retries at a tenth'])}, {on} (model)",
        "phases": f"{said(run['two phases'])} {on}",
        "declared": f"limit {said(limits['contracts declared, not slots'])} with contracts, "
        f"{said(limits['slots declared, storage alone'])} with slots",
        "hot": f"{share(hot)} of conflicting pairs on {p.hot_keys} keys a block; limit without them {said(cooled)}",
    }


def _published(p: ExecutionState) -> dict[str, str]:
    """Return arithmetic on published numbers."""
    varied = study.variations(p.measured)
    return {
        "rates": "none: the sample has no measured blocks"
        if varied is None
        else f"coefficients of variation {varied[0]:.2f} (transactions) and {varied[1]:.2f} (gas) per second",
        "transfers": f"{100e-6 / (0.24643 / 37_123):.0f} in 100 µs",
        "fees": f"{1.57e6 / 5e3:.0f} to 1",
        "zkmr": f"{888_888 / 80:,.0f} slots a second",
        "async": f"{477 / 147:.1f} times in the published measurement",
    }


def _c(number: int, claim: str, ours: str, reference: str, verdict: str, place: str) -> Claim:
    return Claim(number, claim, ours, reference, verdict, place)


_NOTE = "no figure"
CLAIMS: tuple[Claim, ...] = (
    _c(1, "TPS misleads; gas per second is the measure", "{rates}", "pevm's blocks", "holds under conditions: blocks differ in gas per second too, by less", "execution: throughput"),
    _c(2, "Base: $1.57M fees, $5k DA, hence compute is the bottleneck", "{fees}", "the survey's own numbers", "wrong: it shows a price above cost at a set gas target, not what is scarce", _NOTE),
    _c(3, "state access and compute depend on each other", "{serial}", "Geth: I/O about 70 % of time", "holds", "execution_state: reading"),
    _c(4, "Ethereum's state is four tries with a root per block", "{tries}", "yellow paper", "holds under conditions: storage tries are one per account", "execution_state: witnesses"),
    _c(5, "a larger state makes trees deeper", "{deeper}", "log16 n", "holds under conditions: by less than one level for ten times the state", "execution_state: trees"),
    _c(6, "a disk is 100 to 1,000 times slower than a register", "{latency}", "1e5 to 1e6 by the survey's own latencies", "wrong", "execution_state: reading"),
    _c(7, "100 µs are 36 ERC-20 transfers", "{transfers}", "pevm: 246.43 ms for 37,123", "wrong: less than half", _NOTE),
    _c(8, "random access uses a part of a device", "{reads}", "Little's law", "holds", "execution_state: reading"),
    _c(9, "sequential execution idles cores", "{lazy}", "pevm: 2.02 times on average", "holds", "execution: speedup"),
    _c(10, "a virtual machine's translation costs", "{none}", "Reth: half of EVM time", "no data: machine code of the same contracts is not at hand", _NOTE),
    _c(11, "memory makes access 1,000 times faster (MegaETH)", "{memory}", "30 days: 94 % of warm updates", "holds under conditions: for touches that memory answers", "execution_state: cache"),
    _c(12, "state in memory needs expensive hardware (MegaETH)", "{held}", "1.29e9 slots of 64 bytes and more", "holds under conditions: if all of it is kept", "execution_state: cache"),
    _c(13, "executors and verifiers can be apart", "{hexary}", "fraud and validity proofs", "holds", "fraud_proof: bisection; proving: frontier"),
    _c(14, "weak statelessness: a witness comes with each block", "{bandwidth}", "about 1 MB (arXiv 2504.14069)", "holds under conditions: of the bandwidth", "execution_state: witnesses"),
    _c(15, "Merkle witnesses grow with the tree's height", "{hexary}", "952 accounts: 2.31 MB", "holds", "execution_state: witnesses"),
    _c(16, "Verkle witnesses are of fixed size", "{verkle}", "380 to 1,285 kB by type (verkle.info)", "wrong: the opening is, stems and values are not", "execution_state: witnesses"),
    _c(17, "Verkle trees are Ethereum's road", "{binary}", "EIP-7864 proposes a binary tree", "a note: overtaken by binary trees", _NOTE),
    _c(18, "MegaETH: witness for verifiers, state difference for full nodes", "{difference}", "list and difference per block", "holds: the difference is far smaller", "execution: list-bytes (table)"),
    _c(19, "statelessness is no silver bullet (MegaETH)", "{bandwidth}", "Amdahl's law", "holds", "execution_state: witnesses"),
    _c(20, "Monad: parallel execution without asynchronous I/O gains little", "{serial}", "Monad's early tests", "holds", "execution_state: reading"),
    _c(21, "asynchronous I/O pays", "{async}", "Geth: 477 to 147 ms", "holds under conditions: reads known early", "execution_state: reading"),
    _c(22, "asynchronous I/O pays more on SSD than on HDD", "{none}", "IOPS limits of devices", "no data: no device was measured", _NOTE),
    _c(23, "a store tuned for SSD beats those in memory (MonadDB)", "{none}", "none", "no data: no measurement of MonadDB on the same work", _NOTE),
    _c(24, "Reth: one EVM thread, database in parallel", "{reads}", "Reth's performance notes", "holds", "execution_state: reading"),
    _c(25, "merklising each block is the overhead", "{per_key}", "NOMT: 431 of 1,151 ms", "holds under conditions: of the store", "execution: kept"),
    _c(26, "a read takes about 8 queries", "{depth}", "log16 of 2^32 = 8", "holds under conditions: 7 to 8, and for accounts", "execution_state: trees"),
    _c(27, "a commitment per epoch amortises", "{merged}", "trie nodes of the same blocks", "holds: nodes more than keys", "execution: kept"),
    _c(28, "reads are O(1) because of epochs", "{flat}", "flat stores read once with a root per block", "wrong: flat storage does it, not the epoch", "flat_kv: counts"),
    _c(29, "light clients must replay", "{replayed}", "difference per block times interval", "holds under conditions: with a root per epoch", "execution: list-bytes (table)"),
    _c(30, "read amplification multiplies with log n", "{btree}", "QMDB: 1 read", "holds under conditions: nothing cached", "execution_state: amplification (table)"),
    _c(31, "LevelDB and MDBX keep data in Merkle trees", "{btree}", "their manuals: LSM tree, B+ tree", "wrong: neither is a Merkle tree", _NOTE),
    _c(32, "Monad keeps the Patricia trie on disk as it is", "{paged}", "NOMT: pages of six levels", "holds under conditions: nodes in pages", "execution_state: trees"),
    _c(33, "Patricia tries collapse nodes and read less", "{real}", "leaf depths of real witnesses", "holds", "execution_state: real-witnesses (table)"),
    _c(34, "Sovereign, NOMT: binary trees cut hashing drastically", "{hashing}", "NOMT: 3 reads, 5 writes", "holds under conditions: levels in pages", "execution_state: trees"),
    _c(35, "Reth prefetches trie nodes during execution", "{none}", "Reth's performance notes", "no data: times of trie reads in Reth are not published by block", _NOTE),
    _c(36, "state expiry by rent", "{window}", "EIP-1682", "holds under conditions: a window, unless untouched slots are paid for", "execution_state: expiry"),
    _c(37, "state expiry by time", "{window}", "published windows of 1, 7, 30 days", "holds under conditions: long windows", "execution_state: warm-sets (table)"),
    _c(38, "a smaller state executes faster", "{pruned}", "one year: -78 % size, +15 % speed (ethresear.ch 23980)", "holds: far less than in proportion", _NOTE),
    _c(39, "sharding by hash minimises communication", "{crossing}", "closed form 1 - S^-(k-1)", "wrong: nothing crosses more than what is placed at random", "execution_state: shards"),
    _c(40, "NEAR: chunks, stateless validators, witness per shard", "{none}", "none", "no data: NEAR's witnesses are not at hand", "execution_state: witnesses"),
    _c(41, "a node's load falls with shards (NEAR)", "{crossing}", "none", "holds under conditions: cheap crossing", "execution_state: shards"),
    _c(42, "parallel EVM over cores", "{lazy}", "pevm: 2.02 times on average", "holds under conditions: the rule of conflict", "execution: limits"),
    _c(43, "a core takes another transaction while one waits for storage (Monad)", "{reads}", "none", "holds", "execution_state: reading"),
    _c(44, "Sealevel runs what locks leave apart (Solana)", "{locks}; {strict}", "Solana: chains of 59 % of a block", "holds", "execution: speedup"),
    _c(45, "hotspots need fees of their own (Solana)", "{hot}", "conflicting pairs by key", "holds: few keys carry nearly all conflicts", "execution: remedies"),
    _c(46, "Solana forwards what is not processed", "{none}", "none", "no data: queues by account are not published", _NOTE),
    _c(47, "Fuel: declared contracts run in parallel", "{declared}", "contracts against slots declared", "holds under conditions: slots declared, not contracts", "execution: remedies"),
    _c(48, "declared access is inaccurate and costs parallelism (Fuel, Solana)", "{declared}", "contracts against slots declared", "holds", "execution: remedies"),
    _c(49, "locks cost latency and contention", "{none}", "none", "no data: no lock was timed", _NOTE),
    _c(50, "optimistic execution with versions (Block-STM)", "{validated}", "17 to 20 times at 32 threads", "holds under conditions: low contention", "execution: block-stm (table)"),
    _c(51, "optimistic execution beats pessimistic", "{against_locks}", "same blocks, same threads", "wrong for these blocks, if locks know the dependencies", "execution: speedup"),
    _c(52, "estimated dependencies minimise aborts", "{marks}", "aborts with and without marks", "holds", "execution: speedup"),
    _c(53, "Move's resources by account collide less", "{declared}", "contracts against slots declared", "holds under conditions: against locks of whole contracts; the EVM conflicts by slot", "execution: remedies"),
    _c(54, "Monad: retries from cache are cheap", "{retries}", "fitted cost of a retry", "holds under conditions: fitted on ten blocks", "execution: predicted"),
    _c(55, "two-phase execution", "{phases}", "8 times in 2016, 2 in 2017 (arXiv 1901.01376)", "holds under conditions: few conflicts", "execution: speedup"),
    _c(56, "SIMD checks signatures faster (Firedancer)", "{none}", "none", "no data: no vectorised signature check at hand", _NOTE),
    _c(57, "Lagrange: 888,888 slots in 80 s", "{zkmr}", "the survey's own numbers", "no data: the number of machines is not given", _NOTE),
    _c(58, "Lagrange: Reckle trees prove batches in O(log n)", "{none}", "none", "no data: no implementation at hand", _NOTE),
    _c(59, "consensus for one block during execution of the last (Monad)", "{stages}", "max instead of sum of two stages", "holds: at most twice", "proving: factory"),
    _c(60, "an interpreter costs half, so compiling gives twice", "{two}", "the survey's own share", "wrong as a number to reach: it is a limit", "execution_state: amdahl (table)"),
    _c(61, "host and system operations cannot be compiled (MegaETH)", "{two}", "MegaETH's slides", "holds under conditions: the share is not one of this book", "execution_state: amdahl (table)"),
    _c(62, "Movement's Fractal: Solidity translated to Move", "{none}", "none", "no data: no translator at hand", _NOTE),
    _c(63, "custom machines for order books (Nord)", "{none}", "none", "no data: closed source", _NOTE),
    _c(64, "Wasm is slower than native code (Fluent, CosmWasm)", "{none}", "none", "no data: no contract in both forms at hand", _NOTE),
    _c(65, "Stackr: the transition is in the client", "{hexary}", "the toy rollup of another chapter", "holds", "fraud_proof: scheme"),
    _c(66, "parallel execution gives five times", "{lazy}; {gas} by access gas, strict; {five} by Amdahl", "pevm: 2.02 on average, 4.32 at most", "holds under conditions: as a limit, lazy balances", "execution: limits"),
)  # fmt: skip


def rows(filled: Mapping[str, str]) -> pl.DataFrame:
    """Return the ledger: ``claim number``, ``claim``, ``number here``, ``published reference``, ``verdict``, ``figure``."""
    found = [(c.number, c.claim, c.ours.format(**filled), c.reference, c.verdict, c.place) for c in CLAIMS]
    names = ["claim number", "claim", "number here", "published reference", "verdict", "figure"]
    return pl.DataFrame(found, schema=names, orient="row")


def untested() -> int:
    """Return how many claims no data could decide."""
    return sum(c.verdict.startswith("no data") for c in CLAIMS)
