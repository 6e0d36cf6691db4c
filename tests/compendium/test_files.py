"""Nothing good is ever replaced by something partial."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rollstate.compendium.files import replaced_folder, sha256, write_text


def test_failed_block_leaves_the_old_folder_and_keeps_what_was_written(tmp_path):
    target = tmp_path / "run"
    with replaced_folder(target) as folder:
        write_text(folder / "a.txt", "good")
    with pytest.raises(ZeroDivisionError), replaced_folder(target) as folder:
        write_text(folder / "a.txt", "partial")
        raise ZeroDivisionError
    assert (target / "a.txt").read_text() == "good"
    assert (tmp_path / ".run.failed" / "a.txt").read_text() == "partial"


def test_finished_block_replaces_the_whole_folder(tmp_path):
    target = tmp_path / "run"
    for name in ("old", "new"):
        with replaced_folder(target) as folder:
            write_text(folder / name, name)
    assert [file.name for file in target.iterdir()] == ["new"]
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "good")
    monkeypatch.setattr("os.replace", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "partial")
    assert path.read_text() == "good"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_hash_of_a_folder_sees_names_and_contents(tmp_path):
    folder = tmp_path / "f"
    seen = set()
    for name, text in (("a", "1"), ("a", "2"), ("b", "2")):
        for old in folder.glob("*"):
            old.unlink()
        write_text(folder / name, text)
        seen.add(sha256(folder))
    assert len(seen) == 3


def test_two_writers_of_one_folder_take_turns(tmp_path):
    target, order = tmp_path / "run", []

    def write(name):
        with replaced_folder(target) as folder:
            order.append(("begins", name))
            time.sleep(0.2)
            write_text(folder / "who", name)
            order.append(("ends", name))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("a", "b")))
    assert [what for what, _ in order] == ["begins", "ends"] * 2
    assert (target / "who").read_text() == order[-1][1]


def test_what_a_killed_process_left_is_cleaned_up(tmp_path):
    (tmp_path / ".run.new-abc").mkdir()
    (tmp_path / ".runner.new-abc").mkdir()
    with replaced_folder(tmp_path / "run") as folder:
        write_text(folder / "a", "1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".runner.new-abc", "run"]


def test_others_may_read_what_was_made_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        with replaced_folder(tmp_path / "run") as folder:
            (folder / "inner").mkdir()
            (folder / "inner" / "a").write_text("1")
    finally:
        os.umask(before)
    modes = [oct(path.stat().st_mode & 0o777) for path in (tmp_path / "run", *(tmp_path / "run").rglob("*"))]
    assert modes == ["0o755", "0o755", "0o644"]
