"""The command ``rollstate replay``: run blocks again, say what each did, and whether its gas is the header's."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for Parquet files of what the transactions did."
)
@click.option(
    "--fork", help="Rules by name (LONDON, MERGE, SHANGHAI, CANCUN); mainnet's for that block by default."
)
@click.option(
    "--opcodes", is_flag=True, help="Gas by class of opcode, and reads of failed calls; far slower."
)
def replay(folders: tuple[Path, ...], out: Path | None, fork: str | None, opcodes: bool) -> None:
    """Replay the blocks in FOLDERS, each with block.json and pre_state.json, gzipped or not."""
    from rollstate.execution import block_inputs, replay_tables
    from rollstate.execution.replay import replay as run

    for folder in folders:
        found = run(*block_inputs.read_folder(folder), fork=fork, with_opcodes=opcodes)
        click.echo(replay_tables.verdict(found))
        if out is not None:
            target = out / str(found.number)
            target.mkdir(parents=True, exist_ok=True)
            for name, frame in replay_tables.frames(found).items():
                frame.write_parquet(target / f"{name}.parquet")
            click.echo(f"  {target}")
