"""Real witnesses hold together, and the formula tells their size."""

import gzip
import json

import numpy as np
import pytest

from rollstate.errors import InputError
from rollstate.execution import block_witness
from rollstate.execution.block_witness import Part


@pytest.fixture(scope="module")
def witnesses(data_dir):
    files = sorted((data_dir / "scroll-witness").glob("*.json.gz"))
    return [block_witness.read(file) for file in files]


@pytest.mark.real_data
def test_walk_reaches_every_node(witnesses):
    assert len(witnesses) == 10
    assert all(witness.unreached_bytes == 0 for witness in witnesses)


@pytest.mark.real_data
def test_formula_tells_real_sizes_within_an_eighth(witnesses):
    ratio = np.array([witness.formula_bytes() / witness.node_bytes for witness in witnesses])
    assert (np.abs(ratio - 1) < 0.125).all()
    assert ratio.mean() == pytest.approx(1.02, abs=0.03)


@pytest.mark.parametrize("keys", [300, 20_000])
def test_size_of_a_drawn_trie_is_found_from_its_depths(keys):
    names = np.sort(np.random.default_rng(2).integers(0, 2**62, keys))
    nibbles = (names[:, None] >> np.arange(58, -1, -4)) & 15
    shared = np.argmax(nibbles[1:] != nibbles[:-1], axis=1)
    depths = 1 + np.maximum(np.append(shared, 0), np.append(0, shared))
    assert Part(1, 1, depths).estimated_keys() == pytest.approx(keys, rel=0.1)


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "w.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"w\.json is no block witness"):
        block_witness.read(path)
    path = tmp_path / "w.json.gz"
    with gzip.open(path, "wt") as out:
        json.dump({"pre_state_root": "0x" + "00" * 32, "states": [], "codes": []}, out)
    with pytest.raises(InputError, match="no node hashes"):
        block_witness.read(path)
