"""Run every benchmark of this folder, one after the other: each prints ratios to a peer measured in the same run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    here = Path(__file__).parent
    names = sys.argv[1:] or sorted(path.stem for path in here.glob("*.py") if path.stem != "run")
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, here / f"{name}.py"], check=True)


if __name__ == "__main__":
    main()
