"""A rule and its window for the reader's own trace, what it saves, or why the trace cannot say.

The rule is the one that cost least on the eighths of the trace, each judged with all before it known. What advice saves
is measured as it would have been given: on each eighth with the rule that led on the eighths before it. A trace whose
tuned window takes more than half of it, or rests on few completed gaps, is refused (`rollstate.horizons.lengths`); of
the other rules only those are considered whose window passes the same test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.horizons import few, groups, judging, lengths, rules
from rollstate.horizons.rules import ALWAYS, CLASSES, FEWEST, HINDSIGHT, NEVER, RETUNED, SKI, TUNED, Chain
from rollstate.profile import Profile, resampling
from rollstate.profile.costs import parted

CHOICE = (TUNED, RETUNED, SKI, ALWAYS, NEVER)
"""Rules that are one window for all at any time; of equally good ones the first is advised."""
_UNITS = (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


@dataclass(frozen=True)
class Advice:
    """What to do, and what it is worth.

    Attributes
    ----------
    policy : str
        One of `CHOICE`.
    window : float
        Blocks that a slot may stay idle in RAM from now on.
    penalty : float
        Cost of a miss in slot-blocks of RAM.
    blocks, gaps : int
        Blocks and completed gaps that the window was set by.
    eighths : int
        Eighths of the trace on which advice could be judged.
    over_hindsight : Estimate
        Cost of following advice over that of the best window of the eighth: geometric mean, and prediction interval of
        one more eighth.
    saves_never, saves_always : Estimate
        Share of the cost that it saves against keeping every slot in RAM, and against demoting at once; as above.
    by_class : Estimate or None
        Cost of a window for each class of accesses so far and last gap over that of following advice, as above; None
        where the profile does not know the classes, or they cost nothing on every eighth.
    by_class_groups : Estimate or None
        The same ratio with its 95 % interval over the profile's groups, windows as they were set; None where the
        profile does not know the classes by group.
    asked : float or None
        A window in blocks that was asked about.
    asked_over : float or None
        Its cost over that of the best window, both on the second half.
    """

    policy: str
    window: float
    penalty: float
    blocks: int
    gaps: int
    eighths: int
    over_hindsight: Estimate
    saves_never: Estimate
    saves_always: Estimate
    by_class: Estimate | None = None
    by_class_groups: Estimate | None = None
    asked: float | None = None
    asked_over: float | None = None


def advise(profile: Profile, penalty: float, *, window: float | None = None) -> Advice:
    """Return the rule to follow on a chain at a penalty, and what that saves.

    Parameters
    ----------
    profile : Profile
        Of the reader's trace.
    penalty : float
        Cost of a miss in slot-blocks of RAM.
    window : float, optional
        A window in blocks to price beside it.

    Raises
    ------
    InputError
        If the source did not observe every block, or the trace is too short to set the window, or for the one asked
        about; the message says what to record.
    """
    penalty = rules.check_penalty(penalty)
    if not profile.capability.sees_every_block:
        raise InputError(
            f"{profile.capability.describe()}: a window cannot be priced where blocks were left out, as it would see "
            "too few accesses; profile consecutive blocks (reuse by lag and hot sets can be had from this trace)"
        )
    chain = rules.read(profile)
    _check_gaps(chain, int(chain.folds.joined().accesses[0]), profile.plan.n_blocks)
    judged = judging.rolling(chain, [penalty])
    cost = judged.pivot("policy", index="fold", values="cost").sort("fold")
    set_by = {name: _set(chain, name, penalty) for name in CHOICE}
    if not lengths.is_enough(*set_by[TUNED]):
        raise InputError(_too_short(chain, set_by[TUNED][2], penalty))
    sound = [name for name in CHOICE if lengths.is_enough(*set_by[name])]
    policy, followed, leaders = _followed({name: cost[name].to_numpy() for name in sound})
    blocks, gaps, chosen = set_by[policy]
    asked_over = None if window is None else _asked(chain, window, penalty)

    def against(name: str) -> Estimate:
        other = cost[name].to_numpy()[-len(followed) :]
        known = (other > 0) & (followed > 0)
        if not known.any():
            raise InputError(
                f"no eighth of the trace costs anything under {name!r}: there is nothing to save; take a longer trace"
            )
        return few.prediction(followed[known] / other[known])

    return Advice(
        policy=policy,
        window=chosen,
        penalty=penalty,
        blocks=blocks,
        gaps=gaps,
        eighths=len(followed),
        over_hindsight=against(HINDSIGHT),
        saves_never=1 - against(NEVER),
        saves_always=1 - against(ALWAYS),
        by_class=_classes(cost, followed),
        by_class_groups=_classes_by_group(chain, judged, leaders),
        asked=window,
        asked_over=asked_over,
    )


def _classes(cost: pl.DataFrame, followed: np.ndarray) -> Estimate | None:
    """Return what windows per class cost over following advice, on the eighths on which both cost something."""
    if CLASSES not in cost.columns:
        return None
    own = cost[CLASSES].to_numpy()[-len(followed) :]
    known = (own > 0) & (followed > 0)
    return few.prediction(own[known] / followed[known]) if known.any() else None


def _classes_by_group(chain: Chain, judged: pl.DataFrame, leaders: list[str]) -> Estimate | None:
    """Return the ratio of `_classes` with its interval over groups; `leaders` were followed on the last eighths."""
    if CLASSES not in judged["policy"] or not groups.known(chain):
        return None
    penalty = float(judged["penalty"][0])
    over: list[np.ndarray] = []
    under: list[np.ndarray] = []
    for (start,), part in list(judged.group_by("start", maintain_order=True))[-len(leaders) :]:
        leader = leaders[len(over)]
        total = dict(part.select("policy", "cost").iter_rows())
        border = int(str(start))
        seen = groups.behind(chain, border, judging.end_of_eighth(chain, border))
        counted = groups.costs(seen, penalty, (CLASSES, leader))
        over.append(parted(total[CLASSES], counted[CLASSES]))
        under.append(parted(total[leader], counted[leader]))
    paid = [i for i in range(len(over)) if over[i].sum() > 0 and under[i].sum() > 0]
    return resampling.ratio(np.array(over)[paid], np.array(under)[paid]) if paid else None


def largest_penalty(chain: Chain) -> float | None:
    """Return the largest penalty at which the whole trace sets a tuned window, within a tenth; None if at none."""
    whole, blocks = chain.folds.joined(), chain.profile.plan.n_blocks
    gaps = int(whole.accesses[0])
    accepted = None
    for penalty in np.geomspace(0.01, 10.0 * blocks, 160):
        if not lengths.is_enough(blocks, gaps, float(whole.tuned(float(penalty))[0][0])):
            break
        accepted = float(penalty)
    return accepted


def say(blocks: float, block_s: float | None) -> str:
    """Return a time in blocks in words: in the largest unit that it fills, or in blocks where the clock is unknown."""
    if not np.isfinite(blocks):
        return "no end"
    if block_s is None or blocks == 0:
        return f"{blocks:,.0f} blocks"
    seconds = blocks * block_s
    unit, size = next((one for one in _UNITS if seconds >= one[1]), _UNITS[-1])
    number = f"{seconds / size:,.0f}" if seconds >= 1000 * size else f"{seconds / size:.3g}"
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"


def describe(advice: Advice, profile: Profile) -> str:
    """Return the advice as text."""
    block_s = profile.plan.block_s

    def share(one: Estimate) -> str:
        return f"{one.value:.1%}" + (
            "" if one.interval is None else f" ({one.low:.1%} to {one.high:.1%} on one more eighth)"
        )

    over = advice.over_hindsight
    ends = "" if over.interval is None else f" ({over.low:.2f} to {over.high:.2f} on one more eighth)"
    lines = [
        f"policy: {advice.policy}",
        f"window: {say(advice.window, block_s)} idle in RAM, then demote"
        + (" (set it again when the chain changes)" if advice.policy == RETUNED else ""),
        f"penalty: a miss costs as much as {say(advice.penalty, block_s)} of a slot in RAM",
        f"set by: {advice.gaps:,} completed gaps in {say(advice.blocks, block_s)}",
        f"saves against keeping every slot in RAM: {share(advice.saves_never)}",
        f"saves against demoting at once: {share(advice.saves_always)}",
        f"costs {over.value:.2f} of the best window in hindsight{ends}",
        f"judged as it would have been given, on {advice.eighths} eighths of the trace",
    ]
    if advice.by_class is not None:
        one = advice.by_class
        ends = "" if one.interval is None else f" ({one.low:.2f} to {one.high:.2f} on one more eighth)"
        better = (
            "; `rollstate policy fit` sets windows by access count"
            if one.high is not None and one.high < 1
            else ""
        )
        lines.append(
            f"a window for each class of accesses and last gap would cost {one.value:.2f} of that{ends}{better}"
        )
        if (drawn := advice.by_class_groups) is not None and drawn.interval is not None:
            saved = 1 - drawn
            lines.append(
                f"so it saves {saved.value:.1%} ({saved.low:.1%} to {saved.high:.1%} over {profile.clusters})"
            )
    if advice.asked is not None and advice.asked_over is not None:
        lines.append(
            f"your window of {say(advice.asked, block_s)} costs {advice.asked_over:.2f} of the best on the second half"
        )
    return "\n".join(lines)


def _followed(cost: dict[str, np.ndarray]) -> tuple[str, np.ndarray, list[str]]:
    """Return the leader over all eighths, what following the leader so far costs on each but the first, and who led.

    The leader has the least sum of costs, each over the least one of its eighth.
    """
    names, table = list(cost), np.array(list(cost.values()))
    if table.shape[1] < 2:
        raise InputError(
            "accesses lie in a single eighth of the trace: advice needs at least two to be judged; take a longer trace"
        )
    least = table.min(axis=0)
    score = np.cumsum(np.divide(table, least, out=np.ones_like(table), where=least > 0), axis=1)
    leader = score.argmin(axis=0)
    followed = table[leader[:-1], np.arange(1, table.shape[1])]
    return names[leader[-1]], followed, [names[one] for one in leader[:-1]]


def _set(chain: Chain, policy: str, penalty: float) -> tuple[int, int, float]:
    """Return the blocks and the gaps that a policy's window is set by at the end of the trace, and the window."""
    plan, folds = chain.profile.plan, chain.folds
    memory = 0
    if policy == RETUNED:
        memory, window = rules.in_memory(folds, (*chain.starts, len(plan.cuts) - 1), penalty)
    else:
        windows = {
            TUNED: float(folds.joined().tuned(penalty)[0][0]),
            SKI: penalty,
            ALWAYS: 0.0,
            NEVER: np.inf,
        }
        window = windows[policy]
    return plan.stop - plan.cuts[memory], int(folds.joined(slice(memory, None)).accesses[0]), window


def _check_gaps(chain: Chain, gaps: int, blocks: int) -> None:
    if gaps >= FEWEST:
        return
    block_s = chain.profile.plan.block_s
    more = f"about {say(blocks * FEWEST / gaps, block_s)}" if gaps else "much more"
    raise InputError(
        f"{gaps} completed gaps in {say(blocks, block_s)} do not set a window, which needs at least {FEWEST}: "
        f"record {more}, or more contracts"
    )


def _too_short(chain: Chain, window: float, penalty: float) -> str:
    block_s, blocks = chain.profile.plan.block_s, chain.profile.plan.n_blocks
    largest = largest_penalty(chain)
    instead = (
        ""
        if largest is None
        else f", or ask about a penalty of at most {say(largest, block_s)} of a slot in RAM"
    )
    return (
        f"the trace is too short for a penalty of {say(penalty, block_s)}: the window, {say(window, block_s)}, takes "
        f"more than half of the {say(blocks, block_s)} it is tuned on, and gaps that matter may be longer than these; "
        f"record {say(2 * max(penalty, blocks), block_s)}, which is mostly enough{instead}"
    )


def _asked(chain: Chain, window: float, penalty: float) -> float:
    plan = chain.profile.plan
    if np.isnan(window) or window < 0:
        raise InputError(f"the window asked about must be at least 0 blocks, not {window!r}")
    if window > lengths.LARGEST_SHARE * plan.n_blocks:
        raise InputError(
            f"the trace is too short to price a window of {say(window, plan.block_s)}: it takes more than half of the "
            f"{say(plan.n_blocks, plan.block_s)} recorded and would look like never demoting; record at least "
            f"{say(2 * window, plan.block_s) if np.isfinite(window) else 'what you expect slots to stay idle'}"
        )
    half = chain.folds.joined(slice(plan.fold_from(judging.border_at(chain, 0.5)), None))
    return judging.over(float(half.cost(window, penalty)[0]), float(half.tuned(penalty)[1][0]))
