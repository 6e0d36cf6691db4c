"""A contract is compiled once on a machine, and never taken from another source, compiler or half a file."""

import pytest
import vyper

from rollstate.dispute import chain

SOURCE = """
@external
def answer() -> uint256:
    return {}
"""


@pytest.fixture
def compiling(monkeypatch, tmp_path):
    """Compile into an empty folder; return the folder, what was compiled, and the function under test."""
    texts, compile_code = [], vyper.compile_code

    def counted(text, **more):
        texts.append(text)
        return compile_code(text, **more)

    monkeypatch.setattr(chain, "derived_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(vyper, "compile_code", counted)
    return tmp_path / "contracts", texts, chain.compile_source.__wrapped__


def test_a_source_is_compiled_once(compiling):
    folder, texts, compile_source = compiling
    one, two = SOURCE.format(1), SOURCE.format(2)
    first = compile_source(one)
    assert first["bytecode"].startswith("0x")
    assert first["abi"][0]["name"] == "answer"
    assert compile_source(one) == first
    assert compile_source(two)["bytecode"] != first["bytecode"]
    assert texts == [one, two]
    assert len(list(folder.iterdir())) == 2


def test_another_compiler_or_half_a_file_compiles_anew(compiling, monkeypatch):
    folder, texts, compile_source = compiling
    first = compile_source(SOURCE.format(1))
    next(folder.iterdir()).write_text('{"abi": [')
    assert compile_source(SOURCE.format(1)) == first
    monkeypatch.setattr(chain, "version", lambda name: "0.0.0")
    assert compile_source(SOURCE.format(1)) == first
    assert len(texts) == 3


def test_a_folder_that_cannot_be_written_costs_time_alone(compiling, tmp_path):
    _, texts, compile_source = compiling
    (tmp_path / "contracts").write_text("a file stands where the folder should")
    assert compile_source(SOURCE.format(1)) == compile_source(SOURCE.format(1))
    assert len(texts) == 2
