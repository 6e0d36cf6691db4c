"""Ratios that are kept with each release, so that a slowdown is seen: how many times as fast as its named peer.

A benchmark calls `keep` beside what it prints. Seconds depend on the machine; the ratio to a peer that was measured in
the same run does so much less, and can be compared between releases.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from packaging.version import Version

FOLDER = Path(__file__).parent / "ratios"
"""One file for each release, named by its version."""
COLLECTED = "ROLLSTATE_RATIOS"
"""Names the file that a benchmark adds its ratios to, where somebody collects them."""
SLOWDOWN = 1.5
"""How many times smaller than before a ratio counts as a slowdown."""


def keep(what: str, peer: str, ratio: float) -> None:
    """Hand a ratio to whoever collects them; without a collector nothing happens.

    Parameters
    ----------
    what : str
        What was measured; with the peer's name it identifies the ratio in later releases.
    peer : str
        What it was measured against, in the same run.
    ratio : float
        Times as fast as the peer: the peer's seconds over those of rollstate.
    """
    if collected := os.environ.get(COLLECTED):
        line = {
            "benchmark": Path(sys.argv[0]).stem,
            "what": what,
            "peer": peer,
            "ratio": float(f"{ratio:.4g}"),
        }
        with open(collected, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def peak_gib() -> float:
    """Return the most memory that this process has held, in GiB.

    Not ``ru_maxrss``, which a process takes over from the one that started it.
    """
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(held.split()[1]) / 2**20


def machine() -> str:
    """Return the processor and the number of cores, as the system names them."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def slowdowns(now: dict[str, Any], before: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Compare the ratios of two kept files.

    Parameters
    ----------
    now, before : dict
        As written by ``python benchmarks/run.py --keep``: ``benchmarks``, and of each its ``ratios``.

    Returns
    -------
    tuple of list of str
        A line for each ratio that is `SLOWDOWN` times smaller now or worse, and a line for each ratio of before that
        now has no counterpart, in the order of the earlier file.
    """
    slower, gone = [], []
    for benchmark, record in before["benchmarks"].items():
        current = now["benchmarks"].get(benchmark, {"ratios": []})["ratios"]
        found = {(row["what"], row["peer"]): row["ratio"] for row in current}
        for row in record["ratios"]:
            name = f"{benchmark}: {row['what']}, beside {row['peer']}"
            ratio = found.get((row["what"], row["peer"]))
            if ratio is None:
                gone.append(
                    f"{name}: {row['ratio']:g} times as fast in {before['version']}, not measured now"
                )
            elif row["ratio"] >= SLOWDOWN * ratio:
                slower.append(
                    f"{name}: {row['ratio']:g} times as fast in {before['version']}, now {ratio:g} times, "
                    f"a slowdown of {row['ratio'] / ratio:.1f}"
                )
    return slower, gone


def earlier(measured: Path, folder: Path = FOLDER) -> Path | None:
    """Return the newest release's file that `measured` is to be compared with; None where there is none.

    A file of the folder is compared with an earlier version's; any other file, measured between releases, may also be
    compared with that of its own version.
    """
    version = Version(json.loads(measured.read_text(encoding="utf-8"))["version"])
    among = [
        (Version(path.stem), path)
        for path in folder.glob("*.json")
        if path.resolve() != measured.resolve() and Version(path.stem) <= version
    ]
    return max(among)[1] if among else None


def benchmarks(folder: Path = FOLDER) -> list[str]:
    """Return the benchmarks of which the newest release kept ratios."""
    newest = max(folder.glob("*.json"), key=lambda path: Version(path.stem), default=None)
    if newest is None:
        raise SystemExit(f"{folder} holds no release's ratios")
    return sorted(json.loads(newest.read_text(encoding="utf-8"))["benchmarks"])
