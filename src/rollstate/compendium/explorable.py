"""Figures that a reader explores: Vega-Lite specifications, by Altair, of the tidy frames that figures are drawn from.

A chapter's module ``explore`` has a function of the name of a figure for each figure that can be explored. It takes the
frame of that figure, and those of its plain keywords that it wants, and returns a chart, as `lines` makes it. The book
writes the specification beside the static figure; ``book/_static/explore.js`` adds the controls that it describes in
``usermeta`` when a reader asks for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from rollstate.compendium import bundles
from rollstate.compendium.files import write_text
from rollstate.compendium.style import BAND_ALPHA, COLOURS
from rollstate.errors import InputError

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""Dashes of lines that share no more than colour with their neighbours."""
FADED = 0.12
"""Opacity of what is out of focus."""
HEIGHT = 340


class NothingToExploreError(InputError):
    """The frame has no two values that a slider could move between."""


@dataclass(frozen=True)
class Quantity:
    """A column of numbers as an axis, a slider and a table show it.

    Attributes
    ----------
    field : str
        The column.
    label : str
        What it is, with its unit.
    log : bool
        Whether its axis is logarithmic; what is not above zero is then left out of the chart, not of the table.
    percent : bool
        Whether it is a share, shown in per cent.
    near : pair of float, optional
        Ends of the axis at first. What lies beyond is drawn at the edge, and a switch shows the whole range.
    """

    field: str
    label: str
    log: bool = False
    percent: bool = False
    near: tuple[float, float] | None = None

    def axis(self) -> alt.Axis:
        """Return its axis: few ticks, plain labels."""
        form = "~%" if self.percent else "~g" if self.log else alt.Undefined
        return alt.Axis(format=form, tickCount=6, labelOverlap="greedy", grid=True)


def lines(
    frame: pl.DataFrame,
    *,
    x: Quantity,
    y: Quantity,
    series: str,
    slider: Quantity | None = None,
    at: float | None = None,
    interval: tuple[str, str] | None = None,
    choose: tuple[str, str] | None = None,
    names: Sequence[str] = (),
    colours: Mapping[str, str] | None = None,
    level: float | None = None,
    step: bool = False,
) -> alt.LayerChart:
    """Return lines by series with a slider over values that were computed, focus on a series, hover and zoom.

    Parameters
    ----------
    frame : polars.DataFrame
        The tidy frame of a figure.
    x, y : Quantity
        The axes.
    series : str
        Column that names the line.
    slider : Quantity, optional
        What the slider moves over; `x` if not given.
    at : float, optional
        Where the slider stands at first: the nearest value that was computed; the middle one if not given.
    interval : pair of str, optional
        Columns of the ends of the interval of `y`.
    choose : pair of str, optional
        A column of which one value is shown at a time, and what it is called.
    names : sequence of str
        Order of the series; others come after them, as they come.
    colours : mapping, optional
        Colour by series.
    level : float, optional
        A value of `y` to mark by a line.
    step : bool
        Whether the lines are steps that hold until the next row, so that a slider's value has that of the last row.

    Raises
    ------
    NothingToExploreError
        If the slider would have fewer than two values.
    """
    slider = slider or x
    wanted = [x.field, y.field, series, slider.field, *(interval or ()), *((choose or ())[:1])]
    # A column of nothing but gaps comes back from a CSV file as text.
    numbers = [y.field, *(interval or ())]
    rows = frame.select(list(dict.fromkeys(wanted))).with_columns(
        pl.col(numbers).cast(pl.Float64).fill_nan(None), pl.col(series).cast(pl.String)
    )
    rows = rows.drop_nulls([x.field, y.field, slider.field])
    stops = rows[slider.field].unique().sort().to_list()
    places = [place for place in rows[x.field].unique().sort().to_list() if place > 0 or not x.log]
    if len(stops) < 2 or len(places) < 2:
        raise NothingToExploreError(f"{slider.field} has {len(stops)} values, {x.field} {len(places)}")
    there = rows[series].unique(maintain_order=True).to_list()
    names = [name for name in names if name in there] + [name for name in there if name not in names]
    colour = {name: (colours or {}).get(name, COLOURS[i % len(COLOURS)]) for i, name in enumerate(names)}
    dash = {name: DASHES[(i // len(COLOURS) + i) % len(DASHES)] for i, name in enumerate(names)}
    start = stops[len(stops) // 2] if at is None else min(stops, key=lambda stop: abs(stop - at))
    picked = rows[choose[0]].unique(maintain_order=True).to_list() if choose else []

    params = [
        alt.param(name="at", value=start),
        alt.param(name="focus", value=""),
        alt.param(name="x_from", value=places[0]),
        alt.param(name="x_to", value=places[-1]),
        alt.param(name="whole", value=y.near is None),
        *([alt.param(name="pick", value=picked[0])] if choose else []),
    ]
    limits = _range(rows, y, interval, [] if level is None else [level])
    drawn = alt.Chart().encode(
        x=_encoded(alt.X, x, [alt.ExprRef(expr="x_from"), alt.ExprRef(expr="x_to")]),
        y=_encoded(alt.Y, y, limits),
        color=alt.Color(
            series, type="nominal", scale=alt.Scale(domain=names, range=list(colour.values())), legend=None
        ),
    )
    focused = f"focus == '' || {_datum(series)} == focus"
    tooltip = [_shown(one) for one in dict.fromkeys((slider, x, y))]
    dashes = alt.StrokeDash(
        series, type="nominal", scale=alt.Scale(domain=names, range=list(dash.values())), legend=None
    )
    # One line each, not one for each row.
    once = alt.Chart(alt.Data(values=[{}])).mark_rule(color="#555555", aria=False, clip=True)
    layers: list[alt.Chart] = []
    if level is not None:
        layers.append(once.encode(y=alt.datum(level, type="quantitative"), strokeDash=alt.value([2, 2])))
    if slider.field == x.field:
        layers.append(once.encode(x=alt.datum(alt.ExprRef(expr="at"), type="quantitative")))
    if interval:
        low, high = interval
        layers.append(
            drawn.mark_area(clip=True, aria=False, interpolate="step-after" if step else "linear").encode(
                y=_encoded(alt.Y, replace(y, field=low), limits),
                y2=alt.Y2(high),
                opacity=alt.condition(focused, alt.value(BAND_ALPHA), alt.value(FADED / 4)),
            )
        )
    layers.append(
        drawn.mark_line(clip=True, aria=False, interpolate="step-after" if step else "linear").encode(
            strokeDash=dashes,
            order=alt.Order(slider.field, type="quantitative"),
            opacity=alt.condition(focused, alt.value(1), alt.value(FADED)),
        )
    )
    emphasis = f"{_datum(slider.field)} == at"
    layers.append(
        drawn.mark_point(clip=True, filled=True, aria=False)
        .encode(
            opacity=alt.condition(focused, alt.value(1), alt.value(FADED)),
            size=alt.condition(emphasis, alt.value(110), alt.value(8 if step else 28)),
            tooltip=[alt.Tooltip(series, type="nominal", title="series"), *tooltip],
        )
        .add_params(alt.selection_interval(name="brush", encodings=["x"]))
        .properties(name="points")
    )
    chart = alt.layer(*layers, data=alt.Data(values=rows.to_dicts())).add_params(*params)
    for one in (x, y):
        if one.log:
            chart = chart.transform_filter(f"{_datum(one.field)} > 0")
    if choose:
        chart = chart.transform_filter(f"{_datum(choose[0])} == pick")
    about = {
        "slider": {**_about(slider), "values": stops, "start": start},
        "x": {**_about(x), "values": places},
        "y": {**_about(y), "near": y.near is not None},
        "interval": list(interval or ()),
        "series": {
            "field": series,
            "names": names,
            "colours": list(colour.values()),
            "dashes": list(dash.values()),
        },
        "choose": {"field": choose[0], "label": choose[1], "values": picked} if choose else None,
        "step": step,
    }
    return chart.properties(
        width="container",
        height=HEIGHT,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        usermeta={"rollstate": about},
    ).configure(
        font="system-ui, sans-serif",
        background="#ffffff",
        axis=alt.AxisConfig(
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", gridColor="#d9d9d9"
        ),
        view=alt.ViewConfig(stroke=None),
    )


def _encoded(channel: Any, one: Quantity, domain: Any) -> Any:
    """Return the encoding of a quantity on an axis with a domain."""
    scale = alt.Scale(
        type="log" if one.log else "linear",
        domain=domain,
        nice=False,
        padding=10,
        clamp=one.near is not None,
    )
    return channel(one.field, type="quantitative", title=one.label, scale=scale, axis=one.axis())


def _range(rows: pl.DataFrame, y: Quantity, interval: tuple[str, str] | None, also: list[float]) -> list[Any]:
    """Return the ends of the axis of `y`: of all rows, or those near what matters until the reader asks for all."""
    shown = [*also, *(value for name in (y.field, *(interval or ())) for value in rows[name].drop_nulls())]
    shown = [value for value in shown if value > 0] if y.log else [0.0, *shown]
    if not shown:
        raise NothingToExploreError(f"{y.field} has nothing above zero for a logarithmic axis")
    low, high = min(shown), max(shown)
    if y.near is None:
        return [low, high]
    return [
        alt.ExprRef(expr=f"whole ? {json.dumps(one)} : {json.dumps(near)}")
        for one, near in zip((low, high), y.near, strict=True)
    ]


def _datum(field: str) -> str:
    """Return the expression of a row's value."""
    return f"datum[{json.dumps(field)}]"


def _shown(one: Quantity) -> alt.Tooltip:
    return alt.Tooltip(
        one.field, type="quantitative", title=one.label, format=".3~%" if one.percent else ",.4~g"
    )


def _about(one: Quantity) -> dict[str, Any]:
    return {"field": one.field, "label": one.label, "percent": one.percent}


def explore_function(chapter: str, name: str) -> Callable[..., alt.LayerChart] | None:
    """Return the function of a chapter's module ``explore`` for a figure; None where there is none."""
    module = f"rollstate.chapters.{chapter}.explore"
    if importlib.util.find_spec(module) is None:
        return None
    return getattr(importlib.import_module(module), name.replace("-", "_"), None)


def specification(
    chapter: str, name: str, csv: bytes, facts: Mapping[str, Any], alt_text: str
) -> dict[str, Any] | None:
    """Return the Vega-Lite specification of a figure, or None where there is nothing to explore.

    Parameters
    ----------
    chapter, name : str
        The figure.
    csv : bytes
        Its published data.
    facts : mapping
        The plain keywords that it was drawn with.
    alt_text : str
        What it says to a reader who cannot see it.
    """
    function = explore_function(chapter, name)
    if function is None:
        return None
    wanted = inspect.signature(function).parameters
    try:
        chart = function(
            bundles.from_csv(csv), **{key: value for key, value in facts.items() if key in wanted}
        )
    except NothingToExploreError:
        return None
    # That it is valid depends on no data: the tests hold every function against the schema.
    return chart.properties(description=alt_text).to_dict(validate=False)


def write(bundle: Path, chapter: str, folder: Path) -> bool:
    """Write what a page needs to explore the figure of a bundle; return whether it can be explored.

    Parameters
    ----------
    bundle : Path
        Folder of the figure.
    chapter : str
        Its chapter.
    folder : Path
        Gets ``<chapter>/<name>.vl.json``, the specification, and ``<name>.js``, which a page opened from the file
        system can load.
    """
    drawn = json.loads((bundle / "provenance.json").read_text(encoding="utf-8"))["drawn"]
    spec = specification(
        chapter,
        bundle.name,
        (bundle / f"{bundle.name}.csv").read_bytes(),
        drawn["facts"],
        (bundle / "alt.txt").read_text(encoding="utf-8").strip(),
    )
    if spec is None:
        return False
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)
    write_text(folder / chapter / f"{bundle.name}.vl.json", text + "\n")
    ref = json.dumps(f"{chapter}/{bundle.name}")
    write_text(
        folder / chapter / f"{bundle.name}.js", f"(window.rollstateExplore ??= {{}})[{ref}] = {text};\n"
    )
    return True
