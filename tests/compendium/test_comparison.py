"""Two runs side by side: noise is not a change, an exact number that moved is one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollstate.compendium import comparison, results, runner, snapshots
from rollstate.errors import InputError

INPUTS = {
    "notebook": {"code": "c", "file": "f"},
    "parameters": {"seed": 1},
    "modules": {"rollstate.errors": "m"},
    "data": {"sample": "d"},
    "lock": "l",
    "version": "0.1.0",
}


def snapshot(label="A", inputs=INPUTS, **values):
    registry = {}
    for name, value in values.items():
        value, interval = value if isinstance(value, tuple) else (value, None)
        kind = "95 % bootstrap" if interval else ""
        registry[f"toy.{name}"] = results.Result(
            f"toy.{name}", value, "", interval, kind, "a toy", "tests/x.py::test_y", 1, {"source": "model"}
        )
    return snapshots.Snapshot(
        label, registry, {"toy": {"inputs": inputs, "missing": [], "chapter": "toy"}}, {}
    )


def state(a, b):
    before = snapshot(**({"x": a} if a is not None else {}))
    after = snapshot(**({"x": b} if b is not None else {}))
    return comparison.compare(before, after)[0].state


half = st.floats(0.01, 10)


@given(st.floats(-100, 100), half, half, st.floats(0, 5))
def test_numbers_with_intervals_changed_beyond_both_half_widths_together(value, left, right, factor):
    noise = math.hypot(left, right)
    moved = value + factor * noise
    verdict = state((value, (value - left, value + left)), (moved, (moved - right, moved + right)))
    if factor > 1.001:
        assert verdict == "changed"
    elif factor < 0.999:
        assert verdict in {"within noise", "same"}


def test_every_other_kind_of_change():
    assert state(1.0, 1.0) == "same"
    assert state(1.0, 1.0 + 1e-8) == "changed"
    assert state(10**12, 10**12 + 1) == "changed"
    assert state(1.0, (1.0, (1.0, 1.0))) == "within noise"
    assert state("holds", "fails") == "changed"
    assert state(1.0, None) == "only in A"
    assert state(None, 1.0) == "only in B"


def test_last_digits_that_another_processor_rounds_otherwise_are_no_change():
    assert state(0.1 + 0.2, 0.3) == "same"
    assert state((1.0, (0.5, 1.5)), (1.0 + 1e-12, (0.5, 1.5 + 1e-12))) == "same"


def test_changed_numbers_come_first_and_reasons_name_the_cause():
    other = {**INPUTS, "parameters": {"seed": 2}}
    before, after = snapshot(a=1, b=2), snapshot(label="B", inputs=other, a=1, b=3)
    assert [change.key for change in comparison.compare(before, after)] == ["toy.b", "toy.a"]
    assert comparison.reasons(before, after) == {"toy": ["parameter seed changed: 1 to 2"]}
    page = comparison.page(before, after)
    assert "parameter seed changed" in page
    assert "1 changed" in page
    assert page.index("toy.b") < page.index("toy.a")


@pytest.mark.thorough
def test_two_runs_of_a_notebook_are_compared_with_their_figures(project):
    folders = []
    for seed in (1, 2):
        work = runner.plan(
            "traces", {"trace": "sample", "seed": seed}, project.root, out=project.root / f"s{seed}"
        )
        runner.run(work, project.root)
        folders.append(work.folder)
    before, after = map(snapshots.read, folders)
    changed = [change.key for change in comparison.compare(before, after) if change.state != "same"]
    assert changed == ["traces.slots"]
    page = comparison.page(before, after)
    assert "byte for byte" in page
    assert page.count("data:image/svg+xml") == 1
    assert "http:" not in page.replace("http://www.w3.org", "")


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no finished run"):
        snapshots.read(tmp_path)
