"""Published figures of the change to the original, one by one: where each is stated, what the layout gives, and what not.

Texts: pull requests 104, 105 and 109 of https://github.com/matter-labs/vm2 and their commits, the verifier that uses them
(https://github.com/matter-labs/eravm-airbender-verifier), as they were read in 2026.
"""

from __future__ import annotations

import polars as pl

from rollstate.worlddiff import layout

MIB = layout.MIB
_FIRST = "vm2 PR 109, first text"
_SUMMARY = "vm2 PR 109, summary"
_MERGED = 'vm2 PR 105, "Measured impact"'
GUEST_CYCLES = 26e6 / 0.0003
"""Cycles of a run, from the commits' own "about 26 M (0.03 %)"."""


def claims(counts: layout.BatchCounts, *, tried: int, equal: int) -> pl.DataFrame:
    """Return the audit of published figures, one row for each claim.

    Parameters
    ----------
    counts : BatchCounts
        The published batch.
    tried, equal : int
        Streams whose sets were derived both ways, and how many were equal.

    Returns
    -------
    polars.DataFrame
        ``claim``, ``stated in``, ``what the layout gives``, ``what it does not explain``.
    """
    gate, merging = (value / MIB for value in layout.saving(counts))
    trace = counts.trace * layout.QUERY / MIB
    room = layout.doubled(counts.trace) * layout.QUERY / MIB
    bound = (counts.costs + counts.refunds) * layout.QUERY / MIB
    twins = counts.twins * layout.QUERY / MIB
    twin_room = layout.doubled(counts.twins) * layout.QUERY / MIB
    copy = counts.trace * layout.ENUMERATED_QUERY / MIB
    heaps = layout.heap_groups(counts).bytes / MIB
    hint = round(0.7 * counts.costs)
    reserved = layout.heap_groups(counts, reserved=max(hint, counts.code_reads)).bytes / MIB
    needed = round(200 / (merging / counts.slots))
    rows = [
        (
            "The trace grew to about 220 MiB.",
            _FIRST,
            f"{trace:.0f} MiB of entries in {room:.0f} MiB of room. {bound:.0f} MiB, if every cost and every refund were "
            "an entry, coincides with the claim.",
            "No public revision reserves a trace of that size, and the text does not say how it was measured.",
        ),
        (
            "The pending twins added about 50 MiB.",
            _FIRST,
            f"{twins:.0f} MiB of entries in {twin_room:.0f} MiB of room; {1.5 * twin_room:.0f} MiB while that room was made "
            "coincides with the claim.",
            "Whether a moment or the end was measured.",
        ),
        (
            "The sort copied the trace, about 160 MiB.",
            "eravm-airbender-verifier, branch vv/memory-optimizations at de2c41a",
            f"{copy:.0f} MiB, entries with their position.",
            "The buffer of the sort, which comes on top.",
        ),
        (
            "Dropping the trace saves about 270 MiB.",
            f"vm2 481f6d4, {_SUMMARY}, and the comment in world_diff.rs at 9a378c1",
            f"{gate:.0f} MiB held.",
            'On which batch; the texts say "large batches".',
        ),
        (
            "The whole change of the verifier saves about 400 MiB.",
            "eravm-airbender-verifier, title of the change that drops the trace",
            f"{gate:.0f} MiB held and {copy:.0f} MiB of the copy for the sort.",
            "The change holds other savings and new caches; the figure is of all of them.",
        ),
        (
            "1.16 GiB to about 700 MiB per batch.",
            _FIRST,
            f"{gate + copy:.0f} MiB of the {1.16 * 1024 - 700:.0f} MiB, the trace and its copy at the end.",
            "The rest of the process, which the layout leaves out; the verifier's own text says about 770 MiB.",
        ),
        (
            "Batch 67912 needs 720 MiB instead of 920 to 952, by merging the maps.",
            f"{_MERGED}; {_SUMMARY}",
            f"{merging:.1f} MiB at {counts.slots:,} slots; 200 MiB would take {needed:,} slots.",
            "The larger part. Heaps that did or did not suffice bound a peak, and the batch's slots are not public.",
        ),
        (
            "10,729 deduplicated entries of batch 67901, 8,817 of 67911, the same as the sort's.",
            _FIRST,
            f"The same set from the maps as from the trace on {equal} of {tried} streams here.",
            "The two counts: what the batches accessed is not public.",
        ),
        (
            "Merging the maps cost 0.24 % of the cycles before one look-up was saved.",
            "vm2, commit that adds RollbackableMap::add_flags, before 4270ec4",
            f"Nothing: it counts bytes. With the commits' cycles of a run, {0.0024 * GUEST_CYCLES / counts.forward:.0f} "
            "cycles per access.",
            "Cycles of a guest.",
        ),
        (
            "Merged writes cost about 230 M cycles until another look-up was saved.",
            "vm2 4270ec4",
            f"Nothing: it counts bytes. Over the batch's writes, {230e6 / counts.writes:,.0f} cycles per write.",
            "Cycles of a guest.",
        ),
        (
            "Net of everything, 0.007 % fewer cycles.",
            _SUMMARY,
            "Nothing: it counts bytes.",
            "Cycles of a guest.",
        ),
        (
            "The list of heap pages passes 70 MiB by doubling.",
            "vm2, comment on reserve_dynamic_groups in heap.rs at 9a378c1",
            f"{heaps:.0f} MiB of room for {counts.code_reads:,} far calls, {1.5 * heaps:.0f} MiB while it was made; "
            f"{reserved:.0f} MiB reserved at seven tenths of the costs.",
            "How many groups are dropped again when a call returns.",
        ),
    ]
    names = ("claim", "stated in", "what the layout gives", "what it does not explain")
    return pl.DataFrame(rows, names, orient="row")
