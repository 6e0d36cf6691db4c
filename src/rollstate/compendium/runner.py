"""Run notebooks through papermill: only what changed, with the reason, never replacing good by partial."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rollstate.compendium import lint, provenance, results
from rollstate.compendium.by_name import parameter_class, result_class
from rollstate.compendium.files import replaced_folder, write_text
from rollstate.compendium.parameters import Parameters
from rollstate.errors import DataUnavailableError, RollstateError
from rollstate.traces import datasets

TRACE = "trace"
"""The parameter that names the trace of a chapter that has one."""
SAMPLE = "sample"


class NotebookError(RollstateError):
    """A notebook failed; the message names the cell, the error and the parameters.

    ``kind`` and ``said`` are the name and the message of the error that a cell raised.
    """

    def __init__(self, message: str, kind: str = "", said: str = "") -> None:
        # All arguments to the base: an error comes back from another process by them.
        super().__init__(message, kind, said)
        self.message, self.kind, self.said = message, kind, said

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Plan:
    """One notebook with its resolved parameters and the folder its run goes to.

    ``substituted`` names the data sets that were not to be had and in whose place the synthetic sample is read.
    """

    chapter: str
    notebook: Path
    parameters: Parameters
    folder: Path
    substituted: tuple[str, ...] = ()


def chapters(root: Path) -> list[str]:
    """Return the chapters of the book in the order of ``_toc.yml``."""

    def files(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["file"]] if "file" in node else []
            return own + [name for value in node.values() for name in files(value)]
        return [name for item in node for name in files(item)] if isinstance(node, list) else []

    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [Path(name).name for name in files(toc) if name.startswith("notebooks/")]


def plan(
    chapter: str,
    given: Mapping[str, Any],
    root: Path,
    *,
    allow_sample: bool = False,
    fetch: bool = True,
    out: Path | None = None,
) -> Plan:
    """Resolve parameters and data of one notebook.

    Parameters
    ----------
    chapter : str
        Name of the chapter.
    given : Mapping
        Parameters other than the defaults.
    root : Path
        The project's folder.
    allow_sample : bool
        Where a trace that a parameter names cannot be had, run on the synthetic sample and say so on the page. Any
        other missing data set is an error. On a trace of the reader's own (`given` names one) this holds for every data
        set that `given` does not ask for: a chapter's comparison with published work must not keep it from the trace.
    fetch : bool
        Fetch what is not here. Without it nothing is looked for: data the last run could not reach stays so.
    out : Path, optional
        Folder of the run. By default runs with default parameters make the book, and others go beside them.

    Raises
    ------
    InputError
        Before any kernel starts, for an unknown parameter or a bad value.
    DataUnavailableError
        If a data set is neither here nor reachable.
    """
    parameters = parameter_class(chapter).resolve(given)
    label = chapter
    if given:
        short = provenance.key({"parameters": parameters.as_dict()})[:8]
        label = f"{chapter}@{short}"
    folder = out or root / "_build" / "runs" / label
    missing = _missing(parameters) if fetch else _recorded(folder).get("substituted", [])
    substituted = []
    for name in missing:
        holders = [key for key, value in parameters.as_dict().items() if value == name]
        own = TRACE in given and name not in given.values()
        if not ((allow_sample or own) and holders):
            # Say what is missing, and what to do.
            datasets.locate(name)
        substituted.append(name)
        parameters = dataclasses.replace(parameters, **dict.fromkeys(holders, SAMPLE))
    return Plan(
        chapter=chapter,
        notebook=root / "notebooks" / f"{chapter}.ipynb",
        parameters=parameters,
        folder=folder,
        substituted=tuple(substituted),
    )


def _missing(parameters: Parameters) -> list[str]:
    """Return the data sets that are neither here nor reachable."""
    missing = []
    for name in parameters.data_sets():
        try:
            datasets.locate(name)
        except DataUnavailableError:
            missing.append(name)
    return missing


def _recorded(folder: Path) -> dict[str, Any]:
    """Return the record of the last run in `folder`; empty if there is none that can be read."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def reasons(work: Plan, root: Path) -> list[str]:
    """Say why a run is due, one line each; an empty list means that it is fresh."""
    recorded = _recorded(work.folder)
    if not recorded:
        return ["it has not been run"]
    if recorded["substituted"] != list(work.substituted):
        return ["the data it could not reach changed"]
    return provenance.differences(recorded["inputs"], provenance.inputs(work.notebook, work.parameters, root))


def run(work: Plan, root: Path, *, progress: bool | dict[str, Any] = False) -> float:
    """Execute one notebook and put its results in place; return the wall time in seconds.

    Raises
    ------
    NotebookError
        If a cell raises. The results of an earlier run stay as they were; what was written is kept in
        ``.<run>.failed`` beside them.
    """
    # papermill and the chapter's own imports cost a second: only a real run pays it.
    import papermill

    from rollstate.compendium.chapter import run_context

    # The names are checked against the chapter's class; papermill would look for typed defaults in the cell.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    started = time.perf_counter()
    context = run_context(work.chapter, work.parameters)
    with replaced_folder(work.folder) as folder:
        environment = {
            "ROLLSTATE_RUN": str(folder),
            "ROLLSTATE_CONTEXT": json.dumps(context),
            "ROLLSTATE_ROOT": str(root),
        }
        saved = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            papermill.execute_notebook(
                work.notebook,
                folder / "executed.ipynb",
                parameters=work.parameters.as_dict(),
                kernel_name="python3",
                progress_bar=progress,
                start_timeout=120,
                # The reader's folder: a path of their own data may be relative to it.
                cwd=str(Path.cwd()),
                extra_arguments=["--log-level=40"],
            )
        except papermill.PapermillExecutionError as error:
            raise NotebookError(_failure(work, error), error.ename, error.evalue) from error
        finally:
            for name, value in saved.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        _check_recorded(work, folder, root)
        record = {**context, "key": provenance.key(context["inputs"]), "substituted": list(work.substituted)}
        write_text(folder / "run.json", json.dumps(record, indent=1, sort_keys=True) + "\n")
    return time.perf_counter() - started


def _check_recorded(work: Plan, folder: Path, root: Path) -> None:
    """Refuse a run that left out a declared result, or whose results name guarding tests that do not exist.

    Raises
    ------
    NotebookError
        Naming the results.
    """
    declared = result_class(work.chapter)
    path = folder / "results.json"
    recorded = results.load(path) if path.exists() else {}
    lines = [
        f"{work.chapter}.{name} is declared and was not recorded; record it, or say why with chapter.absent"
        for name in declared.declared()
        if f"{work.chapter}.{name}" not in recorded
    ]
    if (root / "tests").is_dir():
        lines += lint.missing_guards(declared, root)
    if lines:
        raise NotebookError(f"notebook {work.chapter} is not complete:\n  " + "\n  ".join(lines))


def run_all(
    works: list[Plan], root: Path, *, jobs: int, say: Callable[[str], None], force: bool = False
) -> list[Plan]:
    """Run what is due, `jobs` notebooks at a time, and return what was run.

    Raises
    ------
    NotebookError
        Naming every notebook that failed, after the others have finished.
    """
    due = []
    for work in works:
        why = ["asked to"] if force else reasons(work, root)
        say(f"  {work.chapter:<18} " + ("fresh" if not why else "due: " + _shorten(why)))
        if why:
            due.append(work)
    failures = [str(error) for _, error in execute(due, root, jobs=jobs, say=say) if error]
    if failures:
        raise NotebookError("\n\n".join(failures))
    return due


def execute(
    works: list[Plan], root: Path, *, jobs: int, say: Callable[[str], None]
) -> Iterator[tuple[Plan, RollstateError | None]]:
    """Run notebooks, `jobs` at a time, and yield each with its error or None as it ends."""
    # A bar per notebook on a terminal; a log gets one line per notebook.
    bar = {"leave": False, "ascii": True, "disable": not sys.stderr.isatty()}
    with ProcessPoolExecutor(max_workers=max(1, min(jobs, len(works)))) as pool:
        futures = {
            pool.submit(run, work, root, progress={**bar, "position": i, "desc": work.chapter}): work
            for i, work in enumerate(works)
        }
        for done, future in enumerate(as_completed(futures), start=1):
            work = futures[future]
            try:
                took = future.result()
            except RollstateError as error:
                say(f"  [{done}/{len(works)}] {work.chapter:<18} FAILED")
                yield work, error
            else:
                say(f"  [{done}/{len(works)}] {work.chapter:<18} {took:6.1f} s")
                yield work, None


def _failure(work: Plan, error: Any) -> str:
    parameters = ", ".join(f"{name}={value!r}" for name, value in work.parameters.as_dict().items())
    source = "\n".join(f"    {line}" for line in str(error.source).strip().splitlines()[:12])
    return (
        f"notebook {work.chapter} failed in cell {error.exec_count}:\n{source}\n"
        f"  {error.ename}: {error.evalue}\n  parameters: {parameters}\n"
        f"  what it wrote: {work.folder.parent / f'.{work.folder.name}.failed'}"
    )


def _shorten(lines: list[str], most: int = 3) -> str:
    rest = len(lines) - most
    return "; ".join(lines[:most]) + (f"; and {rest} more" if rest > 0 else "")
