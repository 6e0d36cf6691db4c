"""What is installed from a wheel works without a checkout."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.needs import thorough_after

LINES = {
    "traces": "from rollstate.traces import datasets\nprint(datasets.load_trace('sample').accesses.height)",
    "intervals": "from rollstate import intervals\nfrom rollstate.traces import datasets\n"
    "print(intervals.build(datasets.load_trace('sample')).height)",
    "tails": "import numpy as np\nfrom rollstate.tails import estimators\n"
    "gaps = (np.random.default_rng(1).pareto(1.5, 1000) + 1).astype(int)\n"
    "print(estimators.discrete(gaps, np.ones(1000, bool), 2).alpha)",
    "proving": "from rollstate.proving import closed_form\nprint(len(dir(closed_form)))",
    "dispute": "from rollstate.dispute import transition\nprint(len(dir(transition)))",
    "worlddiff": "from rollstate.worlddiff import world_diff\nprint(len(dir(world_diff)))",
    "execution": "from rollstate.execution import conflicts\nprint(len(dir(conflicts)))",
    "import and check": "from pathlib import Path\nfrom rollstate.compendium.cli import main\n"
    "rows = ['block_number,tx_index,address,slot,kind', f'7,0,0x{\"ab\" * 20},0x1,write']\n"
    "Path('mine.csv').write_text(chr(10).join(rows))\n"
    "main(['import', 'mine.csv', '--out', 'mine'], standalone_mode=False)\n"
    "main(['check', 'mine'], standalone_mode=False)\n"
    "print(Path('mine/capability.json').read_text())",
    "profile": "from rollstate.compendium.cli import main\n"
    "main(['profile', 'sample', '--block-s', '12', '--out', 'sample.profile'], standalone_mode=False)\n"
    "main(['profile', 'sample.profile'], standalone_mode=False)",
    "policy": "from rollstate.compendium.cli import main\n"
    "fit = ['policy', 'fit', 'sample', '--penalty', '10', '--until', '2200', '--out', 'policy.json']\n"
    "main(fit, standalone_mode=False)\n"
    "main(['policy', 'replay', 'policy.json', 'sample'], standalone_mode=False)",
    "plan": "from rollstate.compendium.cli import main\nfrom rollstate.proving import runs\n"
    "run = runs.synthetic(1).query('run == \"synthetic prover\"')\n"
    "columns = {'block': 'block_number', 'client': 'el', 'gas': 'block_gas_used'}\n"
    "run = run.rename(columns=columns).assign(status='success', proving_time_ms=1000 * run['prove_s'])\n"
    "run.to_csv('mine.csv', index=False)\n"
    "main(['plan', 'mine.csv', '--gas-growth', '1.5'], standalone_mode=False)",
    "extract": "from rollstate.compendium.cli import main\nmain(['extract', '--help'])",
    "command line": "from rollstate.compendium.cli import main\nmain(['data', 'list'])",
}


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    """Folder of an unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


@pytest.mark.parametrize("package", thorough_after(2, LINES))
def test_a_package_works_from_a_wheel(package, installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("ROLLSTATE_DATA", None)
    done = subprocess.run(
        [sys.executable, "-c", LINES[package]],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_wheel_says_that_it_has_types(installed):
    assert (installed / "rollstate" / "py.typed").is_file()
