"""Do the tests notice a wrong token? Change one operator, comparison or number of a science module and run its tests.

``python tools/mutants.py --sample 40 --seed 1`` draws mutants of the modules of `TARGETS` at random, runs for each the
tests beside it in a fresh process on a changed copy of the package, and prints which ones no test noticed. A mutant
counts as killed when a test fails or the run takes longer than `PATIENCE` times what the unchanged module needs.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {
    "proving/closed_form": ["tests/proving/test_closed_form.py"],
    "tails/estimators": ["tests/tails/test_tails.py"],
    "tiering/evaluation": ["tests/tiering/test_evaluation.py"],
    "tiering/windows": ["tests/tiering/test_windows.py", "tests/tiering/test_replay.py"],
    "tiering/replay": ["tests/tiering/test_replay.py", "tests/tiering/test_evaluation.py"],
}
"""Modules below ``src/rollstate``, and the fast tests that answer for them."""
PATIENCE = 5
"""How many times longer than the unchanged module a mutant may take."""
_SWAPS: dict[type, tuple[type, str]] = {
    ast.Lt: (ast.LtE, "<="),
    ast.LtE: (ast.Lt, "<"),
    ast.Gt: (ast.GtE, ">="),
    ast.GtE: (ast.Gt, ">"),
    ast.Eq: (ast.NotEq, "!="),
    ast.NotEq: (ast.Eq, "=="),
    ast.Add: (ast.Sub, "-"),
    ast.Sub: (ast.Add, "+"),
    ast.Mult: (ast.Div, "/"),
    ast.Div: (ast.Mult, "*"),
    ast.And: (ast.Or, "or"),
    ast.Or: (ast.And, "and"),
}


@dataclass(frozen=True)
class Mutant:
    """One wrong token.

    Attributes
    ----------
    module : str
        Below ``src/rollstate``, without its ending.
    line : int
        Of the unchanged file.
    change : str
        The line's expression before and after.
    number : int
        Which of the module's mutants it is.
    """

    module: str
    line: int
    change: str
    number: int


def _places(tree: ast.Module) -> Iterator[tuple[ast.expr, str, int]]:
    """Yield the places to change: an expression, the field that holds the token, and its index in there."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        # Messages are not science, and neither are the defaults of a signature's annotations.
        if isinstance(node, ast.Raise):
            skipped |= {id(inside) for inside in ast.walk(node)}
        for name in ("annotation", "returns"):
            if (inside := getattr(node, name, None)) is not None:
                skipped |= {id(one) for one in ast.walk(inside)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Compare):
            yield from ((node, "ops", i) for i, op in enumerate(node.ops) if type(op) in _SWAPS)
        elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in _SWAPS:
            yield node, "op", 0
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            yield node, "value", 0


def mutants(module: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its syntax tree."""
    source = (ROOT / "src" / "rollstate" / f"{module}.py").read_text(encoding="utf-8")
    found = []
    for number in range(len(list(_places(ast.parse(source))))):
        before, after, line = _changed(source, number)[1:]
        found.append(Mutant(module, line, f"{before}  ->  {after}", number))
    return found


def _changed(source: str, number: int) -> tuple[str, str, str, int]:
    """Return the source with one token changed, the expression before and after, and its line."""
    tree = ast.parse(source)
    node, field, index = list(_places(tree))[number]
    before = ast.unparse(node)
    if field == "ops":
        node.ops[index] = _SWAPS[type(node.ops[index])][0]()
    elif field == "op":
        node.op = _SWAPS[type(node.op)][0]()
    else:
        node.value += 1
    return ast.unparse(tree), before, ast.unparse(node), node.lineno


def _run(folder: Path, tests: list[str], patience: float | None) -> bool:
    """Return whether the tests pass on the copy of the package in `folder`."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.returncode == 0


def judge(drawn: list[Mutant], folder: Path) -> Iterator[tuple[Mutant, bool]]:
    """Run the tests of each mutant on a copy of the package in `folder`; yield it and whether it was killed."""
    shutil.copytree(
        ROOT / "src" / "rollstate", folder / "rollstate", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "data", folder / "data")
    patience: dict[str, float] = {}
    for one in drawn:
        path, tests = folder / "rollstate" / f"{one.module}.py", TARGETS[one.module]
        source = path.read_text(encoding="utf-8")
        if one.module not in patience:
            started = time.monotonic()
            if not _run(folder, tests, None):
                raise SystemExit(f"the tests of {one.module} fail without any change; mend them first")
            patience[one.module] = PATIENCE * (time.monotonic() - started) + 30
        path.write_text(_changed(source, one.number)[0], encoding="utf-8")
        try:
            yield one, not _run(folder, tests, patience[one.module])
        finally:
            path.write_text(source, encoding="utf-8")


def main() -> None:
    """Draw mutants, run their tests, print the survivors and the share killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--module", action="append", choices=sorted(TARGETS), help="only this one; may be repeated"
    )
    parser.add_argument("--sample", type=int, default=40, help="how many mutants of each module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="also write what was found there, as JSON lines")
    asked = parser.parse_args()
    killed: dict[str, list[bool]] = {}
    for module in asked.module or TARGETS:
        every = mutants(module)
        drawn = random.Random(asked.seed).sample(every, min(asked.sample, len(every)))
        with tempfile.TemporaryDirectory() as folder:
            for one, dead in judge(drawn, Path(folder)):
                killed.setdefault(module, []).append(dead)
                print(f"{'killed  ' if dead else 'SURVIVED'} {module}:{one.line}  {one.change}", flush=True)
                if asked.out:
                    with asked.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({**asdict(one), "killed": dead}) + "\n")
    for module, found in killed.items():
        print(f"{module}: {sum(found)} of {len(found)} killed")


if __name__ == "__main__":
    main()
