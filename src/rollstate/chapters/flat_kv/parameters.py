"""Flat key-value execution: what it saves, and what it only puts off."""

from dataclasses import dataclass

from rollstate.compendium.parameters import Parameters, parameter


@dataclass(frozen=True)
class FlatKv(Parameters):
    """Database reads and writes, bytes and hashes of flat and of trie execution, as counts."""

    trace: str = parameter(
        "mainnet-bal", doc="data set name, or path of your own trace: whose keys are written"
    )
    sizes: tuple[int, ...] = parameter(
        (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
        unit="keys",
        low=100,
        high=20_000_000,
        doc="sizes of the state",
    )
    batch: int = parameter(1_000, unit="updates", low=10, high=100_000, doc="updates per batch")
    merged_batches: int = parameter(50, unit="batches", low=2, high=1_000, doc="batches per checkpoint, K")
    value_bytes: int = parameter(77, unit="bytes", low=32, high=4_096, doc="length of a value")
    zipf: float = parameter(1.0, low=0.1, high=3.0, doc="exponent of the skewed choice of keys")
    depths: tuple[int, ...] = parameter(
        (32, 64, 256), unit="levels", low=8, high=256, doc="depths of the tree of the difference"
    )
    evm: str = parameter("pevm-blocks", doc="data set of blocks with the state before them, to execute")
    evm_sizes: tuple[int, ...] = parameter(
        (10_000, 100_000, 1_000_000),
        unit="keys",
        low=1_000,
        high=10_000_000,
        doc="sizes of the state that blocks are executed on",
    )
    evm_blocks: int = parameter(3, unit="blocks", low=1, high=100, doc="blocks executed, of each source")
    evm_transactions: int = parameter(
        200, unit="transactions", low=4, high=10_000, doc="most transactions of an executed block"
    )
    seed: int = parameter(1, low=0, doc="seed of keys and choices")

    def data_sets(self) -> tuple[str, ...]:
        """Return the trace and the blocks that are executed."""
        return (self.trace, self.evm)
