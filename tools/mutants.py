"""Do the tests notice a wrong token? Change one operator, comparison or number of a science module and run its tests.

``python tools/mutants.py --sample 40 --seed 1`` draws mutants of the modules of `TARGETS` at random, runs for each the
tests beside it in a fresh process on a changed copy of the package, and prints which ones no test noticed. A mutant
counts as killed when a test fails or the run takes longer than `PATIENCE` times what the unchanged module needs.

``--together`` draws the sample from all modules at once, and ``--check`` exits with 1 where fewer are killed than
`GOALS` ask for. Mutants that change nothing that matters are listed with a reason in ``tools/accepted_mutants.json``:
they are shown, not run, and count neither for nor against.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGETS = {
    "intervals": ["tests/intervals/test_intervals.py"],
    "dispute/commitment": ["tests/dispute/test_commitment.py", "tests/dispute/test_collapsed_tree.py"],
    "dispute/collapsed_tree": ["tests/dispute/test_collapsed_tree.py"],
    "dispute/economics": ["tests/dispute/test_economics.py"],
    "dispute/patricia": ["tests/dispute/test_flat_kv.py"],
    "dispute/schedules": ["tests/dispute/test_schedule_moves.py", "tests/dispute/test_schedules.py"],
    "dispute/stores": ["tests/dispute/test_flat_kv.py"],
    "dispute/transition": ["tests/dispute/test_transition.py", "tests/dispute/test_flat_kv.py"],
    "dispute/trie_shape": ["tests/dispute/test_trie_shape.py", "tests/dispute/test_flat_kv.py"],
    "execution/expiry": ["tests/execution/test_expiry.py"],
    "proving/closed_form": ["tests/proving/test_closed_form.py"],
    "survival/conformal": ["tests/survival/test_conformal.py"],
    "survival/cox": ["tests/survival/test_cox.py"],
    "survival/forecasts": ["tests/survival/test_forecasts.py"],
    "survival/frailty": ["tests/survival/test_frailty.py"],
    "survival/kaplan_meier": ["tests/survival/test_kaplan_meier.py"],
    "survival/landmarks": ["tests/survival/test_landmarks.py"],
    "survival/model_file": ["tests/survival/test_model_file.py"],
    "survival/parametric": ["tests/survival/test_hazards.py"],
    "survival/peer": ["tests/survival/test_peer.py"],
    "survival/proportionality": ["tests/survival/test_proportionality.py"],
    "survival/scores": ["tests/survival/test_scores.py"],
    "survival/spells": ["tests/survival/test_spells.py", "tests/survival/test_cox.py"],
    "survival/steps": ["tests/survival/test_spells.py", "tests/survival/test_cox.py"],
    "tails/alternatives": ["tests/tails/test_tails.py"],
    "tails/estimators": ["tests/tails/test_tails.py"],
    "tiering/costs": ["tests/tiering/test_replay.py", "tests/tiering/test_windows.py"],
    "tiering/evaluation": ["tests/tiering/test_evaluation.py"],
    "tiering/replay": ["tests/tiering/test_replay.py", "tests/tiering/test_evaluation.py"],
    "tiering/trial": ["tests/tiering/test_trial.py"],
    "tiering/windows": ["tests/tiering/test_windows.py", "tests/tiering/test_replay.py"],
    "traces/transfer_logs": ["tests/traces/test_transfer_logs.py"],
}
"""Modules below ``src/rollstate``, and the tests that answer for them."""
PATIENCE = 5
"""How many times longer than the unchanged module a mutant may take."""
LONGEST_S = 1_800
"""Seconds that thorough tests may take beyond that."""
NONE_COLLECTED = 5
"""What pytest ends with where all tests of a module are long ones, so that no quick one notices anything."""
STRICT = ("tiering", "survival", "intervals", "dispute")
"""Parts of the package that decide what the book says: more of their mutants must be killed."""
GOALS = {"all": 0.85, "strict": 0.95}
"""Least share killed of all mutants drawn, and of those of `STRICT`."""
ACCEPTED = ROOT / "tools" / "accepted_mutants.json"
"""Survivors that change nothing that matters: module, place, change, and the reason."""
WITHOUT = ("CI", "ROLLSTATE_DATA", "ROLLSTATE_THOROUGH", "ROLLSTATE_NIGHTLY")
"""Variables that would make long tests, or tests on published data, run where quick ones are meant."""
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
    within : str
        The function, method or class that holds it; empty for the module itself.
    change : str
        The line's expression before and after.
    number : int
        Which of the module's mutants it is.
    """

    module: str
    line: int
    within: str
    change: str
    number: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it in the list of accepted survivors, wherever its lines move."""
        return self.module, self.within, self.change


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


def read(module: str) -> str:
    """Return the source of a module of the package."""
    return (ROOT / "src" / "rollstate" / f"{module}.py").read_text(encoding="utf-8")


def mutant(source: str, module: str, number: int) -> Mutant:
    """Return one mutant of the source of a module, by its place in the syntax tree."""
    _, before, after, line, within = changed(source, number)
    return Mutant(module, line, within, f"{before}  ->  {after}", number)


def count(source: str) -> int:
    """Return how many mutants a source has."""
    return len(list(_places(ast.parse(source))))


def changed(source: str, number: int) -> tuple[str, str, str, int, str]:
    """Return the source with one token changed, the expression before and after, its line, and what it lies within."""
    tree = ast.parse(source)
    node, field, index = list(_places(tree))[number]
    before, within = ast.unparse(node), _within(tree, node)
    if field == "ops":
        node.ops[index] = _SWAPS[type(node.ops[index])][0]()
    elif field == "op":
        node.op = _SWAPS[type(node.op)][0]()
    else:
        node.value += 1
    return ast.unparse(tree), before, ast.unparse(node), node.lineno, within


def _within(tree: ast.Module, node: ast.expr) -> str:
    """Return the dotted name of the definitions around an expression."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    around = [
        other
        for other in ast.walk(tree)
        if isinstance(other, kinds) and any(o is node for o in ast.walk(other))
    ]
    return ".".join(one.name for one in around)


def accepted() -> dict[tuple[str, str, str], str]:
    """Return the reasons of survivors that are accepted, by module, place and change."""
    rows = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    return {(row["module"], row["within"], row["change"]): row["reason"] for row in rows}


def shortfalls(found: Sequence[tuple[Mutant, bool]]) -> list[str]:
    """Return a line for each of `GOALS` that the mutants and whether each was killed do not reach."""
    groups = {
        "all": [dead for _, dead in found],
        "strict": [dead for one, dead in found if one.module.split("/")[0] in STRICT],
    }
    names = {"all": "all modules", "strict": ", ".join(STRICT)}
    return [
        f"{names[group]}: {sum(dead)} of {len(dead)} killed, the goal is {GOALS[group]:.0%}"
        for group, dead in groups.items()
        if dead and sum(dead) < GOALS[group] * len(dead)
    ]


def _run(folder: Path, tests: list[str], patience: float | None, *, thorough: bool = False) -> bool:
    """Return whether the tests pass on the copy of the package in `folder`."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in WITHOUT},
        "PYTHONPATH": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"ROLLSTATE_THOROUGH": "1"} if thorough else {}),
    }
    options = ["-q", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2, NONE_COLLECTED):
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.returncode in (0, NONE_COLLECTED)


def copy(folder: Path) -> None:
    """Copy the package, and the data that it takes from beside its checkout, to `folder`."""
    shutil.copytree(
        ROOT / "src" / "rollstate", folder / "rollstate", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(ROOT / "data", folder / "data")


def patience_of(modules: Sequence[str], folder: Path) -> dict[str, float]:
    """Return how many seconds the tests of each module may take, from a run without any change."""
    patience: dict[tuple[str, ...], float] = {}
    for module in modules:
        if (tests := tuple(TARGETS[module])) in patience:
            continue
        started = time.monotonic()
        if not _run(folder, TARGETS[module], None):
            raise SystemExit(f"the tests of {module} fail without any change; mend them first")
        patience[tests] = PATIENCE * (time.monotonic() - started) + 30
    return {module: patience[tuple(TARGETS[module])] for module in modules}


def killed(one: Mutant, folder: Path, patience: float, *, quick: bool = False) -> bool:
    """Return whether the tests notice a mutant, on the copy of the package in `folder`: the quick ones, or else all.

    With `quick` the long tests do not run, and the share killed is at most what it would be with them.
    """
    path = folder / "rollstate" / f"{one.module}.py"
    source = path.read_text(encoding="utf-8")
    path.write_text(changed(source, one.number)[0], encoding="utf-8")
    try:
        tests = TARGETS[one.module]
        if not _run(folder, tests, patience):
            return True
        return not (quick or _run(folder, tests, patience + LONGEST_S, thorough=True))
    finally:
        path.write_text(source, encoding="utf-8")


def judge(
    drawn: Sequence[Mutant], folder: Path, jobs: int = 1, *, quick: bool = False
) -> Iterator[tuple[Mutant, bool]]:
    """Run the tests of each mutant on copies of the package in `folder`; yield it and whether it was killed."""
    copies: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for number in range(jobs):
        copy(folder / str(number))
        copies.put(folder / str(number))
    patience = patience_of(list(dict.fromkeys(one.module for one in drawn)), folder / "0")

    def on_a_copy(one: Mutant) -> bool:
        own = copies.get()
        try:
            return killed(one, own, jobs * patience[one.module], quick=quick)
        finally:
            copies.put(own)

    with ThreadPoolExecutor(jobs) as pool:
        yield from zip(drawn, pool.map(on_a_copy, drawn), strict=True)


def draw(modules: Sequence[str], sample: int, seed: int, *, together: bool) -> list[Mutant]:
    """Return `sample` mutants of each module, or of all together, in the order of modules and their syntax trees."""
    sources = {module: read(module) for module in modules}
    pools = [[(module, number) for number in range(count(sources[module]))] for module in modules]
    if together:
        pools = [[one for pool in pools for one in pool]]
    drawn = [random.Random(seed).sample(range(len(pool)), min(sample, len(pool))) for pool in pools]
    picked = [pool[at] for pool, places in zip(pools, drawn, strict=True) for at in sorted(places)]
    return [mutant(sources[module], module, number) for module, number in picked]


def main(arguments: list[str] | None = None) -> int:
    """Draw mutants, run their tests, print the survivors and the share killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--module", action="append", choices=sorted(TARGETS), help="only this one; may be repeated"
    )
    parser.add_argument("--sample", type=int, default=40, help="how many mutants of each module, or together")
    parser.add_argument("--together", action="store_true", help="draw the sample from all modules at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="how many mutants to run at once")
    parser.add_argument("--quick", action="store_true", help="leave the long tests out")
    parser.add_argument("--check", action="store_true", help="exit with 1 below the goals")
    parser.add_argument("--out", type=Path, help="also write what was found there, as JSON lines")
    asked = parser.parse_args(arguments)
    drawn = draw(asked.module or sorted(TARGETS), asked.sample, asked.seed, together=asked.together)
    reasons = accepted()
    for one in drawn:
        if reason := reasons.get(one.key):
            print(f"accepted {one.module}:{one.line}  {one.change}  ({reason})")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        asked_for = [one for one in drawn if one.key not in reasons]
        for one, dead in judge(asked_for, Path(folder), asked.jobs, quick=asked.quick):
            found.append((one, dead))
            print(f"{'killed  ' if dead else 'SURVIVED'} {one.module}:{one.line}  {one.change}", flush=True)
            if asked.out:
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({**asdict(one), "killed": dead}) + "\n")
    for module in dict.fromkeys(one.module for one, _ in found):
        own = [dead for one, dead in found if one.module == module]
        print(f"{module}: {sum(own)} of {len(own)} killed")
    short = shortfalls(found)
    for line in short:
        print(line)
    return int(asked.check and bool(short))


if __name__ == "__main__":
    sys.exit(main())
