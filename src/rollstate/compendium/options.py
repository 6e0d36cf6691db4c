"""What the commands share: the project's folder, parameters from the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import yaml

from rollstate.errors import InputError

PARAMETER = click.option(
    "-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE", help="Set one parameter (YAML value)."
)
FILE = click.option("--params", "file", type=click.Path(exists=True), help="YAML file of parameters.")
JOBS = click.option("--jobs", default=os.cpu_count() or 1, show_default="cores", help="Notebooks at a time.")
SCHEDULER = click.option(
    "--scheduler", metavar="ADDRESS", help="Dask scheduler, for example tcp://host:8786."
)


def use_scheduler(address: str | None) -> None:
    """Let notebooks that run now know of a Dask scheduler, if there is one."""
    from rollstate import executors

    if address:
        os.environ[executors.SCHEDULER] = address


def out(what: str, *, required: bool = False) -> Callable[[Any], Any]:
    """Return the option ``--out`` for a file or folder."""
    return click.option("--out", type=click.Path(path_type=Path), required=required, help=what)


def root() -> Path:
    """Return the project's folder."""
    from rollstate.compendium.provenance import project_root

    return project_root()


def window(blocks: str) -> tuple[int, int]:
    """Return the two block numbers of ``A:B``."""
    start, _, stop = blocks.partition(":")
    if not (start.isascii() and stop.isascii() and start.isdecimal() and stop.isdecimal()):
        raise InputError(f"--blocks {blocks!r} is not A:B with two block numbers")
    return int(start), int(stop)


def parameters(pairs: tuple[tuple[str, str], ...], file: str | None) -> dict[str, Any]:
    """Return parameters from a YAML file and from ``-p NAME VALUE``, which wins."""
    given: dict[str, Any] = {}
    if file:
        loaded = read_yaml(Path(file).read_text(encoding="utf-8"), file)
        if not isinstance(loaded, dict):
            raise InputError(f"{file} must hold a mapping of parameter names to values")
        given.update(loaded)
    given.update({name: read_yaml(value, f"-p {name} {value}") for name, value in pairs})
    return given


def read_yaml(text: str, where: str) -> Any:
    """Return what a text in YAML says, or an error that names where it stands."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise InputError(
            f"{where} cannot be read as YAML; put text with special signs in quotes ({said})"
        ) from error
