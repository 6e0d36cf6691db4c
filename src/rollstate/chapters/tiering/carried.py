"""Policy files judged: a table beside the Cox model on the same chain, and carried from chain to chain."""

from __future__ import annotations

from typing import Any

import polars as pl

from rollstate.chapters.tiering.parameters import Tiering
from rollstate.chapters.tiering.study import Study
from rollstate.compendium.stamps import Model
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.policy import fit, transfer
from rollstate.profile import load
from rollstate.tiering import costs, policies, replay
from rollstate.traces import datasets

CHEAPER, EQUAL, MORE = "costs less", "no clear difference", "costs more"


def against_cox(found: Study, p: Tiering) -> pl.DataFrame:
    """Replay a table of windows by access count beside the proposed policy, at the same border.

    Returns
    -------
    polars.DataFrame
        ``miss``, ``rows`` (of the table), ``table``, ``cox`` (cost over the cheapest simple rule's), ``ratio`` (table over
        Cox) with ``ratio_low`` and ``ratio_high`` (95 % over contracts, paired), ``verdict`` (on the table).

    Raises
    ------
    InputError
        If no penalty lies in the range that is compared.
    """
    tried, rows = found.trial, []
    pools, counts = fit.spell_pools(tried.past)
    first = fit.edges(counts)
    low, high = p.table_range
    if not (misses := sorted(miss for miss in p.misses if low <= miss <= high)):
        raise InputError(
            f"none of the penalties {p.misses} lies between {low:g} and {high:g}: widen table_range"
        )
    for miss in misses:
        at = costs.two_tiers(miss)
        least, chosen = fit.table(pools, first, miss)
        own = replay.paid(tried.test, fit.spell_windows(least, chosen, tried.future), at)
        cox = replay.paid(tried.test, policies.expected_cox(tried, at), at)
        rules = (policies.RULES[name](tried, at) for name in policies.SIMPLE)
        simple = min(float(replay.paid(tried.test, rule, at).sum()) for rule in rules)
        drawn = found.by_contract.sums(own) / found.by_contract.sums(cox)
        ratio = found.by_contract.estimate(own.sum() / cox.sum(), drawn)
        rows.append((miss, len(least), own.sum() / simple, cox.sum() / simple, *ratio, _verdict(ratio)))
    names = ["miss", "rows", "table", "cox", "ratio", "ratio_low", "ratio_high", "verdict"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _verdict(ratio: Estimate) -> str:
    if ratio.low is None or ratio.high is None:
        return EQUAL
    return CHEAPER if ratio.high < 1 else MORE if ratio.low > 1 else EQUAL


def quoted_cox(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the numbers of `against_cox` that the text quotes."""
    worst = frame.sort("ratio", maintain_order=True).row(-1, named=True)
    more_expensive = frame.filter(pl.col("verdict") == MORE)["miss"]
    return {
        "table_points": frame.height,
        "table_rows": int(frame["rows"][0]),
        "table_cheaper": frame.filter(pl.col("verdict") == CHEAPER).height,
        "table_more_expensive": len(more_expensive),
        "table_more_expensive_at": ", ".join(f"{miss:g}" for miss in more_expensive) or "none",
        "table_worst": Estimate(worst["ratio"], worst["ratio_low"], worst["ratio_high"]),
        "table_worst_at": float(worst["miss"]),
    }


def shown_cox(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `against_cox` as the table shows it."""
    words = {
        "miss": "penalty",
        "table": "table / cheapest simple rule",
        "cox": "Cox / cheapest simple rule",
        "ratio": "table / Cox",
        "ratio_low": "low",
        "ratio_high": "high",
        "verdict": "the table",
    }
    return frame.with_columns(pl.col(pl.Float64).exclude("miss").round(3)).rename(words)


def stamp(p: Tiering) -> Model:
    """Return what `pairs` is computed from."""
    return Model(f"profiles of {', '.join(map(datasets.label, p.carried))}")


def pairs(p: Tiering) -> pl.DataFrame:
    """Carry a table from each profile to every one: `rollstate.policy.transfer.transfer` with ``penalty_s``."""
    sources = {datasets.label(name): load(name, block_s=p.block_s) for name in p.carried}
    found = [
        transfer.transfer(sources, penalty_s=seconds).select(pl.lit(seconds).alias("penalty_s"), pl.all())
        for seconds in p.carried_s
    ]
    return pl.concat(found)


def quoted_pairs(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the numbers of `pairs` that the text quotes; 1 where nothing was carried that way."""
    away = frame.filter(pl.col("fitted") != pl.col("judged"))
    own = frame.filter(pl.col("fitted") == pl.col("judged"))

    def worst(rows: pl.DataFrame, column: str = "over_simple") -> Estimate:
        known = rows.filter(pl.col(column) > 1).sort(column, descending=True, maintain_order=True)
        ends = known.select(column, f"{column}_low", f"{column}_high").rows()
        return Estimate(*ends[0]) if ends else Estimate(1.0)

    longer, rest = away.filter("longer"), away.filter(~pl.col("longer"))
    return {
        "carried": away.height,
        "carried_cheaper": away.filter(pl.col("over_simple") < 1 - 1e-9).height,
        "carried_clearly": away.filter(pl.col("over_simple_high") < 1 - 1e-9).height,
        "carried_native": worst(own),
        "carried_longer": worst(longer),
        "carried_uncut": worst(longer, "uncut"),
        "carried_shorter": worst(rest),
    }


def shown_pairs(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `pairs` as the table shows it: a line per penalty and profile fitted on, a column per profile judged on.

    A cell is the cost over that of the cheapest simple rule with its interval, where it has one.
    """
    cell = pl.format("{}", _shown("over_simple"))
    ends = pl.format("{} ({} to {})", *map(_shown, ("over_simple", "over_simple_low", "over_simple_high")))
    return (
        frame.with_columns(cell=pl.coalesce(ends, cell))
        .pivot("judged", index=["penalty_s", "fitted"], values="cell")
        .rename({"penalty_s": "penalty, s", "fitted": "fitted on"})
    )


def _shown(column: str) -> pl.Expr:
    """Return a ratio in three digits, or in two decimals below ten."""
    return (
        pl.when(pl.col(column) < 10).then(pl.col(column).round(2)).otherwise(pl.col(column).round_sig_figs(3))
    )
