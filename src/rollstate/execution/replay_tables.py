"""A replayed block as tables, and in a line."""

from __future__ import annotations

import polars as pl

from rollstate.execution import replay
from rollstate.execution.replay import TOLERANCE, BlockReplay


def transactions(found: BlockReplay) -> pl.DataFrame:
    """Return one row for each transaction: outcome, gas (by class if known), touches, fee in wei."""
    rows = [
        {
            "tx": one.index,
            "sender": one.sender,
            "to": one.to,
            "success": one.success,
            "gas_used": one.gas_used,
            "intrinsic_gas": one.intrinsic_gas,
            "refund": one.refund,
            **{f"gas, {name}": gas for name, gas in one.gas_by_class.items()},
            "reads": len(one.reads),
            "writes": len(one.writes),
            "fee": str(one.fee),
        }
        for one in found.transactions
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def frames(found: BlockReplay) -> dict[str, pl.DataFrame]:
    """Return ``transactions``, ``touches`` (as `replay.touches`) and ``difference`` (as `state_difference`)."""
    return {
        "transactions": transactions(found),
        "touches": replay.touches(found),
        "difference": found.state_difference(),
    }


def verdict(found: BlockReplay) -> str:
    """Say in a line how far the gas is from the header's, and whether that is near enough."""
    done = sum(one.success for one in found.transactions)
    line = (
        f"block {found.number}, {found.fork}: {len(found.transactions)} transactions, {done} succeeded, gas "
        f"{found.gas_used:,} against {found.header_gas:,} in the header"
    )
    if found.accepted:
        return f"{line}: accepted"
    reason = "the state may lack something"
    if found.unknown_hashes:
        numbers = ", ".join(map(str, found.unknown_hashes))
        reason = f"code asked for the hashes of blocks {numbers}, which `block_hashes.json` does not give"
    return f"{line}: not accepted, {found.deviation:+.2%} is more than {TOLERANCE:.1%}; {reason}"
