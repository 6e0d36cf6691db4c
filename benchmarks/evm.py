"""The machine's EVM beside revm and py-evm on published blocks: what it executes exactly, and how fast.

    python benchmarks/evm.py --record src/rollstate/chapters/fraud_proof/evm_blocks.csv

Needs the data set ``pevm-blocks``. A false answer ends it with an error; ``--record`` writes the table that the chapter
``fraud_proof`` shows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from rollstate.chapters.fraud_proof import evm
from rollstate.errors import RollstateError
from rollstate.execution import block_inputs
from rollstate.riscv import evm_blocks
from rollstate.traces import datasets


def main(arguments: list[str] | None = None) -> None:
    """Run all blocks, print what the subset covers, write the table if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path, help="CSV file to write")
    chosen = parser.parse_args(arguments)
    folder = datasets.locate("pevm-blocks")
    parts = []
    for one in sorted((one for one in folder.iterdir() if one.is_dir()), key=lambda one: int(one.name)):
        found = list(evm_blocks.compare(*block_inputs.read_folder(one)))
        for each in found:
            if each.differences:
                raise RollstateError(f"{each.call.where}: {each.differences} differ")
        parts.append(evm_blocks.frame(found))
    frame = evm.counted(pl.concat(parts))
    for name, value in evm.coverage(frame).items():
        print(f"{name:20} {value:,}")
    if chosen.record:
        frame.write_csv(chosen.record)


if __name__ == "__main__":
    main()
