"""Measured proving runs: one row per block and run, from CSV files like those of ``eth-act/zkevm-benchmark-runs``.

A run is one machine, one client in one version and one zkVM in one version. Runs that differ in any of these are kept
apart: two machines under one name would make the time of a block look random. Executions of the same blocks give the
number of cycles that a proof has to cover.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rollstate.errors import InputError

FILES = ("zkevm_mainnet_500.csv", "zkevm_mainnet_history.csv")
IDENTITY = ["hardware", "el", "zkvm"]
"""Columns that say which run a row is of; a ``commit`` tells apart what these do not."""
_REQUIRED = ["block_number", *IDENTITY, "block_gas_used", "status", "proving_time_ms"]
_NUMBERS = ["block_number", "block_gas_used", "proving_time_ms", "total_num_cycles", "proof_size_bytes"]


def load(folder: Path) -> pd.DataFrame:
    """Read the public measured runs from a folder that holds `FILES`; see `read`."""
    return read([folder / name for name in FILES])


def read(paths: Sequence[Path]) -> pd.DataFrame:
    """Read measured proving runs from CSV files.

    Parameters
    ----------
    paths : sequence of Path
        Files with the columns ``block_number, hardware, el, zkvm, block_gas_used, status, proving_time_ms``; of use
        if there: ``stage`` (rows of ``proving`` are proofs, those of ``executions`` give cycles), ``total_num_cycles``,
        ``proof_size_bytes``, ``commit``.

    Returns
    -------
    pandas.DataFrame
        ``run``, ``hardware``, ``client``, ``zkvm``, ``block``, ``gas``, ``prove_s`` (NaN for a crash), ``crashed``,
        ``proof_bytes`` and ``cycles`` (NaN where no execution of that block is known); sorted by run and block.

    Raises
    ------
    InputError
        Naming the file and the column that is missing or holds a bad value, a run that finished without a proving
        time, or a block that one run has twice.
    """
    every = pd.concat([_rows(path) for path in paths], ignore_index=True)
    proofs = every[every["stage"] == "proving"]
    if proofs.empty:
        raise InputError(f"{', '.join(map(str, paths))}: no row is a proof (stage 'proving')")
    out = pd.DataFrame(
        {
            "run": _names(proofs),
            "hardware": proofs["hardware"],
            "client": proofs["el"],
            "zkvm": proofs["zkvm"],
            "block": proofs["block_number"].astype(int),
            "gas": proofs["block_gas_used"].astype(float),
            "prove_s": proofs["proving_time_ms"].astype(float) / 1e3,
            "crashed": proofs["status"] != "success",
            "proof_bytes": proofs["proof_size_bytes"],
        }
    )
    lost = out[out["prove_s"].isna() & ~out["crashed"]]
    if len(lost):
        row = lost.iloc[0]
        raise InputError(f"{row['run']}: block {row['block']} finished without a proving time")
    twice = out[out.duplicated(["run", "block"])]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(
            f"{row['run']}: block {row['block']} is there twice; a run is one machine, client and zkVM: tell the rows "
            "apart by hardware, el, zkvm or commit, or keep one of them"
        )
    out.loc[out["crashed"], "prove_s"] = np.nan
    out = _with_cycles(out, every[every["stage"] == "executions"])
    return out.sort_values(["run", "block"], ignore_index=True)


def _rows(path: Path) -> pd.DataFrame:
    """Return the proofs and executions of one file, checked."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    missing = [column for column in _REQUIRED if column not in frame.columns]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}")
    if "stage" not in frame.columns:
        frame = frame.assign(stage="proving")
    frame = frame[frame["stage"].isin(["proving", "executions"])].copy()
    for column in (*_NUMBERS, "commit"):
        if column not in frame.columns:
            frame[column] = "" if column == "commit" else np.nan
    for column in _NUMBERS:
        number = pd.to_numeric(frame[column], errors="coerce")
        bad = frame[column].notna() & ~(np.isfinite(number) & (number >= 0))
        if bad.any():
            raise InputError(
                f"{path}: {column} holds {frame.loc[bad, column].iloc[0]!r}; it must be finite and not negative"
            )
        frame[column] = number
    for column in (*IDENTITY, "block_number", "block_gas_used", "status"):
        if frame[column].isna().any():
            raise InputError(f"{path}: {column} is empty in {int(frame[column].isna().sum())} rows")
    return frame


def _names(proofs: pd.DataFrame) -> pd.Series:
    """Return the name of each row's run; the commit is part of it where nothing else tells two runs apart."""
    name = proofs["el"] + " on " + proofs["zkvm"] + ", " + proofs["hardware"]
    commit = proofs["commit"].fillna("").astype(str)
    several = commit.groupby(name).transform("nunique") > 1
    return name.where(~several, name + " at " + commit)


def base(name: str) -> str:
    """Return a client's or zkVM's name without its version: ``reth`` of ``reth-v1.11.0``."""
    return name.split("-")[0]


def _with_cycles(proofs: pd.DataFrame, executions: pd.DataFrame) -> pd.DataFrame:
    """Add the cycles of each block: by the same client, on the same zkVM or else the one that fits its times best.

    Versions of zkVM and client may differ between proof and execution. Rows of zero cycles count nothing.
    """
    counted = executions[executions["total_num_cycles"] > 0]
    parts = []
    for _, part in proofs.groupby("run", sort=False):
        client, zkvm = base(part["client"].iloc[0]), base(part["zkvm"].iloc[0])
        known = counted[counted["el"].map(base) == client]
        same = known[known["zkvm"].map(base) == zkvm]
        found = None
        for _, source in (same if len(same) else known).groupby(IDENTITY):
            cycles = part["block"].map(source.groupby("block_number")["total_num_cycles"].first())
            fit = cycles.corr(part["prove_s"]) if cycles.notna().sum() > 2 else np.nan
            if found is None or (np.isfinite(fit) and fit > found[0]):
                found = (fit if np.isfinite(fit) else -np.inf, cycles)
        parts.append(part.assign(cycles=np.nan if found is None else found[1].astype(float)))
    return pd.concat(parts)


def synthetic(seed: int, blocks: int = 250) -> pd.DataFrame:
    """Return invented runs of two provers in the form of `read`, one of which crashes on large blocks.

    Times and crashes follow the cycles, which follow gas loosely. For tests, and for a book built where the measured
    runs cannot be had.
    """
    rng = np.random.default_rng(seed)
    gas = rng.uniform(5e6, 45e6, blocks)
    cycles = gas * 20 * rng.lognormal(0, 0.15, blocks)
    frames = []
    for name, slope, crashes in (
        ("synthetic prover", 0.025, False),
        ("synthetic prover that crashes", 0.2, True),
    ):
        prove = (4 + slope * cycles / 1e6) * rng.lognormal(0, 0.05, blocks)
        crashed = rng.random(blocks) < crashes * -np.expm1(-cycles / 4e9)
        frames.append(
            pd.DataFrame(
                {
                    "run": name, "hardware": "none", "client": "synthetic", "zkvm": name, "block": np.arange(blocks),
                    "gas": gas, "prove_s": np.where(crashed, np.nan, prove), "crashed": crashed,
                    "proof_bytes": 250_000.0, "cycles": cycles,
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)
