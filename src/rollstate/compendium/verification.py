"""Make a figure again from the record in its bundle, and say whether it is the same."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

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


def verify(bundle: Path, root: Path) -> Verification:
    """Run the chapter again with the parameters of a bundle and compare the figure it draws.

    Parameters
    ----------
    bundle : Path
        Folder of a figure's bundle, or its ZIP archive.
    root : Path
        The project's folder.

    Raises
    ------
    InputError
        If it is no bundle.
    DataUnavailableError
        If the data it was made from cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="rollstate-verify-") as temporary:
        folder = _unpacked(bundle, Path(temporary))
        stamp = bundles.read_provenance(folder)
        chapter, name = stamp["chapter"], stamp["figure"]
        lines = [f"{file} is not the file that was written" for file in bundles.altered(folder)]
        work = runner.plan(
            chapter, stamp["inputs"]["parameters"], root, out=Path(temporary) / "run" / chapter
        )
        here = provenance.inputs(work.notebook, work.parameters, root)
        lines += [f"here {line}" for line in provenance.differences(stamp["inputs"], here)]
        runner.run(work, root)
        made = work.folder / "figures" / name
        if not made.is_dir():
            drawn = ", ".join(sorted(path.name for path in made.parent.glob("*")))
            return Verification(
                f"{chapter}/{name}", False, (*lines, f"the chapter no longer draws it; it draws {drawn}")
            )
        same_data, said = _same_data(folder / f"{name}.csv", made / f"{name}.csv")
        lines.append(said)
        for kind in ("svg", "pdf", "png"):
            same = (folder / f"{name}.{kind}").read_bytes() == (made / f"{name}.{kind}").read_bytes()
            lines.append(f"{kind.upper()}: " + ("the same bytes" if same else "other bytes"))
    return Verification(f"{chapter}/{name}", same_data, tuple(lines))


def _unpacked(bundle: Path, temporary: Path) -> Path:
    """Return a copy of a bundle's folder: what is verified may be the very run that is made again."""
    if bundle.is_dir():
        return Path(shutil.copytree(bundle, temporary / bundle.name))
    try:
        with zipfile.ZipFile(bundle) as archive:
            names = {Path(name).parts[0] for name in archive.namelist()}
            if len(names) != 1 or any(".." in Path(name).parts for name in archive.namelist()):
                raise InputError(f"{bundle} is not the archive of one figure")
            archive.extractall(temporary)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{bundle} is neither a bundle's folder nor its archive: {error}") from error
    return temporary / names.pop()


def _same_data(old: Path, new: Path) -> tuple[bool, str]:
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
