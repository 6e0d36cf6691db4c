"""What a notebook holds in its hand: strict parameters in, recorded results and figures out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, Protocol

from IPython import get_ipython
from IPython.display import display

from rollstate.compendium import bundles, by_name, provenance, results
from rollstate.compendium.drawing import Drawing
from rollstate.compendium.files import write_bytes, write_text
from rollstate.compendium.marks import MIME
from rollstate.compendium.parameters import Parameters
from rollstate.errors import InputError


class Stamp(Protocol):
    """What results are computed from: a trace's `Capability`, or a `stamps.Model`."""

    def as_dict(self) -> dict[str, Any]:
        """Return the stamp as plain JSON types."""

    def describe(self) -> str:
        """Say the stamp in one line."""


class Chapter:
    """One run of one notebook.

    Parameters
    ----------
    name : str
        The chapter, which is the notebook's name; ``rollstate.chapters.<name>`` declares its parameters and results.
    namespace : dict
        The notebook's ``globals()``. Names that appear in it between this call, in the cell tagged
        ``parameters``, and `parameters` are what papermill injected.

    Notes
    -----
    Files go to the folder named by ``ROLLSTATE_RUN``, which the runner sets, or else to
    ``rollstate-run/<chapter>`` below the working directory.
    """

    def __init__(self, name: str, namespace: MutableMapping[str, Any]) -> None:
        self.name = name
        self._parameters = by_name.parameter_class(name)
        self._declared = by_name.result_class(name)
        self._namespace = namespace
        self._before = set(namespace)
        named = os.environ.get("ROLLSTATE_RUN")
        # In a live session a cell may be run again; in a run of record nothing is written twice.
        self._live = not named
        self.folder = Path(named) if named else Path("rollstate-run") / self.name
        self._values: Parameters | None = None
        self._stamp: Stamp | None = None
        self._results: dict[str, results.Result] = {}
        self._refused = ""

    def parameters(self) -> Any:
        """Return the resolved parameters; an unknown injected name or a bad value is an `InputError`."""
        shell_names = {"chapter"} | {name for name in self._namespace if name.startswith("_")}
        injected = {
            name: value
            for name, value in self._namespace.items()
            if name not in self._before | shell_names and value is not self
        }
        self._values = self._parameters.resolve(injected)
        return self._values

    def source(self, stamp: Stamp) -> None:
        """State what the results that follow are computed from; call again when that changes."""
        self._stamp = stamp

    def record(self, **values: Any) -> None:
        """Put declared numbers and verdicts in the results registry.

        Parameters
        ----------
        **values
            By the names that the chapter's `Results` class declares: a number, a verdict, or an
            `rollstate.estimate.Estimate` where an interval is declared.

        Raises
        ------
        InputError
            For an undeclared name, another type, a missing interval, or a second value in one run.
        """
        for name, given in values.items():
            value, interval = self._declared.about(name).take(f"{self.name}.{name}", given)
            self._keep(name, value=value, interval=interval)

    def absent(self, why: str, *names: str) -> None:
        """Say which declared results this data cannot give, and why, in a sentence for the reader."""
        if len(why.split()) < 3:
            raise InputError(f"say in a sentence why {', '.join(names)} cannot be had, not {why!r}")
        for name in names:
            self._keep(name, value=None, interval=None, absent=why)

    def attempt(self, work: Callable[..., Any], *given: Any) -> Any:
        """Return ``work(*given)``, or None where the data cannot carry it; the page then says why, in a sentence.

        What rests on a part that could not be had, None among `given`, cannot be had either. `record_rest` gives the
        reason to the results.
        """
        if any(one is None for one in given):
            return None
        try:
            return work(*given)
        except InputError as error:
            why = _sentence(f"this data cannot show what follows: {error}")
            self._refused = self._refused or why
            self.say(why)
            return None

    def say(self, sentence: str) -> None:
        """Show a sentence that holds for this trace; nothing of an empty one."""
        if sentence:
            display({"text/plain": sentence, "text/markdown": sentence}, raw=True)

    def record_rest(self, *later: str) -> None:
        """Say of every declared result that rests on the trace and is not recorded why `attempt` could not have it.

        Where nothing failed it says nothing.

        Parameters
        ----------
        *later : str
            Beginnings of names that are still to come.
        """
        if self._refused:
            rest = (
                name
                for name in self._declared.declared()
                if not self._declared.without_trace(name) and not name.startswith(later)
            )
            self.absent(self._refused, *(name for name in rest if f"{self.name}.{name}" not in self._results))

    def _keep(self, name: str, **what: Any) -> None:
        """Write one result beside the earlier ones."""
        one = self._declared.about(name)
        if self._values is None:
            raise InputError("call chapter.parameters() before drawing or recording")
        known = self._values.as_dict()
        result = results.Result(
            key=f"{self.name}.{name}",
            unit=one.unit,
            interval_kind=one.interval.format(**known) if what["interval"] else "",
            meaning=one.meaning.format(**known),
            guard=one.guard,
            cell=self._cell(),
            source=self._require_stamp(name).as_dict(),
            fmt=one.fmt,
            **what,
        )
        if result.key in self._results and not self._live:
            raise InputError(f"result {result.key} is recorded twice in this run; give each its own key")
        self._results[result.key] = result
        results.save(list(self._results.values()), self.folder / "results.json")

    def figure(self, draw: Callable[..., Drawing], frame: Any, **facts: Any) -> None:
        """Draw a figure from its tidy frame, write its bundle and show it.

        The figure is drawn from the very CSV file that is published with it, so that whoever has that file can draw
        it again.

        Parameters
        ----------
        draw : callable
            A function of the chapter's ``figures`` module. Its name, with hyphens, names the figure.
        frame : DataFrame or None
            The tidy data, Polars or pandas, without nested columns; None, from an `attempt` that failed, draws nothing.
        **facts : float, int, bool or str
            What else the function wants to know.
        """
        if frame is None:
            return
        name = draw.__name__.replace("_", "-")
        bundles.check_name(name)
        csv = bundles.to_csv(frame)
        drawing = draw(bundles.from_csv(csv), **facts)
        target = self.folder / "figures"
        if self._live:
            shutil.rmtree(target / name, ignore_errors=True)
        drawn = {"function": draw.__name__, "facts": bundles.plain_facts(name, facts)}
        bundles.write_figure(target, name, drawing, csv, {**self._provenance(name), "drawn": drawn})
        png = (target / name / f"{name}.png").read_bytes()
        self._show({"figure": name}, {"image/png": png, "text/plain": f"{drawing.caption}\n{drawing.alt}"})

    def table(self, name: str, data: Any, *, caption: str) -> None:
        """Write a table as CSV with its caption and show it; None, from an `attempt` that failed, is no table."""
        if data is None:
            return
        bundles.check_name(name)
        bundles.check_text(name, "caption", caption)
        csv = bundles.to_csv(data)
        write_bytes(self.folder / "tables" / f"{name}.csv", csv)
        write_text(self.folder / "tables" / f"{name}.txt", caption + "\n")
        self._show({"table": name}, {"text/plain": f"{caption}\n\n{csv.decode()}"})

    def _cell(self) -> int:
        # The inputs so far, this cell's included; whether execution_count runs ahead differs between versions.
        shell = get_ipython()
        return len(shell.user_ns["In"]) - 1 if shell else 0

    def _require_stamp(self, what: str) -> Stamp:
        if self._stamp is None:
            raise InputError(
                f"{what!r} has no source yet: call chapter.source(trace.capability), "
                'or chapter.source(Model("...")) where no trace is read'
            )
        return self._stamp

    def _provenance(self, what: str) -> dict[str, Any]:
        if self._values is None:
            raise InputError("call chapter.parameters() before drawing or recording")
        context = os.environ.get("ROLLSTATE_CONTEXT")
        run = json.loads(context) if context else self._context(self._values)
        return {**run, "cell": self._cell(), "source": self._require_stamp(what).as_dict()}

    def _context(self, values: Parameters) -> dict[str, Any]:
        """Return what a run outside of the runner depends on."""
        root = provenance.project_root()
        depends_on = provenance.inputs(root / "notebooks" / f"{self.name}.ipynb", values, root)
        return provenance.context(self.name, depends_on, root)

    def _show(self, mark: dict[str, str], bundle: dict[str, Any]) -> None:
        display({MIME: mark, **bundle}, raw=True)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")
