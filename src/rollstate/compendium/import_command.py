"""``rollstate import``: files of the usual tools made a trace."""

from __future__ import annotations

from pathlib import Path

import click

from rollstate.compendium import options


@click.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@options.out("Folder of the trace.", required=True)
@click.option("--chain", type=click.IntRange(1), help="EIP-155 chain id, where the files do not say it.")
@click.option("--blocks", metavar="A:B", help="Half-open window: what lies outside is left out.")
@click.option(
    "--map",
    "mapping",
    metavar="NAME=COLUMN,...",
    help="Columns of a table: block, timestamp, tx, address, slot, kind.",
)
@click.option("--seconds", type=click.IntRange(1), help="Count time in steps of N seconds, from timestamps.")
@click.option(
    "--layout", type=click.Choice(["draft", "final"]), help="Of block access lists; told by content."
)
@click.option("--source", "name", help="Name of the source in the stamp; the format by default.")
@click.option(
    "--all-writes", is_flag=True, help="The table lists every write; without it that counts as unknown."
)
@click.option("--overwrite", is_flag=True, help="Replace a trace that is there.")
def import_(
    sources: tuple[str, ...],
    out: Path,
    chain: int | None,
    blocks: str | None,
    mapping: str | None,
    seconds: int | None,
    layout: str | None,
    name: str | None,
    all_writes: bool,
    overwrite: bool,
) -> None:
    """Make a trace of SOURCE: files, folders, patterns, or addresses such as s3://bucket/folder.

    The format is recognised by content: cryo, Xatu, EIP-7928 block access lists (RLP or JSON), saved answers of the
    prestate tracer, ethereum-etl, or any table. Run it again to go on where it was cut off.
    """
    from rollstate.traces import importing
    from rollstate.traces.formats import columns
    from rollstate.traces.formats.rows import Options

    wanted = Options(
        chain_id=chain,
        blocks=options.window(blocks) if blocks else None,
        columns=columns.names(mapping) if mapping else {},
        seconds=seconds,
        layout=layout,
        source=name,
        all_writes=all_writes,
    )
    made = importing.import_trace(sources, out.resolve(), wanted, overwrite=overwrite, progress=True)
    click.echo(f"{made.format}: {made.rows:,} rows, {made.touches:,} touches of {made.slots:,} slots")
    click.echo(made.capability.describe())
    for note in made.notes:
        click.echo(f"  {note}")
    click.echo(made.folder)
