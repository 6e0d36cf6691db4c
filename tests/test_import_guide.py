"""The commands of docs/import.md do what it says, as they stand there."""

import re
import shlex

import pytest
from click.testing import CliRunner

from rollstate.compendium import cli
from rollstate.traces import store
from tests.traces import activity
from tests.traces.test_import_fuzz import _logs
from tests.traces.test_importing import BUSY


def commands(root):
    text = (root / "docs" / "import.md").read_text(encoding="utf-8")
    return "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).splitlines()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files that the page speaks of."""
    touches = activity.run(BUSY)
    for name in ("xatu", "lists", "answers"):
        (tmp_path / name).mkdir()
    activity.cryo(touches, tmp_path, "parquet")
    activity.xatu(touches, tmp_path / "xatu")
    activity.rlp(touches, tmp_path / "lists")
    activity.answers(touches, tmp_path / "answers")
    activity.table(touches, tmp_path)
    _logs(tmp_path)
    address = "0x" + "ab" * 20
    (tmp_path / "clock.csv").write_text(
        f"timestamp,address,slot,kind\n1700000000,{address},0x1,w\n1700000100,{address},0x1,r\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_guide_runs(root, files):
    lines = commands(root)
    assert len(lines) > 8
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "rollstate"
        done = CliRunner().invoke(cli.main, words)
        assert done.exit_code == 0, f"{line}\n{done.output}"
    stamps = {
        path.parent.name: store.read_capability(path.parent) for path in files.glob("*/capability.json")
    }
    assert len(stamps) == 7
    assert stamps["from-table"].chain == "Base"
    assert stamps["from-lists"].account_changes
    assert stamps["from-logs"].key_form == "holder"
    same = [store.read_trace(files / name).accesses for name in ("from-cryo", "from-xatu", "from-answers")]
    assert all(one.equals(same[0]) for one in same)


def test_the_guide_names_every_option_of_the_command(root):
    text = (root / "docs" / "import.md").read_text(encoding="utf-8")
    options = {
        option for param in cli.main.commands["import"].params for option in param.opts if option[:2] == "--"
    }
    told = set(re.findall(r"--[a-z-]+", text))
    assert options - told == {"--layout", "--source", "--overwrite"}
