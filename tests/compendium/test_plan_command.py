"""``rollstate plan`` reads a reader's CSV and prints the plan, or names what is wrong."""

from click.testing import CliRunner

from rollstate.compendium import cli
from rollstate.proving import runs


def written(tmp_path):
    every = runs.synthetic(1)
    rows = every.assign(
        el=every["client"], block_number=every["block"], block_gas_used=every["gas"],
        status=every["crashed"].map({True: "crash", False: "success"}), proving_time_ms=every["prove_s"] * 1e3,
    )  # fmt: skip
    rows.to_csv(tmp_path / "mine.csv", index=False)
    return str(tmp_path / "mine.csv"), sorted(set(runs.read([tmp_path / "mine.csv"])["run"]))


def test_plan_of_a_readers_csv(tmp_path):
    path, names = written(tmp_path)
    said = CliRunner().invoke(cli.main, ["plan", path, "--run", names[0], "--deadline", "60"])
    assert said.exit_code == 0, said.output
    assert "usd_per_proof" in said.output
    assert "worst-case blocks" in said.output


def test_bad_input_is_named(tmp_path):
    path, names = written(tmp_path)
    said = CliRunner().invoke(cli.main, ["plan", path])
    assert said.exit_code == 1
    assert names[1] in said.output
    said = CliRunner().invoke(cli.main, ["plan", path, "--run", names[0], "--serial", "2"])
    assert "serial=2.0" in said.output
