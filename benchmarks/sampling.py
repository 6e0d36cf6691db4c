"""How far numbers of a sample lie from those of the whole trace, and whether their intervals hold these.

``python benchmarks/sampling.py [quarter] [ACCESSES] TRACE ...``, where a trace is a shape of ``benchmarks/profile.py``
or a data set; ``quarter few`` if nothing is said. The chapters on survival and tiering compute their numbers from all
of it, and from samples with several seeds, as they do with a trace that one process should not hold. Samples have the
chapters' own size, or a quarter of the trace. The first table says, by number, how many of the samples' 95 % intervals
hold the number of the whole trace, and how many of those of the whole trace with other seeds do: models are fitted on
some 40,000 spells of either, which intervals, of models as they are fitted, do not cover. The second says how far
numbers without an interval are off at most.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from profile import SHAPES, make_trace
from typing import Any

from rollstate.chapters.survival import study as survival
from rollstate.chapters.survival.parameters import Survival
from rollstate.chapters.tiering import carried
from rollstate.chapters.tiering import study as tiering
from rollstate.chapters.tiering.parameters import Tiering
from rollstate.estimate import Estimate
from rollstate.survival import spell_sample
from rollstate.traces import datasets, parts, store

SEEDS = 4


def forecasts(p: Survival) -> dict[str, Any]:
    """Return the numbers of the chapter on survival that rest on the trace, but for kinds of contracts."""
    found = survival.study(survival.window(p), p)
    compared = survival.compare(found)
    bounds = survival.bounds(found, compared)
    return {
        **survival.counts(found),
        **survival.headline(found, compared),
        **survival.range_numbers(survival.by_range(found, compared), compared.best),
        **survival.calibration_numbers(survival.calibrate(found, compared)),
        "coverage": survival.overall(bounds),
        "bound": bounds.median,
        **survival.demotion(found, compared),
        "coverage_simultaneous": survival.simultaneous_coverage(found, compared),
    }


def windows(p: Tiering) -> dict[str, Any]:
    """Return the numbers of the chapter on tiering that rest on the trace."""
    found = tiering.study(tiering.window(p), p)
    measured, wrong = tiering.measured(found, p), tiering.misjudged(found, p)
    return {
        **tiering.headline(found),
        **tiering.time_and_ski(found),
        "kept": tiering.metric(measured, tiering.PROPOSED, "ram_ratio"),
        "found": tiering.metric(measured, tiering.PROPOSED, "hit_coverage"),
        **tiering.threshold_range(tiering.horizons(found, p)),
        "tenfold": tiering.worst_tenfold(wrong, tiering.PROPOSED),
        "tenfold_tuned": tiering.worst_tenfold(wrong, tiering.TUNED),
        **tiering.drift_range(tiering.folds(found, p)),
        **carried.quoted_cox(carried.against_cox(found, p)),
        **tiering.quoted_tiers(tiering.three_tiers(found, p), p),
        **tiering.quoted_hits(tiering.cache_hits(found, p), p),
        "judged_blocks": found.trial.judged_blocks,
    }


def main() -> None:
    """Print both tables."""
    held: dict[str, tuple[list[bool], list[bool]]] = defaultdict(lambda: ([], []))
    off: dict[str, list[tuple[float, float]]] = defaultdict(list)
    words = sys.argv[1:] or ["quarter", "few"]
    size = next((int(float(word)) for word in words if word[0].isdigit()), 300_000)
    for name in (word for word in words if word != "quarter" and not word[0].isdigit()):
        with tempfile.TemporaryDirectory() as folder:
            stored = Path(folder) / "trace"
            if name in SHAPES:
                make_trace(size, name, stored)
            trace = datasets.load_trace(str(stored) if name in SHAPES else name)
            store.write_trace(trace, stored, parts=3, overwrite=True)
            if "quarter" in words:
                spell_sample.SPELLS = tiering.CACHED = trace.accesses.height // 4
                spell_sample.SLOTS = trace.slots.height // 4
            for chapter, declared in ((forecasts, Survival), (windows, Tiering)):
                p = declared(trace=str(stored))
                parts.IN_MEMORY = trace.accesses.height
                whole = chapter(p)
                for seed in range(1_000, 1_000 + SEEDS):
                    for place, most in enumerate((0, trace.accesses.height)):
                        parts.IN_MEMORY = most
                        for key, value in chapter(dataclasses.replace(p, seed=seed)).items():
                            known, at = whole.get(key), f"{chapter.__name__}.{key}"
                            if isinstance(value, Estimate) and isinstance(known, Estimate):
                                if value.low is not None and value.high is not None:
                                    held[at][place].append(value.low <= known.value <= value.high)
                            elif place == 0 and isinstance(value, (int, float)) and known is not None:
                                off[at].append((float(value), float(known)))
                print(f"{name}: {chapter.__name__} done", file=sys.stderr, flush=True)
    print("| number | held by samples | held by the whole, other seeds |\n|---|---|---|")
    for key, found in [*sorted(held.items()), ("all", _joined(held.values()))]:
        print(f"| {key} | {' | '.join(f'{sum(one)} of {len(one)}' for one in found)} |")
    print("\n| number without an interval | largest difference | of |\n|---|---|---|")
    for key, pairs in sorted(off.items()):
        value, whole = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
        print(f"| {key} | {value - whole:+.3g} | {whole:.3g} |")


def _joined(found: Iterable[tuple[list[bool], list[bool]]]) -> tuple[list[bool], list[bool]]:
    samples, others = (list(itertools.chain.from_iterable(one)) for one in zip(*found, strict=True))
    return samples, others


if __name__ == "__main__":
    main()
