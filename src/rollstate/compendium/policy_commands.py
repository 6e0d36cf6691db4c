"""``rollstate policy``: fit a policy on a trace or a profile, replay it, say what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rollstate.compendium import options
from rollstate.errors import InputError


@click.group()
def policy() -> None:
    """Fit, replay and explain a tiering policy that a client can follow."""


@policy.command()
@click.argument("trace")
@click.option("--penalty", type=float, help="Cost of a miss, in slot-blocks of RAM.")
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML of ram and cold (usd_per_gib_month, latency_s), slot_bytes, block_s, usd_per_s: gives the penalty.",
)
@click.option("--model", type=click.Choice(["table", "window", "cox"]), default="table", show_default=True)
@click.option("--until", type=int, help="Last block that the fit may see.")
@click.option("--block-s", type=float, help="Seconds per block, where the trace does not know them.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File of the policy."
)
def fit(
    trace: str,
    penalty: float | None,
    prices: Path | None,
    model: str,
    until: int | None,
    block_s: float | None,
    out: Path,
) -> None:
    """Fit a policy on TRACE: a trace, a data set by name, or a profile."""
    from rollstate.policy import fit as fitting
    from rollstate.policy import format as files
    from rollstate.policy import profiles
    from rollstate.profile import load
    from rollstate.traces import datasets

    if (penalty is None) == (prices is None):
        raise InputError("state either --penalty, in slot-blocks of RAM, or --prices")
    dollars = None
    if prices is not None:
        penalty, dollars = penalty_of(prices)
    chosen: dict[str, Any] = {
        "model": model,
        "penalty": penalty,
        "usd_per_slot_block": dollars,
        "name": trace,
    }
    if _is_profile(trace):
        if until is not None:
            raise InputError("--until needs the trace: a profile is fitted whole")
        made = profiles.fit_profile(load(trace, block_s=block_s), **chosen)
    else:
        made = fitting.fit_trace(
            datasets.load_trace(trace),
            until=until,
            sha256=datasets.fingerprint(trace),
            block_s=block_s,
            **chosen,
        )
    click.echo(files.explain(made))
    click.echo(f"{files.save(made, out)}: {out.stat().st_size} bytes")


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("trace")
@click.option("--penalty", type=float, help="Cost of a miss; the one it was fitted for if not given.")
@click.option("--after", "border", type=int, help="Judge the blocks behind this one.")
@click.option("--block-s", type=float, help="Seconds per block, where the trace does not know them.")
@click.option("--rescale", is_flag=True, help="Rescale windows and penalty to the trace's seconds per block.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each policy.")
def replay(
    file: Path,
    trace: str,
    penalty: float | None,
    border: int | None,
    block_s: float | None,
    rescale: bool,
    as_json: bool,
) -> None:
    """Replay the policy in FILE on TRACE beside the simple rules and the clairvoyant.

    Of the trace that it was fitted on, the blocks after the fit are judged, if there are any.
    """
    from rollstate.policy import format as files
    from rollstate.policy import replay as replaying
    from rollstate.policy.fit import clock_of
    from rollstate.traces import datasets

    made, seen, sha256 = files.load(file), datasets.load_trace(trace), datasets.fingerprint(trace)
    if rescale:
        clock = clock_of(seen, block_s)
        if clock.block_s is None:
            raise InputError("--rescale needs the trace's seconds per block: state them with --block-s")
        made = made.rescaled(clock.block_s)
    known = sha256 == made.trained.sha256
    last = seen.capability.window_stop - 1
    if border is None and known and made.trained.last_block < last:
        border = made.trained.last_block
    found = replaying.replay(made, seen, penalty=penalty, border=border, block_s=block_s, sha256=sha256)
    if as_json:
        click.echo(found.write_ndjson().rstrip())
        return
    click.echo(
        f"{'policy':<24}{'RAM ratio':>10}{'hot hits':>10}{'misses':>12}{'cost':>16}  to the cheapest simple rule"
    )
    for row in found.iter_rows(named=True):
        ends = "" if row["ratio_low"] is None else f" ({row['ratio_low']:.3f} to {row['ratio_high']:.3f})"
        click.echo(
            f"{row['policy']:<24}{row['ram_ratio']:>10.4f}{row['hit_coverage']:>10.4f}{row['misses']:>12,}"
            f"{row['total']:>16,.0f}  {row['ratio']:.3f}{ends}"
        )
    first = seen.capability.window_start if border is None else border + 1
    click.echo(f"judged: blocks {first} to {last} of {Path(trace).name}; cost in slot-blocks of RAM")
    if known and border is None:
        click.echo(
            "The policy was fitted on these very blocks: no forecast. Fit it with --until to hold some back."
        )


@policy.command()
@click.argument("traces", nargs=-1, required=True, metavar="TRACE...")
@click.option(
    "--penalty-s", type=float, required=True, help="Cost of a miss: seconds of holding a slot in RAM."
)
@click.option("--block-s", type=float, help="Seconds per block, of traces that do not know them.")
@click.option("--model", type=click.Choice(["table", "window"]), default="table", show_default=True)
def transfer(traces: tuple[str, ...], penalty_s: float, block_s: float | None, model: str) -> None:
    """Fit on two thirds of each TRACE, judge on the last third of every one: cost over the cheapest simple rule there.

    In brackets are the ends of a 95 % interval, over contracts or a profile's random groups. A TRACE may be a profile,
    or the name of one that comes with the package.
    """
    from rollstate.policy.transfer import transfer as carry
    from rollstate.profile import load
    from rollstate.traces import datasets

    names = {name: Path(name).name for name in traces}
    read = {
        short: load(name, block_s=block_s) if _is_profile(name) else datasets.load_trace(name)
        for name, short in names.items()
    }
    known = {} if block_s is None else dict.fromkeys(read, block_s)
    found = carry(read, penalty_s=penalty_s, block_s=known, model=model)
    columns = ("over_simple", "over_simple_low", "over_simple_high")
    shown = {
        (fitted, judged): _ratio(*over)
        for fitted, judged, *over in found.select("fitted", "judged", *columns).iter_rows()
    }
    width = max(map(len, (*read, *shown.values())))
    click.echo(
        f"{'fitted on, judged on':<{max(width, 20)}}" + "".join(f"{name:>{width + 2}}" for name in read)
    )
    for fitted in read:
        cells = "".join(f"{shown[fitted, name]:>{width + 2}}" for name in read)
        click.echo(f"{fitted:<{max(width, 20)}}" + cells)


def _ratio(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if low is None else f"{value:.3g} ({low:.3g}, {high:.3g})"


@policy.command()
@click.argument("file", type=click.Path(path_type=Path))
def explain(file: Path) -> None:
    """Say in plain words what the policy in FILE does, what it is from, and where it does not speak."""
    from rollstate.policy import format as files

    click.echo(files.explain(files.load(file)))


def _is_profile(ref: str) -> bool:
    """Say whether a name or a path is that of a profile, or of a data set of which only the profile is here."""
    from rollstate.profile import shipped
    from rollstate.traces import datasets
    from rollstate.traces.marks import is_profile

    named = ref in shipped() and not datasets.is_here(ref)
    return named or is_profile(Path(ref)) or Path(ref).suffix == ".profile"


def penalty_of(prices: Path) -> tuple[float, float]:
    """Return the penalty in slot-blocks, and the dollars that a slot-block costs more in RAM, by a file of prices."""
    from rollstate.tiering import costs, windows

    data = options.read_yaml(prices.read_text(encoding="utf-8"), str(prices))
    needed = {"ram", "cold", "slot_bytes", "block_s", "usd_per_s"}
    if not isinstance(data, dict) or set(data) - {"accesses"} != needed:
        raise InputError(
            f"{prices} must hold {', '.join(sorted(needed))}, and may hold accesses; nothing else"
        )
    try:
        ram, cold = (costs.Medium(**data[name]) for name in ("ram", "cold"))
        rest = {
            name: float(data[name])
            for name in ("slot_bytes", "block_s", "usd_per_s", "accesses")
            if name in data
        }
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{prices}: ram and cold hold usd_per_gib_month and latency_s, the others are numbers ({error})"
        ) from error
    sheet = costs.worksheet({"ram": ram, "ssd": cold, "cold": cold}, **rest)
    if sheet.ram <= sheet.cold:
        raise InputError(f"{prices}: RAM must cost more than the cold tier, else nothing is ever demoted")
    return windows.ski_rental(sheet), sheet.ram - sheet.cold


COMMANDS = (policy,)
