"""The stamp of an imported trace: what the format promises, what the rows show, what the reader says."""

from __future__ import annotations

from typing import Any

from rollstate import __version__
from rollstate.errors import InputError
from rollstate.traces.formats.rows import Options, Source
from rollstate.traces.schema import Capability


def stamp_of(
    source: Source, options: Options, found: list[dict[str, Any]], start: int, stop: int
) -> Capability:
    """Return the stamp of a trace of a source.

    Parameters
    ----------
    source, options
        The source, and what the reader says of it.
    found : list of dict
        `rollstate.traces.import_ranges.facts` of its rows, in any number of parts.
    start, stop : int
        The window.

    Raises
    ------
    InputError
        If the files and the reader name different chains.
    """
    total = {
        name: sum(one[name] for one in found)
        for name in ("writes", "reads", "writes_without_tx", "reads_without_tx")
    }
    reads = source.observes_reads if source.observes_reads is not None else total["reads"] > 0
    if options.chain_id is not None and source.chain_id not in (None, options.chain_id):
        raise InputError(f"the files say chain {source.chain_id}, --chain says {options.chain_id}")
    return Capability(
        source=options.source or source.format,
        observes_reads=reads,
        observes_all_writes=source.observes_all_writes,
        tx_level=source.tx_level or _tx_level(total),
        key_form=source.key_form,
        window_start=start,
        window_stop=stop,
        chain_id=source.chain_id if options.chain_id is None else options.chain_id,
        extractor_version=__version__,
        account_changes=source.account_changes,
    )


def _tx_level(total: dict[str, int]) -> str:
    """Return which touches carry a transaction index."""
    if total["writes_without_tx"] + total["reads_without_tx"] == total["writes"] + total["reads"]:
        return "none"
    if total["reads"] and total["reads_without_tx"] == total["reads"]:
        return "writes"
    return "all"


def notes(source: Source, stamp: Capability, found: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return what could not be seen, or was presumed, a sentence each."""
    out = list(source.notes)
    if stamp.chain_id is None:
        out.append("The files do not say the chain; --chain N does.")
    lacking = sum(one["writes_without_tx"] for one in found)
    lacking += sum(one["reads_without_tx"] for one in found) if stamp.tx_level == "all" else 0
    if stamp.tx_level != "none" and lacking:
        out.append(f"{lacking:,} rows have no transaction index and count as outside of transactions.")
    if source.span is None:
        out.append(
            "Blocks without a touch at either end of the window are not known to exist; --blocks A:B says so."
        )
    return tuple(out)
