"""Compiled functions follow every change of the package's source, in whatever file it is."""

import os
import subprocess
import sys

import pytest

FILES = {
    "constants.py": "PRICE = 2\n",
    "prices.py": "from rollstate.compiled import compiled\nfrom rollstate.constants import PRICE\n\n\n"
    "@compiled\ndef price(n):\n    return n * PRICE\n",
    "use.py": "from rollstate.compiled import compiled\nfrom rollstate.prices import price\n\n\n"
    "@compiled\ndef total(n):\n    return price(n) + 1\n",
}


@pytest.mark.thorough
def test_a_constant_of_another_file_moves_a_compiled_function(root, tmp_path):
    package = tmp_path / "src" / "rollstate"
    package.mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("")
    (package / "__init__.py").write_text("")
    for name in ("compiled.py", "derived.py"):
        (package / name).write_text((root / "src" / "rollstate" / name).read_text())
    for name, text in FILES.items():
        (package / name).write_text(text)

    def total():
        code = "from rollstate.use import total; print(total(10))"
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert total() == 21
    cached = sorted((tmp_path / "_build" / "kernels").rglob("*.nbc"))
    assert cached, "functions are kept for the next process"
    assert total() == 21
    assert sorted((tmp_path / "_build" / "kernels").rglob("*.nbc")) == cached
    (package / "constants.py").write_text("PRICE = 3\n")
    assert total() == 31


def test_every_compiled_function_of_the_package_is_kept_by_source(root):
    for file in (root / "src" / "rollstate").rglob("*.py"):
        if file.name != "compiled.py":
            assert "njit" not in file.read_text(), f"{file}: use rollstate.compiled"
