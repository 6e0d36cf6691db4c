"""Run notebooks through papermill: only what changed, with the reason, never replacing good by partial."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbclient.exceptions import DeadKernelError

from rollstate.compendium import lint, provenance, published, releases, results
from rollstate.compendium.by_name import parameter_class, result_class
from rollstate.compendium.files import (
    altered,
    cannot_write,
    drop_abandoned,
    note_written,
    replaced_folder,
    write_text,
)
from rollstate.compendium.parameters import Parameters
from rollstate.errors import DataUnavailableError, InputError, RollstateError
from rollstate.traces import datasets

TRACE = "trace"
"""Parameter that names the trace of a chapter."""
_SKIP = "left-out"


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

    Attributes
    ----------
    chapter : str
        Name of the chapter.
    notebook : Path
        Its notebook.
    parameters : Parameters
        Resolved parameters.
    folder : Path
        Where the run goes.
    missing : tuple of str
        Data sets that are not here. The cells that need them are left out.
    executed : bool
        Whether any cell can be executed; if not, the page shows what the last release published.
    """

    chapter: str
    notebook: Path
    parameters: Parameters
    folder: Path
    missing: tuple[str, ...] = ()
    executed: bool = True

    @property
    def published(self) -> bool:
        """Whether the parameters are the published ones: what is left out is taken from the last release."""
        return not self._changed

    @property
    def own_trace(self) -> bool:
        """Whether they are but for the trace: what does not rest on it is taken from the last release."""
        return self._changed == {TRACE}

    @property
    def _changed(self) -> set[str]:
        default = parameter_class(self.chapter).resolve({}).as_dict()
        return {name for name, value in self.parameters.as_dict().items() if value != default[name]}


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
    allow_published: bool = False,
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
    allow_published : bool
        Where data that the chapter cannot do without is neither here nor to be fetched, show the results of the last
        release, marked as such. Otherwise that is an error.
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
    notebook = root / "notebooks" / f"{chapter}.ipynb"
    missing = tuple(_missing(parameters) if fetch else _recorded(folder).get("missing", ()))
    executed = not missing or _can_do_without(missing, parameters, notebook)
    if not executed and not allow_published:
        # Say what is missing, and what to do.
        for name in missing:
            datasets.locate(name)
    return Plan(chapter, notebook, parameters, folder, missing, executed)


def _can_do_without(missing: tuple[str, ...], parameters: Parameters, notebook: Path) -> bool:
    """Return whether the notebook says which cells need each missing data set."""
    tagged = published.needs(nbformat.read(notebook, as_version=4))
    for name in missing:
        holders = [key for key, value in parameters.as_dict().items() if value == name]
        if not all(holder in tagged for holder in holders) or not holders:
            return False
    return True


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
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return record if provenance.is_comparable(record["inputs"]) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def reasons(work: Plan, root: Path) -> list[str]:
    """Say why a run is due, one line each; an empty list means that it is fresh."""
    recorded = _recorded(work.folder)
    if not recorded:
        unread = (work.folder / "run.json").exists()
        return ["its record run.json cannot be read" if unread else "it has not been run"]
    if recorded.get("missing") != list(work.missing):
        return ["the data it could not reach changed"]
    changed = provenance.differences(recorded["inputs"], _inputs(work, root))
    return changed or altered(work.folder)


def current_key(chapter: str, root: Path) -> str:
    """Return the key that a run of a chapter with the published parameters has now."""
    return provenance.key(_inputs(plan(chapter, {}, root, allow_published=True, fetch=False), root))


def _inputs(work: Plan, root: Path) -> dict[str, Any]:
    """Return what a run depends on; a release stands in for data that is not here."""
    release = releases.latest(root / "releases") if work.missing else None
    instead = f"release {release.version}: {release.digest()}" if release else "not here"
    return provenance.inputs(work.notebook, work.parameters, root, dict.fromkeys(work.missing, instead))


def run(work: Plan, root: Path, *, progress: bool | dict[str, Any] = False) -> float:
    """Execute one notebook and put its results in place; return the wall time in seconds.

    Steps are said as `rollstate.compendium.progress` does, but for ``progress=False``.

    Raises
    ------
    NotebookError
        If a cell raises, or nothing can be written. The results of an earlier run stay as they were; what was
        written is kept in ``.<run>.failed`` beside them.
    """
    started = time.perf_counter()
    context = provenance.context(work.chapter, _inputs(work, root), root)
    try:
        _make(work, root, context, progress)
    except OSError as error:
        raise NotebookError(f"notebook {work.chapter} was not finished: {cannot_write(error)}") from error
    return time.perf_counter() - started


def _make(work: Plan, root: Path, context: dict[str, Any], progress: bool | dict[str, Any]) -> None:
    """Execute one notebook and put its results in place."""
    with replaced_folder(work.folder) as folder:
        notebook = nbformat.read(work.notebook, as_version=4)
        left_out = None
        if work.executed:
            left_out = _leave_out(notebook, work)
            notebook = _execute(notebook, work, root, folder, context, progress)
        if work.missing or not work.executed:
            own = work.own_trace
            release = releases.latest(root / "releases") if own or work.published else None
            published.fill(
                folder, notebook, release, context, missing=work.missing, cells=left_out, own_trace=own
            )
        _check_recorded(work, folder, root)
        record = {**context, "key": provenance.key(context["inputs"]), "missing": list(work.missing)}
        write_text(folder / "run.json", json.dumps(record, indent=1, sort_keys=True) + "\n")
        note_written(folder)


def _leave_out(notebook: nbformat.NotebookNode, work: Plan) -> set[str]:
    """Tag the cells that need a missing data set, so that they are not executed, and return their ids."""
    tagged = published.needs(notebook)
    values = work.parameters.as_dict()
    ids = {cell for name, cells in tagged.items() if values.get(name) in work.missing for cell in cells}
    for cell in notebook.cells:
        if cell.id in ids:
            cell.metadata["tags"] = [*cell.metadata.get("tags", ()), _SKIP]
    return ids


def _execute(
    notebook: nbformat.NotebookNode,
    work: Plan,
    root: Path,
    folder: Path,
    context: dict[str, Any],
    progress: bool | dict[str, Any],
) -> nbformat.NotebookNode:
    """Execute a notebook through papermill and return it; its record goes to `folder`."""
    # papermill costs a second: only a real run pays it.
    import papermill

    from rollstate.compendium import kernel
    from rollstate.compendium import progress as steps

    # The names are checked against the chapter's class; papermill would look for typed defaults in the cell.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    environment = {
        "ROLLSTATE_RUN": str(folder),
        "ROLLSTATE_CONTEXT": json.dumps(context),
        "ROLLSTATE_ROOT": str(root),
        # Texts hash alike in every kernel, so that a set that somebody walks through has one order.
        "PYTHONHASHSEED": "0",
        # Polars gives memory back as soon as it is free: up to a sixth less for a large trace, in the same time.
        "_RJEM_MALLOC_CONF": os.environ.get("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0"),
    }
    saved = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    # In the run's own folder: what a kernel that is killed leaves goes with it.
    scratch = folder / ".kernel"
    try:
        scratch.mkdir(mode=0o700)
        executed = papermill.execute_notebook(
            notebook,
            folder / "executed.ipynb",
            parameters=work.parameters.as_dict(),
            kernel_name="python3",
            progress_bar=progress,
            engine_name=steps.register(),
            chapter=work.chapter if progress else "",
            before=steps.durations(
                *(at / "executed.ipynb" for at in (work.folder, root / "_build" / "runs" / work.chapter))
            ),
            start_timeout=120,
            # The reader's folder: a path of their own data may be relative to it.
            cwd=str(Path.cwd()),
            kernel_manager_class=kernel.manager(scratch),
            extra_arguments=kernel.arguments(scratch),
            skip_cells_with_tag=_SKIP,
        )
        # Papermill notes where the files lie on this machine, and the notebook's cells once more.
        for name in ("input_path", "output_path"):
            executed.metadata["papermill"].pop(name, None)
        nbformat.write(executed, folder / "executed.ipynb")
        return executed
    except papermill.PapermillExecutionError as error:
        raise NotebookError(_failure(work, error), error.ename, error.evalue) from error
    except DeadKernelError as error:
        raise NotebookError(
            f"notebook {work.chapter} lost its kernel: it was killed, most often because memory ran out"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        for name, value in saved.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


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
        lines += lint.missing_guards(declared.guards(), root)
    if lines:
        raise NotebookError(f"notebook {work.chapter} is not complete:\n  " + "\n  ".join(lines))


def run_all(
    works: list[Plan],
    root: Path,
    *,
    jobs: int,
    say: Callable[[str], None],
    force: bool = False,
    quiet: bool = False,
) -> list[Plan]:
    """Run what is due, `jobs` notebooks at a time, and return what was run; `quiet` leaves out the steps of each.

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
    ended = execute(due, root, jobs=jobs, say=say, quiet=quiet)
    failures = [str(error) for _, error in ended if error]
    if failures:
        raise NotebookError("\n\n".join(failures))
    return due


def execute(
    works: list[Plan], root: Path, *, jobs: int, say: Callable[[str], None], quiet: bool = False
) -> Iterator[tuple[Plan, RollstateError | None]]:
    """Run notebooks, `jobs` at a time, and yield each with its error or None as it ends.

    An interrupt ends those under way and begins no other; what has ended is in place.
    """
    # A bar per notebook on a terminal; a log gets one line per step.
    bar = {"leave": False, "ascii": True, "disable": not sys.stderr.isatty()}
    if len(works) == 1:
        yield from _alone(works[0], root, say, progress=not quiet and {**bar, "desc": works[0].chapter})
        return
    workers = max(1, min(jobs, len(works)))
    others = set(multiprocessing.active_children())
    with worker_processes(workers) as pool:
        with _interrupts_wait():
            futures = {
                pool.submit(
                    _Worker.run,
                    work,
                    root,
                    progress=not quiet and {**bar, "position": i, "desc": work.chapter},
                ): work
                for i, work in enumerate(works)
            }
        try:
            yield from _ended(futures, say)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            # At a terminal they have heard of it already, and listen only once.
            for worker in set(multiprocessing.active_children()) - others:
                os.kill(worker.pid, signal.SIGINT)  # type: ignore[arg-type]
            raise


def _alone(
    work: Plan, root: Path, say: Callable[[str], None], *, progress: bool | dict[str, Any]
) -> Iterator[tuple[Plan, RollstateError | None]]:
    """Run one notebook in this process, which saves the half second and the 150 MB of a worker."""
    ended: Future[float] = Future()
    # Python takes interrupts in its main thread alone, and only there lets them be handled.
    heard = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, _Worker.interrupt) if heard else None
    try:
        ended.set_result(_Worker.run(work, root, progress=progress))
    except RollstateError as error:
        ended.set_exception(error)
    finally:
        _Worker.stopped = False
        if heard:
            signal.signal(signal.SIGINT, before)
    yield from _ended({ended: work}, say)


def worker_processes(count: int) -> ProcessPoolExecutor:
    """Return a pool of workers that end with this process.

    They are begun anew, not copied: Polars waits for ever in a copy of a process whose threads it has used.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, context, initializer=_begin, initargs=(os.getpid(),))


def _ended(
    futures: dict[Future[float], Plan], say: Callable[[str], None]
) -> Iterator[tuple[Plan, RollstateError | None]]:
    """Yield each notebook with its error or None as it ends."""
    for done, future in enumerate(_in_turn(set(futures)), start=1):
        work = futures[future]
        try:
            took = future.result()
        except BrokenProcessPool:
            say(f"  [{done}/{len(futures)}] {work.chapter:<18} FAILED")
            drop_abandoned(work.folder)
            yield (
                work,
                NotebookError(
                    f"notebook {work.chapter} was not finished: a worker process was killed, most often because "
                    "memory ran out; run again with --jobs 1"
                ),
            )
        except RollstateError as error:
            say(f"  [{done}/{len(futures)}] {work.chapter:<18} FAILED")
            yield work, error
        else:
            say(f"  [{done}/{len(futures)}] {work.chapter:<18} {took:6.1f} s")
            yield work, None


def _in_turn(left: set[Future[float]]) -> Iterator[Future[float]]:
    """Yield each as it ends. It looks up twice a second: an interrupt that another thread takes does not end a wait."""
    while left:
        ended, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
        yield from ended


class _Worker:
    """State of this process where it is a worker."""

    running = False
    stopped = False

    @classmethod
    def interrupt(cls, *_: Any) -> None:
        """End the run under way, the first time: a second interrupt would hit what puts things in order."""
        first, cls.stopped = not cls.stopped, True
        if first:
            _quiet()
        if cls.running and first:
            raise KeyboardInterrupt

    @classmethod
    def run(cls, work: Plan, root: Path, **options: Any) -> float:
        """Run a notebook, unless there was an interrupt."""
        if cls.stopped:
            raise KeyboardInterrupt
        cls.running = True
        try:
            return run(work, root, **options)
        finally:
            cls.running = False


def _quiet() -> None:
    """Say nothing of the messages and tasks that an interrupt cuts off: the reader asked for it."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hold interrupts back, here and in the workers that are begun meanwhile, which take them when they are ready."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(parent: int) -> None:
    """Prepare this worker process."""
    signal.signal(signal.SIGINT, _Worker.interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _end_with(parent)


def _end_with(parent: int) -> None:
    """Let this worker process end when the one that started it has ended, however that came."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _failure(work: Plan, error: Any) -> str:
    parameters = ", ".join(f"{name}={value!r}" for name, value in work.parameters.as_dict().items())
    if error.ename == InputError.__name__:
        # What was given is at fault, not the cell, whose code would stand before what is said of it.
        return f"notebook {work.chapter}, cell {error.exec_count}: {error.evalue}\n  parameters: {parameters}"
    source = "\n".join(f"    {line}" for line in str(error.source).strip().splitlines()[:12])
    return (
        f"notebook {work.chapter} failed in cell {error.exec_count}:\n{source}\n"
        f"  {error.ename}: {error.evalue}\n  parameters: {parameters}\n"
        f"  what it wrote: {work.folder.parent / f'.{work.folder.name}.failed'}"
    )


def _shorten(lines: list[str], most: int = 3) -> str:
    rest = len(lines) - most
    return "; ".join(lines[:most]) + (f"; and {rest} more" if rest > 0 else "")
