"""The command says whether a block's gas is the header's, and writes what its transactions did."""

import json

import polars as pl
from click.testing import CliRunner

from rollstate.compendium.cli import main

SENDER, RECEIVER = "0x" + "a1" * 20, "0x" + "b0" * 20
BLOCK = {
    "number": hex(13_000_000),
    "timestamp": hex(1_630_000_000),
    "miner": "0x" + "99" * 20,
    "difficulty": "0x1",
    "mixHash": "0x" + "00" * 32,
    "gasLimit": hex(30_000_000),
    "gasUsed": hex(21_000),
    "baseFeePerGas": "0x7",
    "transactions": [
        {
            "from": SENDER,
            "to": RECEIVER,
            "nonce": "0x0",
            "value": "0x5",
            "input": "0x",
            "gas": "0x5208",
            "gasPrice": "0x9",
        }
    ],
}


def test_a_block_is_replayed_and_written(tmp_path):
    accounts = {SENDER: {"basic": {"balance": hex(10**18), "nonce": 0}, "code": None, "storage": {}}}
    (tmp_path / "block.json").write_text(json.dumps(BLOCK))
    (tmp_path / "pre_state.json").write_text(json.dumps(accounts))
    said = CliRunner().invoke(main, ["replay", str(tmp_path), "--out", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output
    assert "accepted" in said.output
    assert "not accepted" not in said.output
    folder = tmp_path / "out" / "13000000"
    assert pl.read_parquet(folder / "transactions.parquet")["gas_used"].to_list() == [21_000]
    assert pl.read_parquet(folder / "difference.parquet").filter(kind="balance", address=RECEIVER).height == 1
    (tmp_path / "block.json").write_text(json.dumps(BLOCK | {"gasUsed": hex(30_000)}))
    said = CliRunner().invoke(main, ["replay", str(tmp_path)])
    assert "not accepted, -30.00%" in said.output


def test_a_missing_file_is_named(tmp_path):
    said = CliRunner().invoke(main, ["replay", str(tmp_path)])
    assert said.exit_code
    assert "neither block.json nor block.json.gz" in said.output
