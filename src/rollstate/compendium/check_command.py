"""``rollstate check``: what is wrong with a trace, what it can carry, what it will cost."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rollstate.compendium import options
from rollstate.traces.schema import Capability


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="TRACE...")
@click.option(
    "--map", "mapping", metavar="NAME=COLUMN,...", help="Columns of a table, as for `rollstate import`."
)
@click.option("--blocks", metavar="A:B", help="Half-open window, as for `rollstate import`.")
@click.option(
    "--seconds", type=click.IntRange(1), help="Length of a step of the clock, as for `rollstate import`."
)
def check(sources: tuple[str, ...], mapping: str | None, blocks: str | None, seconds: int | None) -> None:
    """Say what is wrong with TRACE, a trace folder or files to import: each defect with file and row.

    Also what it holds, which chapters it can carry and why not the others, and what they will cost. Ends with status 1
    if the trace cannot be used.
    """
    from rollstate.traces import check as checks
    from rollstate.traces.formats import columns
    from rollstate.traces.formats.rows import Options

    report = checks.check(
        sources,
        Options(
            columns=columns.names(mapping) if mapping else {},
            blocks=options.window(blocks) if blocks else None,
            seconds=seconds,
        ),
    )
    stamp = report.capability
    held = ", ".join(f"{count:,} {name}" for name, count in report.counts.items())
    click.echo(f"{report.format}: {held or 'nothing of it can be read'}")
    if stamp:
        click.echo(f"{stamp.chain}; {stamp.describe()}")
    colours = {"error": "red", "warning": "yellow"}
    for level, texts in checks.levels(report).items():
        for text in texts:
            click.echo(click.style(f"{level}: ", fg=colours.get(level)) + text)
    if not report.usable:
        sys.exit(f"{len(checks.levels(report)['error'])} errors: the trace cannot be used as it is")
    if stamp:
        carried, refused = _chapters(stamp)
        click.echo(f"chapters that it can carry: {', '.join(carried) or 'none'}")
        for name, why in refused.items():
            click.echo(f"  {name}: not, {why}")
    if report.format == "trace":
        from rollstate.compendium import trace_costs

        click.echo(f"costs: {trace_costs.measure(Path(sources[0]), report.counts['rows']).describe()}")


def _chapters(stamp: Capability) -> tuple[list[str], dict[str, str]]:
    """Return the chapters on a trace that a stamp can carry, and why it cannot carry the others."""
    from rollstate.compendium import by_name

    carried, refused = [], {}
    for name in by_name.installed():
        cls = by_name.parameter_class(name)
        if "trace" not in cls.names():
            continue
        if lacking := stamp.lacks(cls.needs):
            refused[name] = "; ".join(lacking)
        else:
            carried.append(name)
    return carried, refused
