"""Make figures again from the records in their bundles, and say whether it is the same."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rollstate.compendium import bundles, provenance, runner
from rollstate.errors import InputError

RELATIVE = 1e-9
"""Data whose numbers agree to this are called equal: other processors round sums differently."""


@dataclass(frozen=True)
class Verification:
    """What verifying a bundle found.

    Attributes
    ----------
    figure : str
        ``chapter/name``.
    reproduced : bool
        Whether the data that is drawn is the same.
    lines : tuple of str
        The findings in words: files altered since, inputs that differ here, each file's verdict.
    """

    figure: str
    reproduced: bool
    lines: tuple[str, ...]


def verify(given: Path, root: Path) -> Iterator[Verification]:
    """Run chapters again with the parameters of a bundle, or of all bundles of a book, and compare the figures.

    Parameters
    ----------
    given : Path
        Folder of a figure's bundle or of a built book, or the ZIP archive of either, whose crate may lie in one folder
        or at the archive's top.
    root : Path
        The project's folder.

    Yields
    ------
    Verification
        Of each figure, by chapter; each chapter runs once.

    Raises
    ------
    InputError
        If it is no bundle and holds none.
    DataUnavailableError
        If the data it was made from cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="rollstate-verify-") as temporary:
        folder = _unpacked(given, Path(temporary))
        inside = sorted(file.parent for file in folder.rglob("provenance.json"))
        runs: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
        for bundle in inside or [folder]:
            stamp = bundles.read_provenance(bundle)
            same_run = json.dumps([stamp["chapter"], stamp["inputs"]["parameters"]], sort_keys=True)
            runs.setdefault(same_run, []).append((bundle, stamp))
        for number, made_together in enumerate(runs.values()):
            _, first = made_together[0]
            chapter, given_parameters = first["chapter"], first["inputs"]["parameters"]
            out = Path(temporary) / "run" / str(number) / chapter
            work = runner.plan(chapter, given_parameters, root, out=out)
            here = provenance.inputs(work.notebook, work.parameters, root)
            runner.run(work, root)
            for bundle, stamp in made_together:
                yield _compared(bundle, stamp, work.folder / "figures", here)


def _compared(bundle: Path, stamp: dict[str, Any], figures: Path, here: dict[str, Any]) -> Verification:
    """Compare a bundle with the figure of its name among those that were made again."""
    chapter, name = stamp["chapter"], stamp["figure"]
    lines = [f"{file} is not the file that was written" for file in bundles.altered(bundle)]
    lines += [f"here {line}" for line in provenance.differences(stamp["inputs"], here)]
    made = figures / name
    if not made.is_dir():
        drawn = ", ".join(sorted(path.name for path in figures.glob("*")))
        return Verification(
            f"{chapter}/{name}", False, (*lines, f"the chapter no longer draws it; it draws {drawn}")
        )
    same_data, said = _same_data(bundle / f"{name}.csv", made / f"{name}.csv")
    lines.append(said)
    for kind in ("svg", "pdf", "png"):
        old = bundle / f"{name}.{kind}"
        same = old.is_file() and old.read_bytes() == (made / f"{name}.{kind}").read_bytes()
        lines.append(
            f"{kind.upper()}: " + ("the same bytes" if same else "other bytes" if old.is_file() else "gone")
        )
    return Verification(f"{chapter}/{name}", same_data, tuple(lines))


def _unpacked(given: Path, temporary: Path) -> Path:
    """Return a copy of a crate's folder: what is verified may be the very run that is made again."""
    target = temporary / "crate"
    if given.is_dir():
        return Path(shutil.copytree(given, target))
    try:
        with zipfile.ZipFile(given) as archive:
            if any(".." in Path(name).parts for name in archive.namelist()):
                raise InputError(f"{given} is not the archive of a figure or a book: a name leads out of it")
            archive.extractall(target)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{given} is neither a folder nor its archive: {error}") from error
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _same_data(old: Path, new: Path) -> tuple[bool, str]:
    if not old.is_file():
        return False, "CSV: gone"
    a, b = old.read_bytes(), new.read_bytes()
    if a == b:
        return True, "CSV: the same bytes"
    left, right = (pd.read_csv(io.BytesIO(content)) for content in (a, b))
    if list(left) != list(right) or len(left) != len(right):
        return False, f"CSV: {len(left)} rows of {list(left)} became {len(right)} of {list(right)}"
    try:
        pd.testing.assert_frame_equal(left, right, rtol=RELATIVE, atol=0, check_exact=False)
    except AssertionError:
        numbers = left.select_dtypes("number")
        scale = numbers.abs().clip(lower=1e-300)
        worst = ((right[numbers.columns] - numbers).abs() / scale).max().max()
        return False, f"CSV: other values, up to {worst:.3g} relative"
    return True, f"CSV: the same values to {RELATIVE:g} relative"
