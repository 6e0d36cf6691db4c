"""A ratio to a peer that became 1.5 times worse than in the last release is named, and the check fails."""

import json
import subprocess
import sys

import pytest
from benchmarks import kept


def file(version, **ratios):
    rows = [{"what": what, "peer": "lifelines", "ratio": ratio} for what, ratio in ratios.items()]
    return {"version": version, "benchmarks": {"survival": {"note": "", "ratios": rows}}}


def write(folder, content, name=None):
    folder.mkdir(exist_ok=True)
    path = folder / f"{name or content['version']}.json"
    path.write_text(json.dumps(content))
    return path


def test_a_ratio_is_slower_from_one_and_a_half_times_on():
    before = file("1.0.0", fit=30.0, curve=30.0, band=3.0, table=1.0)
    slower, gone = kept.slowdowns(file("1.1.0", fit=20.0, curve=20.1, band=9.0, new=1.0), before)
    assert slower == [
        "survival: fit, beside lifelines: 30 times as fast in 1.0.0, now 20 times, a slowdown of 1.5"
    ]
    assert gone == ["survival: table, beside lifelines: 1 times as fast in 1.0.0, not measured now"]


def test_a_ratio_to_another_peer_is_another_ratio():
    now = file("1.1.0", fit=1.0)
    now["benchmarks"]["survival"]["ratios"][0]["peer"] = "R"
    slower, gone = kept.slowdowns(now, file("1.0.0", fit=30.0))
    assert not slower
    assert len(gone) == 1


def test_a_whole_benchmark_that_is_missing_is_named():
    now = {"version": "1.1.0", "benchmarks": {}}
    assert len(kept.slowdowns(now, file("1.0.0", fit=30.0, curve=2.0))[1]) == 2


def test_a_release_is_compared_with_the_one_before_by_version_not_by_name(tmp_path):
    for version in ("0.9.0", "0.10.0", "0.11.0rc1", "0.12.0"):
        write(tmp_path, file(version))
    assert kept.earlier(tmp_path / "0.10.0.json", tmp_path).stem == "0.9.0"
    assert kept.earlier(tmp_path / "0.12.0.json", tmp_path).stem == "0.11.0rc1"
    assert kept.earlier(tmp_path / "0.9.0.json", tmp_path) is None


def test_what_is_measured_between_releases_is_compared_with_the_last_one(tmp_path):
    write(tmp_path / "ratios", file("0.9.0"))
    write(tmp_path / "ratios", file("0.10.0"))
    measured = write(tmp_path, file("0.10.0"), "tonight")
    assert kept.earlier(measured, tmp_path / "ratios").stem == "0.10.0"


def test_only_a_collector_gets_ratios(tmp_path, monkeypatch):
    monkeypatch.delenv(kept.COLLECTED, raising=False)
    kept.keep("fit", "lifelines", 2.0)
    collected = tmp_path / "ratios.jsonl"
    monkeypatch.setenv(kept.COLLECTED, str(collected))
    monkeypatch.setattr(sys, "argv", ["benchmarks/survival.py"])
    kept.keep("fit", "lifelines", 12.34567)
    kept.keep("curve", "lifelines", 0.5)
    first, second = map(json.loads, collected.read_text().splitlines())
    assert first == {"benchmark": "survival", "what": "fit", "peer": "lifelines", "ratio": 12.35}
    assert second["ratio"] == 0.5


@pytest.mark.parametrize(("ratio", "code"), [(1e-9, 1), (1e9, 0)])
def test_the_command_fails_for_a_slowdown_against_a_kept_release(root, tmp_path, ratio, code):
    last = max(kept.FOLDER.glob("*.json"), key=lambda path: kept.Version(path.stem))
    content = json.loads(last.read_text())
    for record in content["benchmarks"].values():
        for row in record["ratios"]:
            row["ratio"] = ratio
    measured = write(tmp_path, content, "measured")
    command = [sys.executable, "benchmarks/run.py", "--compare", str(measured)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("SLOWER" in done.stdout) == bool(code)


def test_a_file_that_was_never_measured_is_named_with_the_remedy(root, tmp_path):
    command = [sys.executable, "benchmarks/run.py", "--compare", str(tmp_path / "absent.json")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "measure first" in done.stderr


def test_the_benchmarks_to_repeat_are_those_of_the_newest_release(tmp_path):
    write(tmp_path, {"version": "0.9.0", "benchmarks": {"policy": {}}})
    write(tmp_path, {"version": "0.10.0", "benchmarks": {"survival": {}, "policy": {}}})
    assert kept.benchmarks(tmp_path) == ["policy", "survival"]


def test_what_a_release_kept_was_measured_by_a_benchmark_that_exists(root):
    for path in kept.FOLDER.glob("*.json"):
        record = json.loads(path.read_text())
        assert record["version"] == path.stem
        for name, run in record["benchmarks"].items():
            assert (root / "benchmarks" / f"{name}.py").is_file(), name
            assert run["machine"]
            assert run["date"]
            assert all(row["ratio"] > 0 for row in run["ratios"]), name
