"""``rollstate plan``: provers, GPUs, money and energy for an operator, from measured runs."""

from __future__ import annotations

from pathlib import Path

import click

from rollstate.errors import InputError


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CSV...")
@click.option("--run", "name", help="Which run of the files; needed where they hold several.")
@click.option("--gas-growth", type=float, default=1.0, show_default=True, help="Gas over that of the files.")
@click.option("--slot", type=float, default=12.0, show_default=True, help="Seconds between blocks.")
@click.option("--deadline", type=float, default=10.0, show_default=True, help="Seconds to prove a block.")
@click.option("--run-gpus", type=int, default=8, show_default=True, help="GPUs of the measured run.")
@click.option(
    "--serial", type=float, default=0.05, show_default=True, help="Share that more GPUs do not shorten."
)
@click.option("--gpu-usd", type=float, default=0.5, show_default=True, help="Rent of a GPU per hour, $.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the drawn blocks.")
def plan(
    files: tuple[Path, ...],
    name: str | None,
    gas_growth: float,
    slot: float,
    deadline: float,
    run_gpus: int,
    serial: float,
    gpu_usd: float,
    seed: int,
) -> None:
    """Plan provers from measured runs in CSV: the cheapest choice for each target."""
    from rollstate.proving import planner, runs

    every = runs.read(files)
    names = sorted(set(every["run"]))
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        raise InputError(f"choose one run with --run: {'; '.join(names)}")
    inputs = planner.Inputs(
        gas_growth=gas_growth,
        slot_s=slot,
        deadline_s=deadline,
        run_gpus=run_gpus,
        serial=serial,
        gpu_usd_per_h=gpu_usd,
    )
    found = planner.plan(every[every["run"] == name], inputs, seed=seed)
    click.echo(found.set_index("target").T.to_string())
    worst = planner.worst_case(inputs, run_gpus)
    click.echo(f"worst-case blocks: {worst['time_s']:.0f} s each, {worst['teams']} teams of {run_gpus} GPUs")
