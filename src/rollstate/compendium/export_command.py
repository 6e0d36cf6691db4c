"""``rollstate export``: a trace in the format of another simulator."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("trace")
@click.option(
    "--to", "form", type=click.Choice(["oracleGeneral"]), default="oracleGeneral", show_default=True,
    help="Binary format of libCacheSim.",
)  # fmt: skip
@click.option("--order", type=click.Choice(["transaction", "slot"]), default="transaction", show_default=True)
@click.option("--slot-bytes", type=int, default=1, show_default=True, help="Size of every object.")
@click.option("--block-s", type=float, help="Seconds per block, where the trace does not know them; else 1.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to write.")
def export(trace: str, form: str, order: str, slot_bytes: int, block_s: float | None, out: Path) -> None:
    """Write TRACE, one request per slot and block, so that other cache simulators can run on it."""
    from rollstate.caching import streams
    from rollstate.profile.plan import seconds_per_block
    from rollstate.traces import datasets

    read = datasets.load_trace(trace)
    seen = streams.accesses(read, order)
    seconds = block_s or seconds_per_block(read.capability, read.blocks) or 1.0
    streams.export(seen, out, block_s=seconds, size=slot_bytes)
    click.echo(
        f"{out}: {len(seen.slot):,} requests of {seen.slots:,} slots in {form}; the transaction is known of "
        f"{seen.ordered:.0%}, the others come last in their block"
    )
