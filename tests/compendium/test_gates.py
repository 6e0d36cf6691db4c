"""A gate is green where a number holds, and red when an estimator, a parameter or a tolerance is not what it was."""

import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.compendium import gates, results, runner
from rollstate.errors import InputError

RUN = {"proving": {"substituted": [], "inputs": {"parameters": {"seed": 1}}}}
PUBLISHED = {"proving": {"seed": 1}}


def registry(value):
    return {
        "proving.delay": results.Result(
            "proving.delay", value, "s", None, "", "a delay", "tests/x.py::test_y", 1, {"source": "model"}
        )
    }


def judged(value, runs=RUN, **gate):
    given = {
        "key": "proving.delay",
        "expected": 10.0,
        "tolerance": 1.0,
        "reason": "a stated bound here",
        **gate,
    }
    (verdict,) = gates.judge([gates.Gate(**given)], registry(value), runs, PUBLISHED)
    return verdict.state


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_a_number_is_green_within_its_tolerance_and_red_outside(expected, tolerance):
    assert judged(expected, expected=expected, tolerance=tolerance) == "green"
    assert judged(expected + tolerance * 1.001 + 1e-6, expected=expected, tolerance=tolerance) == "red"
    assert judged(expected - tolerance * 1.001 - 1e-6, expected=expected, tolerance=tolerance) == "red"


def test_a_verdict_must_be_the_same_word():
    assert judged("holds", expected="holds", tolerance=0) == "green"
    assert judged("fails", expected="holds", tolerance=0) == "red"


def test_a_number_that_is_no_longer_recorded_is_red():
    (verdict,) = gates.judge([gates.Gate("proving.gone", 1, 0, "an exact integer count")], {}, RUN, PUBLISHED)
    assert verdict.state == "red"


@pytest.mark.parametrize(
    "run",
    [
        {"substituted": ["mainnet-bal"], "inputs": {"parameters": {"seed": 1}}},
        {"substituted": [], "inputs": {"parameters": {"seed": 2}}},
    ],
)
def test_other_data_or_parameters_are_not_judged(run):
    assert judged(99.0, runs={"proving": run}) == "not judged"
    assert judged(99.0, runs={}) == "not judged"


@pytest.mark.parametrize(
    "change",
    [
        {"tolerance": -1},
        {"tolerance": float("nan")},
        {"reason": "why"},
        {"expected": "word"},
        {"expected": float("inf")},
    ],
)
def test_an_entry_that_is_no_gate_is_refused(change):
    row = {"key": "a.b", "expected": 1.0, "tolerance": 0.1, "reason": "a stated bound here", **change}
    with pytest.raises(InputError, match=r"a\.b"):
        gates.Gate(**row)


def test_an_unreadable_file_says_what_an_entry_is(tmp_path):
    (tmp_path / gates.FILE).write_text("a.b: 3\n")
    with pytest.raises(InputError, match="expected, tolerance, reason"):
        gates.load(tmp_path)


def test_every_gate_of_the_project_is_judged_on_a_chapter_of_the_book(root):
    found = gates.load(root)
    assert {gate.key.split(".")[0] for gate in found} <= set(runner.chapters(root))
    assert len(found) == len({gate.key for gate in found}) > 20


# fmt: off
MUTATIONS = {
    "an estimator": (
        "coverage.py", "2.0 * np.trapezoid(share, units) - 1.0", "2.0 * np.trapezoid(share, units) - 0.999",
        "traces.gini_slots",
    ),
    "a default parameter": (
        "compendium/chapters/traces.py", "window_stop: int | None = parameter(\n        None",
        "window_stop: int | None = parameter(\n        20_615_580", "traces.slots",
    ),
}
# fmt: on


@pytest.mark.real_data
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutated_estimator_or_parameter_turns_a_gate_red(mutation, root, data_dir, tmp_path):
    """The chapter is run from a copy of the package in which one line differs, and judged as the book is."""
    file, old, new, key = MUTATIONS[mutation]
    package = shutil.copytree(
        root / "src" / "rollstate",
        tmp_path / "src" / "rollstate",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (tmp_path / "data").symlink_to(root / "data")
    text = (package / file).read_text()
    assert old in text, "the line to mutate is gone"
    (package / file).write_text(text.replace(old, new))
    chapter = key.split(".")[0]
    command = "import sys; from rollstate.compendium.cli import main; main(sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "ROLLSTATE_ROOT": str(root)}

    def cli(*words):
        return subprocess.run(
            [sys.executable, "-c", command, *words],
            env=environment, capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip

    done = cli("run", chapter, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    judged = cli("gates", str(tmp_path / "run"))
    assert judged.returncode == 1, judged.stdout
    assert key in judged.stderr
