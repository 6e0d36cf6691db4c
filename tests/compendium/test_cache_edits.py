"""The mutation test of the cache: after an edit of any kind exactly the chapters that depend on it are due.

A copy of the project is edited in one place at a time, and a process that runs the copy says which chapters' keys
moved. What must move is written beside each edit by hand. The fast tests make one edit of each kind, the nightly run
all of them.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollstate.compendium import provenance

ROOT = Path(__file__).resolve().parents[2]
ALL = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
DISPUTE, DIFF = {"fraud_proof"}, {"verifier_memory"}
COMPILED = {
    "caching", "eda", "execution_state", "flat_kv", "fraud_proof", "proving", "reuse",
    "survival", "tiering", "verifier_memory",
}  # fmt: skip
"""Chapters that run machine code."""

CHILD = """
import json, sys
from rollstate import compiled
from rollstate.compendium import provenance, runner
from rollstate.traces import datasets

root = provenance.project_root()
chapters = sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))
for line in sys.stdin:
    for cached in (provenance._graph, provenance.environment, datasets.manifest, compiled.cache_folder):
        cached.cache_clear()
    keys = {chapter: runner.current_key(chapter, root) for chapter in chapters}
    own = runner.plan("traces", {"trace": json.loads(line)["own"]}, root, fetch=False)
    keys["own trace"] = provenance.key(runner._inputs(own, root))
    print(json.dumps({"keys": keys, "kernels": str(compiled.cache_folder())}), flush=True)
"""


def constant(text):
    """Add one to the first number that a module names."""
    for node in ast.parse(text).body:
        value = getattr(node, "value", None)
        if (
            isinstance(node, ast.Assign)
            and isinstance(value, ast.Constant)
            and type(value.value) in (int, float)
        ):
            lines = text.split("\n")
            line = lines[value.lineno - 1]
            lines[value.lineno - 1] = (
                line[: value.col_offset] + repr(value.value + 1) + line[value.end_col_offset :]
            )
            return "\n".join(lines)
    raise AssertionError("the module names no number; choose another one")


def returned(text):
    """Make the first statement that returns something return nothing."""
    found = next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Return) and node.value)
    lines = text.split("\n")
    lines[found.lineno - 1 : found.end_lineno] = [lines[found.lineno - 1][: found.col_offset] + "return None"]
    return "\n".join(lines)


def word(text):
    """Change a word of the docstring."""
    return text.replace('"""', '"""Edited. ', 1)


def cell(text):
    book = json.loads(text)
    code = next(one for one in book["cells"] if one["cell_type"] == "code")
    code["source"] = (
        [*code["source"], "\npass"] if isinstance(code["source"], list) else code["source"] + "\npass"
    )
    return json.dumps(book)


def prose(text):
    book = json.loads(text)
    said = next(one for one in book["cells"] if one["cell_type"] == "markdown")
    said["source"] = (
        [*said["source"], " More."] if isinstance(said["source"], list) else said["source"] + " More."
    )
    return json.dumps(book)


def digit(text):
    """Change the last digit, of a version or a checksum."""
    at = max(text.rfind(one) for one in "0123456789")
    return text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]


def meaning(text):
    """Change what a declared result is said to be."""
    return text.replace('result("', 'result("Edited: ', 1).replace(
        'result(\n        "', 'result(\n        "Edited: ', 1
    )


def default(text):
    """Change the first number among the defaults of parameters."""
    return re.sub(r"(parameter\(\s*)([0-9])", r"\g<1>1\2", text, count=1)


def imports(module):
    return lambda text: text + f"\n\nimport {module}  # noqa\n"


def byte(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def checksum(name):
    """Change the checksums of one data set in the manifest."""

    def edit(text):
        manifest = json.loads(text)
        for file in manifest[name]["files"]:
            file["sha256"] = file["sha256"][::-1]
        return json.dumps(manifest)

    return edit


SRC = "src/rollstate"
EDITS = [
    ("module constant", f"{SRC}/tails/assessment.py", constant, {"eda", "observability"}),
    ("module constant", f"{SRC}/proving/planner.py", constant, {"proving"}),
    ("module constant", f"{SRC}/tiering/trial.py", constant, {"reuse", "tiering"}),
    ("module constant", f"{SRC}/survival/cox.py", constant, {"caching", "reuse", "survival", "tiering"}),
    ("module constant", f"{SRC}/execution/replay.py", constant, {"execution", "flat_kv"}),
    ("module constant", f"{SRC}/execution/caches.py", constant, {"execution_state"}),
    ("constant that machine code uses", f"{SRC}/worlddiff/columnar_kernel.py", constant, DIFF),
    ("constant that machine code uses", f"{SRC}/dispute/keccak.py", constant, {"flat_kv", "fraud_proof"}),
    (
        "constant that machine code uses",
        f"{SRC}/dispute/trie_shape.py",
        constant,
        {"execution", "execution_state", "flat_kv"},
    ),
    (
        "constant that machine code uses",
        f"{SRC}/survival/parametric.py",
        constant,
        {"reuse", "survival", "tiering"},
    ),
    ("function", f"{SRC}/proving/closed_form.py", returned, {"proving"}),
    ("function", f"{SRC}/coverage/counts.py", returned, {"execution_state", "traces"}),
    ("function", f"{SRC}/worlddiff/world_diff.py", returned, DIFF),
    ("function", f"{SRC}/compendium/bundles.py", returned, ALL),
    ("function", f"{SRC}/profile/counts.py", returned, {"eda", "reuse"}),
    ("function", f"{SRC}/compiled.py", returned, COMPILED),
    ("docstring", f"{SRC}/tiering/windows.py", word, {"reuse", "tiering"}),
    ("docstring", f"{SRC}/traces/dependence.py", word, {"eda"}),
    ("docstring", f"{SRC}/errors.py", word, ALL),
    ("notebook cell", "notebooks/traces.ipynb", cell, {"traces"}),
    ("notebook cell", "notebooks/fraud_proof.ipynb", cell, DISPUTE),
    ("notebook prose", "notebooks/eda.ipynb", prose, {"eda"}),
    ("default of a parameter", f"{SRC}/chapters/proving/parameters.py", default, {"proving"}),
    ("default of a parameter", f"{SRC}/chapters/tiering/parameters.py", default, {"tiering"}),
    ("results declaration", f"{SRC}/chapters/survival/results.py", meaning, {"survival"}),
    ("results declaration", f"{SRC}/chapters/reuse/results.py", meaning, {"reuse"}),
    ("figure code", f"{SRC}/chapters/observability/figures.py", returned, {"observability"}),
    ("figure code", f"{SRC}/chapters/flat_kv/figures.py", returned, {"flat_kv"}),
    ("style of all figures", f"{SRC}/compendium/style.py", constant, ALL),
    ("new import", f"{SRC}/chapters/proving/study.py", imports("rollstate.tails"), {"proving"}),
    ("checksum of a data set", "data/manifest.json", checksum("zksp"), {"eda", "survival", "tiering"}),
    ("checksum of a data set", "data/manifest.json", checksum("proving"), {"proving"}),
    ("byte of one's own trace", "own/trace.csv", byte, {"own trace"}),
    ("lock line", "requirements.lock", digit, ALL),
    ("installed version", "site/other-1.0.dist-info/METADATA", digit, ALL),
    ("version of the package", f"{SRC}/__init__.py", digit, ALL),
    ("package data", f"{SRC}/data/profiles/zksp.parquet", byte, {"eda", "reuse", "survival", "tiering"}),
    ("package data", f"{SRC}/data/profiles/index.json", digit, {"eda", "reuse", "survival", "tiering"}),
    ("Vyper contract", f"{SRC}/dispute/contracts/rollup.vy", word, DISPUTE),
    ("Vyper contract", f"{SRC}/traces/live/contracts/token.vy", digit, {"flat_kv", "observability"}),
    ("what no result depends on", f"{SRC}/compendium/cli.py", word, set()),
    ("what no result depends on", f"{SRC}/compendium/runner.py", word, set()),
    ("what no result depends on", "CITATION.cff", digit, set()),
]
FIRST_OF_KIND = {kind: number for number, (kind, *_) in reversed(list(enumerate(EDITS)))}


class Copy:
    """A copy of the project and a process that runs its code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "notebooks", "data"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("CITATION.cff", "requirements.lock", "_toc.yml", "pyproject.toml"):
            shutil.copy(ROOT / name, folder / name)
        (folder / "own").mkdir()
        (folder / "own" / "trace.csv").write_text("block_number,slot\n1,2\n")
        installed = folder / "site" / "other-1.0.dist-info"
        installed.mkdir(parents=True)
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0")
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder / 'site'}",
            "ROLLSTATE_ROOT": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.child = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            env=environment,
            cwd=folder,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.before = self.look()

    def look(self) -> dict:
        """Return the key of every chapter and the folder of machine code, as the copy is now."""
        self.child.stdin.write(json.dumps({"own": str(self.folder / "own" / "trace.csv")}) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def due(self, file: str, edit) -> tuple[set, bool]:
        """Return which keys an edit of a file moves, and whether compiled functions are made anew; undo it."""
        path = self.folder / file
        kept = path.read_bytes()
        changed = edit(kept) if edit is byte else edit(kept.decode()).encode()
        assert changed != kept, f"the edit leaves {file} as it is"
        path.write_bytes(changed)
        try:
            after = self.look()
        finally:
            path.write_bytes(kept)
        moved = {name for name, key in after["keys"].items() if key != self.before["keys"][name]}
        return moved, after["kernels"] != self.before["kernels"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    made = Copy(tmp_path_factory.mktemp("copy"))
    yield made
    made.child.stdin.close()
    made.child.wait(timeout=60)


def expected(number):
    """Return what an edit must make due; the reader's own trace is a run of the chapter ``traces``."""
    _, _, _, due = EDITS[number]
    return due | ({"own trace"} if "traces" in due else set())


def check(copy, number):
    kind, file, edit, _ = EDITS[number]
    due, compiled_anew = copy.due(file, edit)
    assert due == expected(number), f"{kind} in {file}"
    assert compiled_anew == file.endswith(".py"), f"{kind} in {file}: machine code"


NIGHTLY = (
    pytest.mark.nightly,
    pytest.mark.skipif(
        "ROLLSTATE_NIGHTLY" not in os.environ, reason="the nightly run sets ROLLSTATE_NIGHTLY=1"
    ),
)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, id=f"{number}, {kind}", marks=() if number == FIRST_OF_KIND[kind] else NIGHTLY)
        for number, (kind, *_) in enumerate(EDITS)
    ],
)
def test_an_edit_makes_exactly_its_chapters_due(copy, number):
    check(copy, number)


def test_undone_edits_leave_the_keys_as_they_were(copy):
    assert len(EDITS) >= 40
    assert copy.look() == copy.before


def test_package_data_has_one_reader():
    package = ROOT / "src" / "rollstate"
    source = {
        ".".join(file.relative_to(package.parent).with_suffix("").parts): file.read_text(encoding="utf-8")
        for file in package.rglob("*.py")
        if "compendium" not in file.parts
    }
    reading = {name for name, text in source.items() if "resources.files(" in text}
    # Files that count for their whole package, because all who read them import it.
    reading -= {
        "rollstate.chapters.flat_kv.study", "rollstate.chapters.fraud_proof.evm", "rollstate.policy.format",
        "rollstate.riscv.guest.__init__", "rollstate.riscv.guest.evm", "rollstate.riscv.verifier",
    }  # fmt: skip
    assert reading == set(provenance.DATA_READERS.values()), "name what a new reader of package data reads"
    for folder, reader in provenance.DATA_READERS.items():
        assert (package / folder).is_dir()
        assert f'"{folder.rpartition("/")[2]}"' in source[reader]
