"""Two sets of runs side by side: which numbers changed beyond their noise, and what differs in what made them."""

from __future__ import annotations

import base64
import html
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollstate.compendium import provenance
from rollstate.compendium.results import Result
from rollstate.compendium.snapshots import Snapshot

ROUNDING = 1e-9
"""Relative difference of two fractions below which only their rounding differs."""
CHANGES = ("changed", "within noise", "same", "only in A", "only in B")


@dataclass(frozen=True)
class Change:
    """One number in two sets of runs; ``state`` is one of `CHANGES`."""

    key: str
    before: Result | None
    after: Result | None
    state: str


def compare(before: Snapshot, after: Snapshot) -> list[Change]:
    """Compare every number of two snapshots, those that changed first.

    Numbers with intervals changed if they are farther apart than the root of the summed squares of the intervals'
    half-widths, which is a test at the intervals' own level where the two runs are independent. Two runs on the same
    data are not: then it is conservative, and a small true change may read "within noise". A number without an
    interval is exact for its data, so any difference is a change, but for the last digits of a computed fraction:
    processors round them differently, and what agrees within `ROUNDING` is the same.
    """
    changes = []
    for key in sorted(before.results.keys() | after.results.keys()):
        a, b = before.results.get(key), after.results.get(key)
        changes.append(Change(key, a, b, _state(a, b)))
    return sorted(changes, key=lambda change: (CHANGES.index(change.state), change.key))


def _state(a: Result | None, b: Result | None) -> str:
    if a is None or b is None:
        return "only in B" if a is None else "only in A"
    old, new = ((one.value, *(one.interval or ())) for one in (a, b))
    if a.unit == b.unit and len(old) == len(new) and all(map(_alike, old, new)):
        return "same"
    moved = _moved(a, b)
    if a.unit != b.unit or moved is None:
        return "changed"
    widths = [(end[1] - end[0]) / 2 for end in (a.interval, b.interval) if end]
    return "within noise" if abs(moved) <= math.hypot(*widths) else "changed"


def _alike(a: Any, b: Any) -> bool:
    """Say whether two values are equal, fractions up to the rounding of their last digits."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=ROUNDING)
    return bool(a == b)


def _moved(a: Result, b: Result) -> float | None:
    """Return by how much a number moved; None where one is a verdict or absent."""
    before, after = a.value, b.value
    if isinstance(before, bool | str | None) or isinstance(after, bool | str | None):
        return None
    return after - before


def reasons(before: Snapshot, after: Snapshot) -> dict[str, list[str]]:
    """Say for each chapter of both what differs in its inputs, one line each."""
    out = {}
    for chapter in after.runs:
        if chapter not in before.runs:
            out[chapter] = ["the chapter is new"]
        else:
            out[chapter] = provenance.differences(
                before.runs[chapter]["inputs"], after.runs[chapter]["inputs"]
            )
    for chapter in before.runs.keys() - after.runs.keys():
        out[chapter] = ["the chapter is not in the second set"]
    return out


def cells(change: Change) -> list[str]:
    """Return a change as a row: key, both values with intervals, difference, verdict."""
    return [change.key, _value(change.before), _value(change.after), _difference(change), change.state]


def _value(result: Result | None) -> str:
    if result is None:
        return ""
    interval = result.interval_text()
    return result.text() + (f" ({interval})" if interval else "")


def _difference(change: Change) -> str:
    a, b = change.before, change.after
    moved = None if a is None or b is None else _moved(a, b)
    return "" if moved is None else f"{moved:+.4g}".replace("-", "\u2212")


def page(before: Snapshot, after: Snapshot) -> str:
    """Return the comparison as one HTML page that needs no other file."""
    changes = compare(before, after)
    count = {state: sum(change.state == state for change in changes) for state in CHANGES}
    summary = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    why = "".join(
        f"<h3>{html.escape(chapter)}</h3><ul>"
        + "".join(f"<li>{html.escape(line)}</li>" for line in lines or ["nothing differs"])
        + "</ul>"
        for chapter, lines in reasons(before, after).items()
    )
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("number", "A", "B", "B \u2212 A", ""))
    rows = "".join(
        f"<tr class='{change.state.replace(' ', '-')}'>"
        + "".join(f"<td>{html.escape(text)}</td>" for text in cells(change))
        + "</tr>"
        for change in changes
    )
    both = before.figures.keys() & after.figures.keys()
    pictures = "".join(_pair(ref, before.figures[ref], after.figures[ref]) for ref in sorted(both))
    return _PAGE.format(
        a=html.escape(before.label),
        b=html.escape(after.label),
        summary=html.escape(summary),
        why=why,
        head=head,
        rows=rows,
        pictures=pictures or "<p>No figure is in both.</p>",
    )


def _pair(ref: str, a: Path, b: Path) -> str:
    stamps = [_stamp(bundle) for bundle in (a, b)]
    same = stamps[0]["content_sha256"] == stamps[1]["content_sha256"]
    shown = [a] if same else [a, b]
    pictures = "".join(
        f"<figure><img alt='{html.escape((bundle / 'alt.txt').read_text(encoding='utf-8'), quote=True)}' "
        f"src='data:image/svg+xml;base64,"
        f"{base64.b64encode((bundle / f'{bundle.name}.svg').read_bytes()).decode()}'>"
        f"<figcaption>{label}</figcaption></figure>"
        for bundle, label in zip(shown, ["A and B, byte for byte"] if same else ["A", "B"], strict=True)
    )
    return f"<h3>{html.escape(ref)}</h3><div class='pair'>{pictures}</div>"


def _stamp(bundle: Path) -> dict[str, Any]:
    from rollstate.compendium.bundles import read_provenance

    return read_provenance(bundle)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Two runs compared</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: .9rem; }}
td, th {{ padding: .25rem .75rem; border-bottom: 1px solid #8884; text-align: left; }}
.changed td:last-child {{ font-weight: 700; }}
.same {{ opacity: .75; }}
.pair {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
.pair figure {{ flex: 1 1 20rem; margin: 0; }}
.pair img {{ width: 100%; background: #fff; }}
</style></head><body>
<h1>Two runs compared</h1>
<p>A: <code>{a}</code><br>B: <code>{b}</code></p>
<p>{summary}. A number with an interval changed if it moved by more than both intervals allow together; one without is
exact for its data, so any difference is a change but the rounding of its last digits.</p>
<h2>What differs in what made them</h2>{why}
<h2>Numbers</h2><div class="wide" tabindex="0" role="region" aria-label="Numbers"><table><thead><tr>{head}</tr></thead>
<tbody>{rows}</tbody></table></div>
<h2>Figures</h2>{pictures}
</body></html>
"""
