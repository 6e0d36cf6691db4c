"""Run the benchmarks of this folder, one after the other: each prints ratios to a peer measured in the same run.

``python benchmarks/run.py survival policy --keep FILE`` runs those named (else all) and puts their ratios into a JSON
file, beside what other benchmarks put there before. ``python benchmarks/run.py --compare FILE`` runs nothing: it names
each ratio of the file that is 1.5 times worse than in the newest earlier release of ``benchmarks/ratios``, and exits
with 1 if any is.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import kept

import rollstate

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("run", "kept"))


def run(name: str) -> list[dict[str, Any]]:
    """Run one benchmark and return the ratios that it kept."""
    print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        collected = Path(folder) / "ratios.jsonl"
        environment = {**os.environ, kept.COLLECTED: str(collected)}
        subprocess.run([sys.executable, HERE / f"{name}.py"], check=True, env=environment)
        lines = collected.read_text(encoding="utf-8").splitlines() if collected.exists() else []
    rows = [json.loads(line) for line in lines]
    return [{key: row[key] for key in ("what", "peer", "ratio")} for row in rows if row["benchmark"] == name]


def put(file: Path, name: str, ratios: list[dict[str, Any]], note: str) -> None:
    """Write the ratios of one benchmark into a file of this version, with machine, date and note."""
    record: dict[str, Any] = {"version": rollstate.__version__, "benchmarks": {}}
    if file.exists():
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["version"] != rollstate.__version__:
            raise SystemExit(f"{file} is of version {record['version']}, this is {rollstate.__version__}")
    python = f"{kept.machine()}, Python {platform.python_version()}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    record["benchmarks"][name] = {"date": today, "machine": python, "note": note, "ratios": ratios}
    record["benchmarks"] = dict(sorted(record["benchmarks"].items()))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def compare(file: Path, folder: Path = kept.FOLDER) -> int:
    """Print what became slower since the newest earlier release; return 1 if anything did."""
    if not file.exists():
        raise SystemExit(f"{file} does not exist; measure first: python benchmarks/run.py --keep {file}")
    before = kept.earlier(file, folder)
    if before is None:
        print(f"{folder} has no earlier release to compare {file} with")
        return 0
    slower, gone = kept.slowdowns(*(json.loads(path.read_text(encoding="utf-8")) for path in (file, before)))
    for line in gone:
        print(f"gone    {line}")
    for line in slower:
        print(f"SLOWER  {line}")
    print(f"{file} beside {before}: {len(slower)} ratios {kept.SLOWDOWN:g} times worse or more")
    return int(bool(slower))


def main(arguments: list[str] | None = None) -> int:
    """Run, keep or compare, as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; all if none")
    parser.add_argument("--kept", action="store_true", help="those of which the newest release kept ratios")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="put the ratios into this file")
    parser.add_argument(
        "--note", default="", help="what else is to be known of this run, kept beside the ratios"
    )
    parser.add_argument("--compare", type=Path, metavar="FILE", help="compare this file, without a run")
    asked = parser.parse_args(arguments)
    if asked.compare:
        return compare(asked.compare)
    if unknown := sorted(set(asked.names) - set(NAMES)):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    chosen = kept.benchmarks() if asked.kept else asked.names or NAMES
    for name in chosen:
        ratios = run(name)
        if asked.keep:
            put(asked.keep, name, ratios, asked.note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
