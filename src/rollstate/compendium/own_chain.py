"""Every chapter on the reader's own trace: what it can support is run, the rest says why it cannot."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollstate import profile
from rollstate.compendium import releases, runner
from rollstate.compendium.by_name import parameter_class
from rollstate.compendium.runner import TRACE, NotebookError, Plan
from rollstate.errors import InputError, RollstateError
from rollstate.traces import datasets, store
from rollstate.traces.formats.listing import is_remote
from rollstate.traces.marks import is_profile
from rollstate.traces.schema import Capability

NEEDS_ACCESSES = (
    "A profile holds counts, not accesses, and this chapter needs the accesses: build the book on the trace that the "
    "profile was made from."
)
# What a chapter raises when its input cannot carry the analysis; anything else is a fault of ours.
_REFUSAL = InputError.__name__


@dataclass
class OwnBook:
    """The plans of a book on one trace, the chapters it skips with their reasons, and those that failed."""

    works: list[Plan] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def plan(
    root: Path, folder: Path, trace: str, given: Mapping[str, Mapping[str, Any]] | None = None
) -> OwnBook:
    """Plan every chapter on a trace.

    Parameters
    ----------
    root, folder : Path
        The project's folder, and the one that the runs go to.
    trace : str
        Data set by name, or path of a trace or of a profile.
    given : mapping, optional
        Other parameters, by chapter.

    Raises
    ------
    InputError
        If the trace cannot be read, or a parameter is unknown or bad: before anything runs.
    """
    given = given or {}
    known = runner.chapters(root)
    for chapter in given.keys() - set(known):
        raise InputError(f"there is no chapter {chapter!r}; there are {', '.join(known)}")
    reduced, stamp = is_profile(datasets.locate(trace)), stamp_of(trace)
    release = releases.latest(root / "releases")
    made = OwnBook()
    for chapter in known:
        cls = parameter_class(chapter)
        parameters = dict(given.get(chapter, {}))
        if TRACE in cls.names():
            if reduced and not cls.takes_profile:
                made.skipped[chapter] = NEEDS_ACCESSES
                continue
            if lacking := stamp.lacks(cls.needs):
                made.skipped[chapter] = f"The trace cannot support this chapter: {'; '.join(lacking)}."
                continue
            parameters[TRACE] = _absolute(trace)
        work = runner.plan(chapter, parameters, root, allow_published=True, out=folder / chapter)
        if not parameters and release and chapter in release.runs and release.figures:
            # It does not depend on the trace: what was published holds.
            work = dataclasses.replace(work, executed=False)
        made.works.append(work)
    return made


def run(book: OwnBook, root: Path, *, jobs: int, say: Callable[[str], None]) -> OwnBook:
    """Run what is due; a chapter that refuses the trace moves to the skipped ones, one that fails says so on its page.

    Raises
    ------
    RollstateError
        If no chapter can be run.
    """
    done = OwnBook(skipped=dict(book.skipped))
    due = [work for work in book.works if runner.reasons(work, root)]
    ended = {work.chapter: error for work, error in runner.execute(due, root, jobs=jobs, say=say)}
    for work in book.works:
        error = ended.get(work.chapter)
        if error is None:
            done.works.append(work)
        elif isinstance(error, NotebookError) and error.kind == _REFUSAL:
            # What an earlier trace left here is not this one's.
            shutil.rmtree(work.folder, ignore_errors=True)
            done.skipped[work.chapter] = f"The trace cannot support this chapter: {error.said}"
        else:
            shutil.rmtree(work.folder, ignore_errors=True)
            done.failed[work.chapter] = str(error)
            kind, said = getattr(error, "kind", ""), getattr(error, "said", str(error))
            done.skipped[work.chapter] = (
                f"This chapter failed on the trace, which is a fault of the chapter: {kind} {said}".strip()
            )
    for chapter, why in done.skipped.items():
        say(f"  {chapter:<18} skipped: {why}")
    if not done.works:
        raise RollstateError("no chapter can be run on this trace: " + "; ".join(done.skipped.values()))
    return done


def stamp_of(trace: str) -> Capability:
    """Return the stamp of a trace or of a profile."""
    path = datasets.locate(trace)
    if is_profile(path):
        return profile.load_file(path).capability
    # What was stored was checked then, and may be more than memory holds.
    folder = datasets.stored(trace)
    return store.read_capability(folder) if folder else datasets.load_trace(trace).capability


def banner(trace: str, stamp: Capability) -> str:
    """Return what every page of such a book says at its top."""
    return f"Not the published results: this book was built on {Path(trace).name} ({stamp.describe()})."


def _absolute(trace: str) -> str:
    named = trace in {datasets.SAMPLE, *datasets.names()} or is_remote(trace)
    return trace if named else str(Path(trace).resolve())
