"""How far a notebook is: step, seconds and memory, beside papermill's bar on a terminal, else one line a step."""

from __future__ import annotations

import sys
import time
from typing import Any

import psutil
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines

ENGINE = "rollstate"


def line(chapter: str, step: int, steps: int, name: str, seconds: float, gigabytes: float) -> str:
    """Return one step in words, as a log shows it."""
    return f"  {chapter:<18} step {step} of {steps}: {name} ({seconds:.0f} s so far, {gigabytes:.2f} GB)"


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
        cls, nb_man: NotebookExecutionManager, kernel_name: str, *, chapter: str = "", **kwargs: Any
    ) -> Any:
        """Execute a notebook, see papermill.

        Parameters
        ----------
        nb_man, kernel_name, **kwargs
            As papermill gives them.
        chapter : str
            What lines are about; empty for silence.
        """
        if chapter:
            _report(nb_man, chapter)
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def _report(nb_man: NotebookExecutionManager, chapter: str) -> None:
    """Let an execution manager say each cell of code as it starts."""
    begun = time.perf_counter()
    code = [cell.id for cell in nb_man.nb.cells if cell.cell_type == "code"]
    start = nb_man.cell_start
    bar = getattr(nb_man, "pbar", None)

    def cell_start(cell: Any, cell_index: int | None = None, **kwargs: Any) -> Any:
        if cell.get("id") in code:
            what = (chapter, code.index(cell.id) + 1, len(code), cell.id)
            said = line(*what, time.perf_counter() - begun, memory())
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
