"""A gate is green where a number holds, and red when an estimator, a parameter or a tolerance is not what it was."""

import dataclasses
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.compendium import by_name, gates, releases, results, runner
from rollstate.errors import InputError

RUN = {"proving": {"missing": [], "inputs": {"parameters": {"seed": 1}}}}
PUBLISHED = {"proving": {"seed": 1}}


def registry(value):
    return {
        "proving.delay": results.Result(
            "proving.delay", value, "s", None, "", "a delay", "tests/x.py::test_y", 1, {"source": "model"}
        )
    }


def judged(value, runs=RUN, **changes):
    gate = gates.Gate(**{"expected": 10.0, "tolerance": 1.0, "reason": "a stated bound here", **changes})
    (verdict,) = gates.judge({"proving.delay": gate}, registry(value), runs, PUBLISHED)
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
    gate = gates.Gate(1, 0, "an exact integer count")
    (verdict,) = gates.judge({"proving.gone": gate}, {}, RUN, PUBLISHED)
    assert verdict.state == "red"


def test_other_parameters_and_other_builds_are_not_judged():
    assert (
        judged(99.0, runs={"proving": {"missing": [], "inputs": {"parameters": {"seed": 2}}}}) == "not judged"
    )
    assert judged(99.0, runs={}) == "not judged"


def test_a_number_taken_from_a_release_is_not_judged():
    (one,) = registry(99.0).values()
    taken = {one.key: dataclasses.replace(one, published="0.1.0")}
    gate = gates.Gate(10.0, 1.0, "a stated bound here")
    (verdict,) = gates.judge({one.key: gate}, taken, RUN, PUBLISHED)
    assert verdict.state == "not judged"
    assert "0.1.0" in verdict.why


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tolerance": -1}, "at least 0"),
        ({"tolerance": float("nan")}, "at least 0"),
        ({"reason": "why"}, "in words"),
        ({"expected": "word"}, "no tolerance"),
        ({"expected": float("inf")}, "no finite number"),
    ],
)
def test_what_is_no_gate_is_refused(change, said):
    with pytest.raises(InputError, match=said):
        gates.Gate(**{"expected": 1.0, "tolerance": 0.1, "reason": "a stated bound here", **change})


def test_a_number_published_with_an_interval_must_stay_within_half_of_it():
    (one,) = registry(10.0).values()
    with_interval = dataclasses.replace(one, interval=(9.0, 12.0), interval_kind="95 % bootstrap")
    made = gates.within_published({"a.exact": one, "a.estimate": with_interval})
    assert list(made) == ["a.estimate"]
    assert made["a.estimate"].admits(11.5)
    assert not made["a.estimate"].admits(11.6)


def test_gates_of_a_chapter_are_its_declared_ones_and_the_published_intervals():
    declared = by_name.result_class("traces").declared()
    made = by_name.gates_of(["traces"], {})
    assert set(made) == {f"traces.{name}" for name, one in declared.items() if one.gate}
    assert made["traces.slots"].expected == 33_645


def test_every_chapter_of_the_book_is_gated(root):
    release = releases.latest(root / "releases")
    made = by_name.gates_of(runner.chapters(root), release.results)
    assert {key.split(".")[0] for key in made} == set(runner.chapters(root))


# fmt: off
MUTATIONS = {
    "an estimator": (
        "coverage/concentration.py", "2.0 * np.trapezoid(share, units) - 1.0",
        "2.0 * np.trapezoid(share, units) - 0.999",
        "traces.gini_slots",
    ),
    "a default parameter": (
        "chapters/traces/parameters.py", "window_stop: int | None = parameter(\n        None",
        "window_stop: int | None = parameter(\n        20_615_580", "traces.slots",
    ),
}
# fmt: on


@pytest.mark.real_data
@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.thorough
def test_a_mutated_estimator_or_parameter_turns_a_gate_red(mutation, root, data_dir, tmp_path):
    """The chapter is run from a copy of the package in which one line differs, and judged as the book is."""
    file, old, new, key = MUTATIONS[mutation]
    package = shutil.copytree(
        root / "src" / "rollstate",
        tmp_path / "src" / "rollstate",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in (
        "data",
        "notebooks",
        "releases",
        "_toc.yml",
        "requirements.lock",
        "CITATION.cff",
        "pyproject.toml",
    ):
        (tmp_path / name).symlink_to(root / name)
    text = (package / file).read_text()
    assert old in text, "the line to mutate is gone"
    (package / file).write_text(text.replace(old, new))
    chapter = key.split(".")[0]
    command = "import sys; from rollstate.compendium.cli import main; main(sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "ROLLSTATE_ROOT": str(tmp_path)}

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
