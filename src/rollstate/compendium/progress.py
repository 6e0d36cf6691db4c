"""How far a notebook is: step, seconds, expected seconds and memory, beside papermill's bar or one line a step."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import psutil
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

ENGINE = "rollstate"


def line(
    chapter: str,
    step: int,
    steps: int,
    name: str,
    seconds: float,
    gigabytes: float,
    whole: float | None = None,
) -> str:
    """Return one step in words, as a log shows it; `whole` are the seconds expected of all steps."""
    so_far = f"{seconds:.0f} s so far" if whole is None else f"{seconds:.0f} s of about {whole:.0f} s"
    return f"  {chapter:<18} step {step} of {steps}: {name} ({so_far}, {gigabytes:.2f} GB)"


TELLING = 0.1
"""Share of an earlier run from which on the pace of this one is compared with it."""


def durations(*notebooks: Path) -> dict[str, float]:
    """Return the seconds of each cell of the first of these executed notebooks that can be read, by id."""
    for path in notebooks:
        try:
            cells = nbformat.read(path, as_version=4).cells
        except (OSError, ValueError):
            continue
        timed = {cell.get("id", ""): cell.metadata.get("papermill", {}).get("duration") for cell in cells}
        return {name: seconds for name, seconds in timed.items() if seconds}
    return {}


def expected(
    seconds: float, done: Sequence[str], rest: Sequence[str], before: Mapping[str, float]
) -> float | None:
    """Return the seconds that all steps will have taken.

    The rest takes what it took before; once the steps that are done are `TELLING`, as much longer as they took longer.

    Parameters
    ----------
    seconds : float
        Since the start.
    done, rest : sequence of str
        Ids of the cells that have ended, and of the others.
    before : mapping of str to float
        Of `durations`; without any nothing is expected.
    """
    past, coming = (sum(before.get(name, 0.0) for name in names) for names in (done, rest))
    if not past + coming:
        return None
    pace = seconds / past if past >= TELLING * (past + coming) else 1.0
    return seconds + pace * coming


def memory() -> float:
    """Return the resident memory of this process and of all below it, in GB; what has just ended counts as nothing."""
    total = 0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total / 1e9


class Steps(NBClientEngine):
    """papermill's engine, which says before each cell of code what begins."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        chapter: str = "",
        before: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Execute a notebook, see papermill.

        Parameters
        ----------
        nb_man, kernel_name, **kwargs
            As papermill gives them.
        chapter : str
            What lines are about; empty for silence.
        before : mapping of str to float, optional
            What the cells took in an earlier run, of `durations`.
        """
        if chapter:
            _report(nb_man, chapter, before or {})
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def _report(nb_man: NotebookExecutionManager, chapter: str, before: Mapping[str, float]) -> None:
    """Let an execution manager say each cell of code as it starts."""
    begun = time.perf_counter()
    code = [cell.id for cell in nb_man.nb.cells if cell.cell_type == "code"]
    start = nb_man.cell_start
    bar = getattr(nb_man, "pbar", None)

    def cell_start(cell: Any, cell_index: int | None = None, **kwargs: Any) -> Any:
        if cell.get("id") in code:
            given = "injected-parameters" in cell.metadata.get("tags", ())
            at, seconds = code.index(cell.id), time.perf_counter() - begun
            whole = expected(seconds, code[:at], code[at:], before)
            what = (chapter, at + 1, len(code), "given" if given else cell.id)
            said = line(*what, seconds, memory(), whole)
            if bar is not None and not bar.disable:
                bar.set_postfix_str(said.partition(" step ")[2])
            else:
                print(said, file=sys.stderr, flush=True)
        return start(cell, cell_index, **kwargs)

    nb_man.cell_start = cell_start


def register() -> str:
    """Make the engine known to papermill, and return its name."""
    papermill_engines.register(ENGINE, Steps)
    return ENGINE
