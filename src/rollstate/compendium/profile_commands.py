"""The command that reduces a trace to a profile, and compares two profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rollstate.compendium import options
from rollstate.errors import InputError


@click.command()
@click.argument("traces", nargs=-1, metavar="TRACE")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File of the profile.")
@click.option("--diff", is_flag=True, help="Compare two profiles (or traces): rollstate profile --diff A B.")
@click.option("--block-s", type=float, help="Seconds per block, where the trace does not know them.")
@options.SCHEDULER
def profile(
    traces: tuple[str, ...], out: Path | None, diff: bool, block_s: float | None, scheduler: str | None
) -> None:
    """Reduce TRACE to a small file of counts, without an address or a key; or compare two.

    TRACE is a trace folder, a table, the name of a data set, or a profile. Without --out what it holds is shown. With
    --scheduler the parts of a trace folder are reduced by the workers of a Dask cluster, which must see the folder.
    """
    from rollstate.profile import load, save
    from rollstate.profile.comparison import compare

    if diff:
        if len(traces) != 2 or out:
            raise InputError("--diff compares exactly two: rollstate profile --diff A B")
        click.echo(_table(compare(*(load(name, block_s=block_s) for name in traces))))
        return
    if len(traces) != 1:
        raise InputError("name exactly one trace: rollstate profile TRACE --out FILE")
    made = load(traces[0], block_s=block_s, scheduler=scheduler)
    click.echo(made.describe())
    if out:
        save(made, out)
        click.echo(f"{out}: {out.stat().st_size} bytes")


def _table(frame: Any) -> str:
    """Return the comparison as aligned text."""

    def shown(value: float | None, low: float | None, high: float | None) -> str:
        if value is None:
            return "not known"
        return f"{value:.4g}" + ("" if low is None else f" ({low:.3g} to {high:.3g})")

    rows = [("", "A", "B")] + [
        (row["quantity"], *(shown(row[s], row[f"{s}_low"], row[f"{s}_high"]) for s in "ab"))
        for row in frame.iter_rows(named=True)
    ]
    width = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(size) for cell, size in zip(row, width, strict=True)).rstrip() for row in rows
    )


COMMANDS = (profile,)
