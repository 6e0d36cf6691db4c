"""The readers of `examples/policy` say what the package says, on vectors that the package writes."""

import json
import runpy
import shutil
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def folder(root):
    return root / "examples" / "policy"


@pytest.fixture(scope="module")
def golden(folder):
    return folder / "golden"


def test_the_golden_vectors_are_those_that_the_package_writes(folder, golden, tmp_path):
    runpy.run_path(str(folder / "golden.py"))["write"](tmp_path)
    for name in ("policy.json", "accesses.txt", "answers.txt"):
        assert (tmp_path / name).read_text() == (golden / name).read_text(), name


def test_the_vectors_hold_every_kind_of_answer(golden):
    found = [line.split() for line in (golden / "answers.txt").read_text().splitlines()]
    assert {kind for kind, _ in found} == {"first", "hit", "miss"}
    assert len(json.loads((golden / "policy.json").read_text())["table"]) >= 4


def test_the_readers_are_short(folder):
    for name in ("reader.py", "reader.rs"):
        assert len((folder / name).read_text().splitlines()) < 80, name


def said(command, golden):
    text = (golden / "accesses.txt").read_text()
    return subprocess.run(
        [*command, golden / "policy.json"], input=text, text=True, capture_output=True, check=True
    )


def test_the_python_reader_needs_no_package_and_agrees(folder, golden):
    done = said([sys.executable, "-I", "-S", folder / "reader.py"], golden)
    assert done.stdout == (golden / "answers.txt").read_text()


@pytest.mark.parametrize("change", [{"version": 2}, {"model": "cox"}, {"schema": "other"}])
def test_the_python_reader_refuses_what_it_does_not_read(folder, golden, change):
    policy = runpy.run_path(str(folder / "reader.py"))["Policy"]
    data = json.loads((golden / "policy.json").read_text()) | change
    with pytest.raises(ValueError, match=r"fit (it again|one)"):
        policy(json.dumps(data))


@pytest.fixture(scope="module")
def rust(folder, tmp_path_factory):
    compiler = shutil.which("rustc")
    # A rustc of rustup is there and yet runs only for the user who chose a toolchain.
    if compiler is None or subprocess.run([compiler, "--version"], capture_output=True).returncode:
        pytest.skip("the Rust reader needs a rustc that runs")
    program = tmp_path_factory.mktemp("rust") / "reader"
    subprocess.run([compiler, "-O", "-D", "warnings", folder / "reader.rs", "-o", program], check=True)
    return program


def test_the_rust_reader_agrees(rust, golden):
    assert said([rust], golden).stdout == (golden / "answers.txt").read_text()


@pytest.mark.parametrize("change", [{"version": 2}, {"model": "cox"}, {"schema": "other"}])
def test_the_rust_reader_refuses_what_it_does_not_read(rust, golden, change, tmp_path):
    path = tmp_path / "policy.json"
    path.write_text(json.dumps(json.loads((golden / "policy.json").read_text()) | change, indent=1))
    done = subprocess.run([rust, path], input="", text=True, capture_output=True)
    assert done.returncode == 1
    assert "fit it again" in done.stderr
