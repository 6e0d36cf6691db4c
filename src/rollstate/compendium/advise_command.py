"""``rollstate advise``: how long a slot should stay in RAM on the reader's own chain, and what that saves."""

from __future__ import annotations

import re

import click

from rollstate.errors import InputError

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


@click.command()
@click.argument("trace")
@click.option(
    "--penalty",
    required=True,
    metavar="TIME",
    help="What a miss costs, as time that a slot could stay in RAM: 30d, 12h, 90min, 45s, or a number of blocks.",
)
@click.option("--window", metavar="TIME", help="Also price this window.")
@click.option("--block-s", type=float, help="Seconds per block, where the trace does not know them.")
def advise(trace: str, penalty: str, window: str | None, block_s: float | None) -> None:
    """Give the demotion rule for TRACE, its window, and what it saves; or say what trace would be long enough.

    TRACE is a profile, a trace folder, a table, or the name of a data set.
    """
    from rollstate.horizons import advice
    from rollstate.profile import load

    made = load(trace, block_s=block_s)
    miss = _blocks("--penalty", penalty, made.plan.block_s)
    asked = None if window is None else _blocks("--window", window, made.plan.block_s)
    try:
        found = advice.advise(made, miss, window=asked)
    except InputError as error:
        raise InputError(f"{trace}: {error}") from error
    click.echo(made.describe())
    click.echo(advice.describe(found, made))


def _blocks(option: str, text: str, block_s: float | None) -> float:
    """Return a time in blocks."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(s|min|h|d|)", text.strip())
    if match is None:
        raise InputError(
            f"{option} {text!r} is no time; write a number with s, min, h or d, such as 30d, or a number of blocks"
        )
    number, unit = float(match[1]), match[2]
    if not unit:
        return number
    if block_s is None:
        raise InputError(
            f"{option} {text!r}: this trace does not know how long a block takes; add --block-s, or give blocks"
        )
    return number * _SECONDS[unit] / block_s
