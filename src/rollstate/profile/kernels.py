"""One pass over the accesses of slots, in order of slot and block: the counts that a profile is made of.

An access is a row; the rows of one slot in one block are one visit. A creation inside the trace that no access
precedes is the slot's first visit without being an access, as in `rollstate.intervals.build`.
"""

from __future__ import annotations

import numpy as np

from rollstate.compiled import compiled
from rollstate.profile.classes import access_class, octave_class
from rollstate.profile.grid import bin_of

FOLD, GROUP, ACCESSES, OCTAVE, KIND, CATEGORY, GAP = 4, 6, 5, 5, 2, 6, 10
"""Bits of the fields of the packed keys, of which the longest takes 53 of 63."""

READ, WRITE, CREATED = 0, 1, 2
NEVER = np.iinfo(np.int64).max


@compiled
def visits(block, wrote, starts, created, window, out_block, out_kind, out_start):
    """Reduce the sorted rows of slots to visits; returns how many there are.

    Slot ``i`` has rows ``starts[i]`` to ``starts[i + 1]``; its visits are written to ``out_*`` from ``out_start[i]``.
    """
    n = 0
    for i in range(starts.size - 1):
        out_start[i] = n
        first = block[starts[i]] if starts[i] < starts[i + 1] else NEVER
        if window[0] <= created[i] < first and created[i] < window[1]:
            out_block[n] = created[i]
            out_kind[n] = CREATED
            n += 1
        for row in range(starts[i], starts[i + 1]):
            if row > starts[i] and block[row] == block[row - 1]:
                out_kind[n - 1] |= wrote[row]
            else:
                out_block[n] = block[row]
                out_kind[n] = wrote[row]
                n += 1
    out_start[starts.size - 1] = n
    return n


@compiled
def count_pieces(block, begins, cuts):
    """Return how many pieces `pieces` makes at most."""
    total, stop = 0, cuts[-1]
    for i in range(begins.size - 1):
        for row in range(begins[i], begins[i + 1]):
            end = block[row + 1] if row + 1 < begins[i + 1] else stop - 1
            total += np.searchsorted(cuts, end, "right") - np.searchsorted(cuts, block[row], "right") + 1
    return total


@compiled
def pieces(
    block, kind, begins, group, category, cuts, gap_bits, coarse_bits, key, group_key, entry_of, duration_of
):
    """Cut every spell at the cuts; write two packed keys, entry and duration for each piece; returns their number.

    ``key``, from the top: fold, fold of the spell's start, class of accesses so far, classes of the last gap and of the
    mean gap, kind of the access at the start, category, bins of entry and duration, event. ``group_key``: fold, class
    of accesses so far, bins of entry and duration on a coarser grid, event, group.
    """
    n, stop = 0, cuts[-1]
    for i in range(begins.size - 1):
        first = begins[i]
        accesses = 0
        for row in range(first, begins[i + 1]):
            s = block[row]
            accesses += kind[row] != CREATED
            gap = s - block[row - 1] if row > first else 0
            mean = (s - block[first]) // (row - first) if row > first else 0
            last = row + 1 == begins[i + 1]
            end = stop - 1 if last else block[row + 1]
            start_fold = np.searchsorted(cuts, s, "right") - 1
            known = access_class(accesses)
            named = (known << OCTAVE) | octave_class(gap)
            named = (named << OCTAVE) | octave_class(mean)
            named = (named << KIND) | kind[row]
            named = (named << CATEGORY) | category[i]
            entry = 0
            for fold in range(start_fold, cuts.size - 1):
                bound = cuts[fold + 1]
                event = not last and end < bound
                duration = (end if event else bound - 1) - s
                if duration > entry:
                    packed = ((fold << FOLD) | start_fold) << (ACCESSES + 2 * OCTAVE + KIND + CATEGORY)
                    packed |= named
                    packed = (packed << GAP) | bin_of(entry, gap_bits)
                    packed = (packed << GAP) | bin_of(duration, gap_bits)
                    key[n] = (packed << 1) | event
                    packed = (((fold << ACCESSES) | known) << GAP) | bin_of(entry, coarse_bits)
                    packed = (((packed << GAP) | bin_of(duration, coarse_bits)) << 1) | event
                    group_key[n] = (packed << GROUP) | group[i]
                    entry_of[n] = entry
                    duration_of[n] = duration
                    n += 1
                    entry = duration
                if event:
                    break
    return n


@compiled
def ends(block, kind, begins, group, cuts, bits, key):
    """Write a packed key of every spell for each span between cuts that it ends in or outlasts; returns how many.

    Key, from the top: span, classes of accesses so far and of the last gap, bin of the idle time at the end of the
    spell or of the span, event, group. Spells that begin in a span's last block have not waited there and are left out.
    """
    n, stop = 0, cuts[-1]
    for i in range(begins.size - 1):
        first = begins[i]
        accesses = 0
        for row in range(first, begins[i + 1]):
            s = block[row]
            accesses += kind[row] != CREATED
            gap = s - block[row - 1] if row > first else 0
            last = row + 1 == begins[i + 1]
            end = stop - 1 if last else block[row + 1]
            named = (access_class(accesses) << OCTAVE) | octave_class(gap)
            for span in range(np.searchsorted(cuts, s, "right") - 1, cuts.size - 1):
                bound = cuts[span + 1]
                event = not last and end < bound
                duration = (end if event else bound - 1) - s
                if duration > 0:
                    packed = (span << (ACCESSES + OCTAVE)) | named
                    packed = (((packed << GAP) | bin_of(duration, bits)) << 1) | event
                    key[n] = (packed << GROUP) | group[i]
                    n += 1
                if event:
                    break
    return n


MANY_VISITS = 256
"""Above this a slot is counted lag bin by lag bin; below, it costs less to look at each pair of its visits."""


@compiled
def reuse(
    block, kind, begins, group, edges, bits, observed, start, period_of, pairs, chances, by_group, chances_by_group
):  # fmt: skip
    """Count pairs of visits of a slot by the lag between them, and the chances there were.

    ``edges[j]`` to ``edges[j + 1] - 1`` are the lags of column ``j``, which is bin ``j + 1`` of a grid of `bits`;
    ``observed[i]`` counts observed blocks before block ``start + i``. Results: ``pairs`` and ``chances`` of shape
    (periods, classes, columns) by the period of the earlier visit and the class of the slot's accesses in all,
    ``by_group`` and ``chances_by_group`` of shape (groups, columns).
    """
    n_blocks, columns = observed.size - 1, edges.size - 1
    every_block = observed[n_blocks] == n_blocks
    # Visits by how many columns lie within the window behind them as a whole.
    whole = np.zeros((chances.shape[0], chances.shape[1], columns + 1), np.int64)
    whole_by_group = np.zeros((chances_by_group.shape[0], columns + 1), np.int64)
    nearest = np.empty(block.size, np.int64)
    for i in range(begins.size - 1):
        low, high = begins[i], begins[i + 1]
        if low < high and kind[low] == CREATED:
            low += 1
        of = access_class(high - low)
        for row in range(low, high):
            b = block[row] - start
            day = period_of[b]
            if every_block:
                inside = min(bin_of(n_blocks - b, bits) - 1, columns)
                whole[day, of, inside] += 1
                whole_by_group[group[i], inside] += 1
                if inside < columns:
                    chances[day, of, inside] += n_blocks - b - edges[inside]
                    chances_by_group[group[i], inside] += n_blocks - b - edges[inside]
                continue
            for j in range(columns):
                if b + edges[j] >= n_blocks:
                    break
                chance = observed[min(b + edges[j + 1], n_blocks)] - observed[b + edges[j]]
                chances[day, of, j] += chance
                chances_by_group[group[i], j] += chance
        if high - low <= MANY_VISITS:
            for row in range(low, high):
                day = period_of[block[row] - start]
                for later in range(row + 1, high):
                    j = bin_of(block[later] - block[row], bits) - 1
                    pairs[day, of, j] += 1
                    by_group[group[i], j] += 1
            continue
        for row in range(low, high):
            nearest[row] = row + 1
        for j in range(columns):
            right = low
            for row in range(low, high):
                b = block[row] - start
                if b + edges[j] >= n_blocks:
                    break
                while right < high and block[right] - start < b + edges[j + 1]:
                    right += 1
                pairs[period_of[b], of, j] += right - nearest[row]
                by_group[group[i], j] += right - nearest[row]
                # What this column ends with the next begins with.
                nearest[row] = right
    for day in range(whole.shape[0]):
        _add_whole(whole[day], edges, chances[day])
    _add_whole(whole_by_group, edges, chances_by_group)


@compiled
def _add_whole(visits, edges, chances):
    """Add the chances of whole columns: all their lags for each visit that has so many or more."""
    for row in range(visits.shape[0]):
        more = 0
        for j in range(edges.size - 2, -1, -1):
            more += visits[row, j + 1]
            chances[row, j] += more * (edges[j + 1] - edges[j])


@compiled
def over_time(block, kind, begins, row_block, row_begins, start, width, out):
    """Count, per bin of time: rows, visits, visits that wrote, first visits; ``out`` has shape (bins, 4)."""
    for row in range(row_begins[0], row_begins[-1]):
        out[(row_block[row] - start) // width, 0] += 1
    for i in range(begins.size - 1):
        fresh = True
        for row in range(begins[i], begins[i + 1]):
            if kind[row] == CREATED:
                continue
            b = (block[row] - start) // width
            out[b, 1] += 1
            out[b, 2] += kind[row] == WRITE
            out[b, 3] += fresh
            fresh = False


@compiled
def hot(block, kind, begins, borders, span, window, bits, idle_bits, key, before_of, after_of):
    """Write, per slot and border, a key of its touches on both sides, with their numbers; returns how many.

    Key, from the top: border, span (0: all that lies before and after, 1: `span` blocks on each side), bin of
    touches before, bin of the idle time at the border, bin of touches after.
    """
    n = 0
    for i in range(begins.size - 1):
        low, high = begins[i], begins[i + 1]
        if low < high and kind[low] == CREATED:
            low += 1
        for j in range(borders.size):
            at = low + np.searchsorted(block[low:high], borders[j])
            idle = borders[j] - block[at - 1] if at > low else 0
            for near in range(2):
                before, after = at - low, high - at
                if near == 1:
                    if borders[j] - span < window[0] or borders[j] + span > window[1]:
                        continue
                    before = at - low - np.searchsorted(block[low:at], borders[j] - span)
                    after = np.searchsorted(block[at:high], borders[j] + span)
                if before + after == 0:
                    continue
                packed = (j << 1) | near
                packed = (packed << GAP) | bin_of(before, bits)
                packed = (packed << GAP) | bin_of(idle, idle_bits)
                key[n] = (packed << GAP) | bin_of(after, bits)
                before_of[n] = before
                after_of[n] = after
                n += 1
    return n
