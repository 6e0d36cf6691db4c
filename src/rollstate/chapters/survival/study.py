"""What the chapter ``survival`` computes: forecasts of the next access, judged on later blocks, each slot once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rollstate import intervals, product_limit
from rollstate.bootstrap import Resampling, resampling
from rollstate.chapters.survival import profiles
from rollstate.chapters.survival.parameters import Survival
from rollstate.errors import InputError
from rollstate.estimate import Estimate
from rollstate.profile import Profile, load_window
from rollstate.scalars import real, whole
from rollstate.survival import (
    calibration,
    conformal,
    cox,
    forecasts,
    frailty,
    kaplan_meier,
    landmarks,
    peer,
    proportionality,
    scores,
)
from rollstate.survival.forecasts import CURVE, LANDMARK
from rollstate.survival.spell_sample import Sampled, Whole, draw
from rollstate.survival.spells import Spells, add_covariates, from_frame
from rollstate.traces import datasets, synthetic
from rollstate.traces.parts import Parts
from rollstate.traces.schema import Capability, Trace

FEWEST_EVENTS = 20
"""Accesses below which a stratum has no curve."""
POOLED = "all slots"
LABELS = {
    "first": "1st access",
    "few": "2nd to 4th access",
    "many": "5th access and later",
    "log_accesses": "accesses so far (log)",
    "log_prev_gap": "previous inter-access time (log)",
    "first_gap": "no previous access",
    "log_frailty": "rate of the slot (log)",
    "log_contract_age": "age of the contract (log)",
    "log_co_contract": "contract's other accesses in the block (log)",
    "log_co_tx": "transaction's other accesses (log)",
    "wrote_start": "last access was a write",
    "GLOBAL": "all covariates",
}
"""Names of strata and covariates in words, as figures and tables show them."""
VERDICTS = {
    "better": "a real gain over the curve",
    "worse": "a real loss against the curve",
    "no difference": "no difference that the data can tell",
}


@dataclass(frozen=True)
class Study:
    """A trace with its three sets of blocks: models are fitted on the first, calibrated on the next, judged on the last.

    Attributes
    ----------
    seen : Trace or Parts
        The accesses.
    capability : Capability
        The stamp of what the study rests on: the trace, or a sample of one that is read in parts.
    note : str
        What was drawn, in sentences; empty where nothing was.
    horizon : int
        Of the forecasts, in blocks.
    fit_block, judge_block : int
        Last block of training, and the landmark of the judged slots.
    known : polars.DataFrame
        Spells as known at `fit_block`, with covariates.
    calibrate, judge : polars.DataFrame
        Slots at the two landmarks, with the answer.
    earlier : polars.DataFrame or None
        Slots at a landmark inside the training blocks; None where these are too few.
    training_range : int
        The longest gap of the training blocks that an access ended, in blocks: beyond it the curve is a fitted tail.
    strata : str
        Column of the strata, `POOLED` where the trace does not carry the one that was asked for.
    p : Survival
        Parameters of the chapter.
    """

    seen: Trace | Parts
    capability: Capability
    note: str
    horizon: int
    fit_block: int
    judge_block: int
    known: pl.DataFrame
    calibrate: pl.DataFrame
    judge: pl.DataFrame
    earlier: pl.DataFrame | None
    training_range: int
    strata: str
    p: Survival

    @property
    def answers(self) -> np.ndarray:
        """Whether each judged slot was accessed, shape (n,)."""
        return landmarks.answers(self.judge)

    @functools.cached_property
    def by_contract(self) -> Resampling:
        """Samples of whole contracts of the judged slots."""
        return self._resampled("contract_id")

    @property
    def by_slot(self) -> Resampling:
        """Samples of the judged slots; not kept, for they are as many as the slots times the draws."""
        return self._resampled("slot_id")

    def _resampled(self, cluster: str) -> Resampling:
        return resampling(self.judge[cluster].to_numpy(), self.p.draws, self.p.seed)

    @functools.cached_property
    def fitted_on(self) -> pl.DataFrame:
        """The spells of `known` that models with covariates are fitted on: all, or those of a sample of slots."""
        return forecasts.sample_slots(self.known, self.p.seed)


def window(p: Survival) -> Trace | Profile | Parts:
    """Return the window of the trace that the parameters name, or the profile."""
    return load_window(p.trace, p.window_start, p.window_stop)


def study(seen: Trace | Profile | Parts, p: Survival) -> Study:
    """Cut the blocks of a trace into training, calibration and judgement.

    Of a trace that is read in parts spells and slots are drawn at random (`rollstate.survival.spell_sample`).

    Raises
    ------
    InputError
        If the trace cannot carry it: too few blocks, no slot seen before a landmark, no access that ends a gap in the
        training blocks, or blocks that were not observed; or if it is a profile.
    """
    if isinstance(seen, Profile):
        raise InputError(profiles.NO_SLOTS)
    stamp = seen.capability
    stamp.require("every_block", "a forecast of the next access")
    first, last = stamp.window_start, stamp.window_stop - 1
    horizon = max(1, round(p.horizon * stamp.n_blocks))
    fit_block, judge_block = first + round(p.train * stamp.n_blocks), last - horizon
    before, calibrated, recently = fit_block - horizon, judge_block - horizon, (horizon, 3 * horizon)
    if isinstance(seen, Parts):
        at = (before, calibrated, judge_block)
        source: Whole | Sampled = draw(seen, seed=p.seed, borders=(fit_block,), at=at, windows=recently)
    else:
        source = Whole(intervals.build(seen), stamp)
    # How much slots differ is learned from the same blocks as everything else.
    mixture = source.mixture(fit_block)

    def prepared(rows: pl.DataFrame) -> pl.DataFrame:
        return with_strata(add_covariates(frailty.add_frailty(rows, mixture)), p.strata)

    spells = prepared(source.spells)
    current = spells if source.current is source.spells else prepared(source.current)
    known = landmarks.as_of(spells, fit_block)
    if not known["event"].any():
        raise InputError("no access ends a gap in the training blocks, so there is nothing to fit a model on")

    def landmark(block: int, rows: pl.DataFrame, until: int) -> pl.DataFrame:
        found = landmarks.landmark(rows, block, horizon, until)
        return landmarks.add_recent(found, {length: source.recent(block, length) for length in recently})

    try:
        earlier = landmark(before, landmarks.as_of(current, fit_block), fit_block)
    except InputError:
        earlier = None
    return Study(
        seen=seen,
        capability=source.capability,
        note=source.note,
        horizon=horizon,
        fit_block=fit_block,
        judge_block=judge_block,
        known=known,
        calibrate=landmark(calibrated, current, last),
        judge=landmark(judge_block, current, last),
        earlier=earlier,
        training_range=source.longest_gap(fit_block),
        strata=p.strata if spells["stratum"].n_unique() > 1 else POOLED,
        p=p,
    )


def counts(found: Study) -> dict[str, Any]:
    """Return the sizes that the chapter records, by the names of its results."""
    return {
        "spells": found.known.height,
        "horizon": found.horizon,
        "judge_block": found.judge_block,
        "judged": found.judge.height,
        "accessed": found.answers.mean(),
        "strata": strata_note(found),
    }


def with_strata(spells: pl.DataFrame, column: str) -> pl.DataFrame:
    """Add ``stratum``, the column asked for in words; `POOLED` for all where the trace does not carry it."""
    labels = pl.col(column).cast(pl.String)
    if spells[column].null_count() == spells.height:
        return spells.with_columns(stratum=pl.lit(POOLED))
    return spells.with_columns(stratum=labels.replace(LABELS).fill_null("unknown"))


def strata_note(found: Study) -> str:
    """Return a sentence on the strata that were used."""
    if found.strata == POOLED:
        return f"The trace does not say the {found.p.strata.replace('_', ' ')} of its slots: one curve serves all."
    return f"Strata are classes of {found.strata.replace('_', ' ')}."


# Curves.


def shown_curves(found: Study | None, seen: Trace | Profile | Parts, p: Survival) -> pl.DataFrame | None:
    """Return `curves` of a study, or those of a profile; None of a trace that carries no study."""
    if found is not None:
        return curves(found)
    return profiles.curves(seen, p, LABELS, FEWEST_EVENTS) if isinstance(seen, Profile) else None


def shown_bands(seen: Trace | Profile | Parts) -> str:
    """Return what the bands of `shown_curves` are, in words."""
    if isinstance(seen, Profile):
        return f"pointwise, bootstrap over {seen.clusters}"
    return "simultaneous, bootstrap over contracts"


def curves(found: Study) -> pl.DataFrame:
    """Return Kaplan-Meier curves by stratum with simultaneous bands over contracts, and how many are at risk.

    Returns
    -------
    polars.DataFrame
        ``stratum``, ``time`` from 0, ``survival``, ``low``, ``high`` (null where there is no band), ``at_risk``. Strata with
        fewer than `FEWEST_EVENTS` accesses are left out; if none is left, all slots are one.
    """
    enough = (
        found.known.group_by("stratum").agg(pl.col("event").sum()).filter(pl.col("event") >= FEWEST_EVENTS)
    )
    order = [name for name in LABELS.values() if name in enough["stratum"]]
    order += sorted(set(enough["stratum"]) - set(order))
    parts = {name: found.known.filter(pl.col("stratum") == name) for name in order} or {POOLED: found.known}
    return pl.concat([curve(name, part, found.p) for name, part in parts.items()])


def curve(name: str, part: pl.DataFrame, p: Survival) -> pl.DataFrame:
    """Return the curve of some spells under a name, as `curves`."""
    spells = from_frame(part, cluster="contract_id")
    times = np.unique(np.round(np.geomspace(1, spells.duration[spells.event].max(), 40)))
    try:
        band = kaplan_meier.cluster_simultaneous_band(spells, times, draws=p.draws, seed=p.seed)
    except InputError:
        # So few accesses that some samples of contracts have none: the curve stands without a band.
        plain = product_limit.kaplan_meier(spells.duration, spells.event, spells.entry)
        survival = product_limit.survival_at(plain, times)
        nothing = pl.lit(None, pl.Float64)
        band = pl.DataFrame({"time": times, "survival": survival}).with_columns(
            band_low=nothing, band_high=nothing
        )
    start = pl.DataFrame({"time": [0.0], "survival": [1.0], "low": [1.0], "high": [1.0]})
    table = pl.concat([start, band.select("time", "survival", low="band_low", high="band_high")])
    risk = product_limit.at_risk(spells.duration, spells.entry, table["time"].to_numpy())
    return table.select(pl.lit(name).alias("stratum"), pl.all()).with_columns(at_risk=risk)


# Proportional hazards.


@dataclass(frozen=True)
class Proportional:
    """A Cox model of the training blocks with its test of proportional hazards.

    Attributes
    ----------
    model : CoxModel
        Efron ties; robust standard errors over `clusters`, where these are enough.
    spells : Spells
        Its data.
    test : polars.DataFrame
        Of `rollstate.survival.proportionality.score_test`.
    clusters : str
        What the variance is taken over: contracts, slots, or spells as independent.
    """

    model: cox.CoxModel
    spells: Spells
    test: pl.DataFrame
    clusters: str


NO_COX = "A Cox model with covariates cannot be fitted on the training blocks: they are too few."


def proportional(found: Study) -> Proportional | None:
    """Fit a Cox model and test it, over contracts if there are enough of them, else over slots, else model-based.

    None where the training blocks cannot carry the model: too few accesses, or covariates that cannot be told apart.
    """
    used = forecasts.affordable(found.fitted_on, forecasts.COVARIATES)
    way = proportionality.clusters_that_suffice(found.fitted_on, ("contract_id", "slot_id"))
    spells = from_frame(found.fitted_on, used, cluster=way)
    try:
        model = cox.fit(spells)
        test = proportionality.score_test(model, spells, "km", cluster=spells.cluster)
    except (InputError, cox.ConvergenceError):
        return None
    words = {"contract_id": "contracts", "slot_id": "slots", None: "spells taken as independent"}
    return Proportional(model, spells, test, words[way])


COX_CAPTION = (
    "Cox model with Efron ties on the training blocks: robust standard errors over {clusters}, and the test of "
    "proportional hazards."
)


def cox_table(fit: Proportional) -> pl.DataFrame:
    """Return coefficients with robust errors beside the test of proportional hazards, in words."""
    table = fit.model.summary.join(
        fit.test.select(pl.col("term").alias("covariate"), "chisq", pl.col("p").alias("p of the test")),
        on="covariate",
        how="left",
        maintain_order="left",
    )
    words = {
        "coef": "coefficient", "exp(coef)": "hazard ratio", "se(coef)": "standard error", "robust se": "robust standard error",
        "coef lower 95%": "95 % low", "coef upper 95%": "95 % high",
    }  # fmt: skip
    return table.with_columns(pl.col("covariate").replace(LABELS), pl.col(pl.Float64).round(4)).rename(words)


def effects(fit: Proportional) -> pl.DataFrame:
    """Return the effect of each covariate along the gap, those that change most first, in words.

    Returns
    -------
    polars.DataFrame
        The columns of `rollstate.survival.proportionality.effect_over_time`.
    """
    gaps = fit.spells.duration[fit.spells.event]
    at = np.unique(np.round(np.geomspace(1, max(np.quantile(gaps, 0.98), 2), 30)))
    frame = proportionality.effect_over_time(fit.model, fit.spells, at=at, cluster=fit.spells.cluster)
    swing = (pl.col("effect").max() - pl.col("effect").min()).over("covariate")
    return (
        frame.with_columns(pl.col("covariate").replace(LABELS), swing=swing)
        .sort("swing", "covariate", "time", descending=[True, False, False])
        .drop("swing")
    )


def ph_verdict(fit: Proportional, along: pl.DataFrame) -> dict[str, Any]:
    """Return the global p-value, what it was taken over, and the verdict in words."""
    p = float(fit.test.filter(pl.col("term") == "GLOBAL")["p"][0])
    first = along["covariate"][0]
    of = along.filter(pl.col("covariate") == first)["effect"]
    factor = float(np.exp(real(of.max()) - real(of.min())))
    rejected = f"rejected; the hazard ratio of “{first}” changes {factor:.1f}-fold along the gap"
    return {"ph_p": p, "ph_clusters": fit.clusters, "ph_verdict": rejected if p < 0.05 else "not rejected"}


# Forecasts.


@dataclass(frozen=True)
class Compared:
    """Forecasts of the judged slots by every model.

    Attributes
    ----------
    fitted : dict of str to Forecaster
        `CURVE` first.
    probabilities : dict of str to array
        Forecasts of the judged slots.
    differences : polars.DataFrame
        ``cluster`` and the columns of `rollstate.survival.scores.compare`.
    best : str
        The model with covariates of the last access that was the best on the calibration landmark, before judging.
    failed : dict of str to str
        Models that did not converge, and why.
    """

    fitted: dict[str, forecasts.Forecaster]
    probabilities: dict[str, np.ndarray]
    differences: pl.DataFrame
    best: str
    failed: dict[str, str]

    def row(self, model: str, cluster: str = "contract") -> dict[str, Any]:
        """Return one line of `differences`."""
        at = (pl.col("model") == model) & (pl.col("cluster") == cluster)
        return self.differences.row(by_predicate=at, named=True)


def compare(found: Study) -> Compared:
    """Fit every model on the training blocks and compare its forecasts of the judged slots with those of the curve."""
    p = found.p
    covariates = forecasts.affordable(found.fitted_on, forecasts.COVARIATES)
    fitted, failed = forecasts.fit_all(
        found.fitted_on, covariates, strata=("stratum",), seed=p.seed, iterations=p.trees
    )
    fitted[CURVE] = forecasts.fit_curve(found.known)
    earlier_scores = {
        name: scores.brier(
            one.access_probability(found.calibrate, found.horizon), landmarks.answers(found.calibrate)
        ).mean()
        for name, one in fitted.items()
        if name != CURVE
    }
    if found.earlier is not None and found.earlier["accessed"].n_unique() > 1:
        windows = (found.horizon, 3 * found.horizon)
        recent = ["log_idle", *(f"{who}_recent_{w}" for who in ("slot", "contract") for w in windows)]
        fitted[LANDMARK] = forecasts.fit_landmark_logistic(
            found.earlier, [*recent, *forecasts.COVARIATES], found.horizon
        )
    probabilities = {name: one.access_probability(found.judge, found.horizon) for name, one in fitted.items()}
    tables = [
        scores.compare(probabilities, found.answers, samples, reference=CURVE).with_columns(
            cluster=pl.lit(way)
        )
        for way, samples in (("contract", found.by_contract), ("slot", found.by_slot))
    ]
    best = min(earlier_scores, key=earlier_scores.get)  # type: ignore[arg-type]
    return Compared(fitted, probabilities, pl.concat(tables), best, failed)


def headline(found: Study, compared: Compared) -> dict[str, Any]:
    """Return the numbers of the comparison that the text quotes; those of the landmark model only if there is one."""
    best, curve = compared.row(compared.best), compared.row(CURVE)
    by_contract = compared.differences.filter(pl.col("cluster") == "contract", pl.col("model") != CURVE)
    out = {
        "best": compared.best,
        "models": by_contract.height,
        "not_better": by_contract.filter(pl.col("verdict") != "better").height,
        "brier_km": _value(curve),
        "brier_best": _value(best),
        "best_difference": _difference(best),
        "best_verdict": VERDICTS[best["verdict"]],
    }
    if LANDMARK in compared.fitted:
        recent = compared.row(LANDMARK)
        out |= {
            "brier_recent": _value(recent),
            "recent_difference": _difference(recent),
            "recent_verdict": VERDICTS[recent["verdict"]],
        }
    return out


def _value(row: dict[str, Any]) -> Estimate:
    return Estimate(row["value"], row["low"], row["high"])


def _difference(row: dict[str, Any]) -> Estimate:
    return Estimate(row["difference"], row["difference_low"], row["difference_high"])


def differences(compared: Compared) -> pl.DataFrame:
    """Return the paired differences to the curve, the best first by contract: ``model``, ``cluster``, ``difference``..."""
    frame = compared.differences.filter(pl.col("model") != CURVE)
    order = frame.filter(pl.col("cluster") == "contract").sort("difference")["model"].to_list()
    return frame.sort(pl.col("model").cast(pl.Enum(order)), "cluster").with_columns(
        cluster="clustered by " + pl.col("cluster"), picked=pl.col("model") == compared.best
    )


def convergence(compared: Compared | None) -> str:
    """Say in a sentence which models did not converge."""
    if compared is None or not compared.failed:
        return "All models converged."
    return f"Not converged: {', '.join(compared.failed)}."


def by_range(found: Study, compared: Compared) -> pl.DataFrame:
    """Return Brier scores of slots inside the training range, and of those that need extrapolation.

    A slot is outside where its idle time plus the horizon exceeds the longest gap that training saw end in an access: there
    every model's answer is its tail.

    Returns
    -------
    polars.DataFrame
        ``range`` (``inside``, ``outside``), ``model``, ``slots``, ``accessed`` (share), ``value``, ``low``, ``high``,
        ``difference``, ``difference_low``, ``difference_high``, ``verdict``.
    """
    outside = (found.judge["idle"] + found.horizon > found.training_range).to_numpy()
    contract, tables = found.judge["contract_id"].to_numpy(), []
    for name, rows in (("inside", ~outside), ("outside", outside)):
        if not rows.any():
            continue
        samples = resampling(contract[rows], found.p.draws, found.p.seed)
        part = {model: p[rows] for model, p in compared.probabilities.items()}
        table = scores.compare(part, found.answers[rows], samples, reference=CURVE)
        tables.append(
            table.with_columns(
                range=pl.lit(name), slots=pl.lit(int(rows.sum())), accessed=pl.lit(found.answers[rows].mean())
            )
        )
    return pl.concat(tables)


def range_numbers(ranges: pl.DataFrame, best: str) -> dict[str, Any]:
    """Return what the text quotes of `by_range`; a range without slots has no numbers."""
    out: dict[str, Any] = {}
    slots = {
        name: whole(ranges.filter(pl.col("range") == name)["slots"].max() or 0)
        for name in ("inside", "outside")
    }
    out["outside"] = slots["outside"] / (slots["inside"] + slots["outside"])
    for name in ("inside", "outside"):
        for key, model in (("km", CURVE), ("best", best)):
            rows = ranges.filter(pl.col("range") == name, pl.col("model") == model)
            if rows.height:
                row = rows.row(0, named=True)
                out[f"brier_{key}_{name}"] = _value(row)
                if key == "best":
                    out[f"verdict_{name}"] = VERDICTS[row["verdict"]]
    return out


RANGE_NUMBERS = tuple(
    f"{kind}_{name}" for name in ("inside", "outside") for kind in ("brier_km", "brier_best", "verdict")
)


def score_table(found: Study, compared: Compared) -> pl.DataFrame:
    """Return scores of every model on the judged slots, rounded, in words."""
    answers, rows = found.answers, []
    for name, p in compared.probabilities.items():
        parts = scores.decomposition(p, answers)
        try:
            slope = round(scores.calibration_line(p, answers)[1], 3)
        except InputError:
            slope = None
        rows.append(
            {
                "model": name,
                "Brier score": round(parts["brier"], 4),
                "log score": round(scores.log_score(p, answers).mean(), 4),
                "area under the ROC curve": round(scores.auc(p, answers), 4),
                "calibration slope": slope,
                **{
                    part: round(parts[part], 4)
                    for part in ("miscalibration", "discrimination", "uncertainty")
                },
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


# Calibration.


@dataclass(frozen=True)
class Calibrated:
    """The picked model before and after calibration on the landmark before the judged one.

    Attributes
    ----------
    versions : dict of str to array
        Forecasts of the judged slots, as fitted first.
    gain : dict
        Line of `rollstate.survival.scores.compare` of the calibrator with the lowest difference.
    kept : bool
        Whether the interval of that difference lies below zero.
    """

    versions: dict[str, np.ndarray]
    gain: dict[str, Any]
    kept: bool


AS_FITTED = "as fitted"


def calibrate(found: Study, compared: Compared) -> Calibrated:
    """Fit every calibrator on the calibration landmark and compare it with none on the judged slots."""
    raw = compared.fitted[compared.best].access_probability(found.calibrate, found.horizon)
    judged, versions = compared.probabilities[compared.best], {}
    for name, fit in calibration.FITS.items():
        try:
            versions[name.replace("_", "-")] = fit(raw, landmarks.answers(found.calibrate)).predict(judged)
        except InputError:
            continue
    versions = {AS_FITTED: judged, **versions}
    table = scores.compare(versions, found.answers, found.by_contract, reference=AS_FITTED)
    gain = table.filter(pl.col("model") != AS_FITTED).sort("difference").row(0, named=True)
    high = gain["difference_high"]
    return Calibrated(versions, gain, high is not None and calibration.worth_keeping(high))


def calibration_numbers(found: Calibrated) -> dict[str, Any]:
    """Return what the text quotes of `calibrate`."""
    name = found.gain["model"]
    return {
        "calibrators": len(found.versions) - 1,
        "calibration_gain": _difference(found.gain),
        "calibration_verdict": f"{name} calibration is kept" if found.kept else "calibration is not kept",
    }


def reliability(found: Study, compared: Compared, calibrated: Calibrated) -> pl.DataFrame:
    """Return CORP reliability curves with bands, and how the forecasts are spread.

    Returns
    -------
    polars.DataFrame
        ``model``, ``kind`` (``frequency``: of accesses at a forecast value, with ``low``, ``high``; ``slots``: share of slots
        in a bin of forecasts), ``forecast``, ``value``.
    """
    at, bins = np.linspace(0.02, 0.98, 49), np.linspace(0, 1, 21)
    name = calibrated.gain["model"]
    shown = {
        CURVE: compared.probabilities[CURVE],
        compared.best: calibrated.versions[AS_FITTED],
        f"{compared.best}, {name}": calibrated.versions[name],
    }
    samples, frames = found.by_contract, []
    for label, p in shown.items():
        line = scores.reliability(p, found.answers, samples, at=at)
        share = np.histogram(p, bins)[0] / len(p)
        middle = (bins[1:] + bins[:-1]) / 2
        spread = pl.DataFrame({"forecast": middle, "value": share}).with_columns(kind=pl.lit("slots"))
        curve = line.rename({"frequency": "value"}).with_columns(kind=pl.lit("frequency"))
        frames.append(
            pl.concat([curve, spread], how="diagonal").select(
                pl.lit(label).alias("model"), "kind", "forecast", "value", "low", "high"
            )
        )
    return pl.concat(frames)


# Bounds.


def waits(rows: pl.DataFrame) -> np.ndarray:
    """Return blocks until the next access, infinite where none came within the horizon, shape (n,)."""
    return rows["wait"].cast(pl.Float64).fill_null(np.inf).to_numpy()


def within(forecaster: forecasts.Forecaster, rows: pl.DataFrame) -> conformal.Within:
    """Return the probability of an access within w blocks of each row, w its own for each, as a function of w."""
    at = forecaster.within(rows)
    return lambda w: np.where(w > 0, at(np.asarray(w, float)), 0.0)


MARGINAL, BY_STRATUM = "one level for all", "a level per stratum"


@dataclass(frozen=True)
class Bounds:
    """Lower bounds on the wait of the judged slots.

    Attributes
    ----------
    coverage : polars.DataFrame
        Of `rollstate.survival.conformal.coverage`, with the bounds `MARGINAL` and `BY_STRATUM`.
    median : float
        Median bound in blocks, one level for all.
    """

    coverage: pl.DataFrame
    median: float


def bounds(found: Study, compared: Compared) -> Bounds:
    """Set bounds by one level for all slots, and by a level for each stratum, and report their coverage."""
    p, model = found.p, compared.fitted[compared.best]
    held = within(model, found.calibrate)(np.minimum(waits(found.calibrate), found.horizon))
    judged, n = within(model, found.judge), found.judge.height
    before, labels = (frame["stratum"].to_numpy() for frame in (found.calibrate, found.judge))
    bound = conformal.lower_bounds(judged, conformal.score_quantile(held, p.alpha), n, found.horizon)
    level = {name: conformal.score_quantile(held[before == name], p.alpha) for name in np.unique(before)}
    own = np.array([level.get(name, 0.0) for name in labels])
    by_stratum = conformal.lower_bounds(judged, own, n, found.horizon)
    contract = found.judge["contract_id"].to_numpy()
    table = conformal.coverage(
        {MARGINAL: bound, BY_STRATUM: by_stratum},
        waits(found.judge),
        labels,
        contract,
        draws=p.draws,
        seed=p.seed,
    )
    return Bounds(table, float(np.median(bound)))


def overall(found: Bounds) -> Estimate:
    """Return the share of all waits that are at least their bound, one level for all slots."""
    return Estimate(*found.coverage.select("coverage", "low", "high").row(0))


def demotion(found: Study, compared: Compared) -> dict[str, Any]:
    """Return what a threshold set on the calibration landmark to miss few slots misses and demotes later."""
    model, alpha = compared.fitted[compared.best], found.p.alpha / 2
    raw = model.access_probability(found.calibrate, found.horizon)
    threshold = conformal.risk_controlled(raw, found.calibrate["accessed"].to_numpy(), alpha)
    demoted = compared.probabilities[compared.best] < threshold
    return {
        "missed": found.by_contract.mean(demoted & (found.answers > 0)),
        "missed_nominal": alpha,
        "demoted": float(demoted.mean()),
    }


SIMULTANEOUS_ROWS = 5_000
"""Most spells that simultaneous bounds are set and judged on."""


def simultaneous_coverage(found: Study, compared: Compared) -> Estimate:
    """Return the share of held-out spells whose bounds hold at all idle times of a grid at once.

    Half of a sample of the training spells sets the level, the other half is judged.
    """
    p, horizon = found.p, found.horizon
    done = found.known.filter(pl.col("entry") == 0)
    sample = done.sample(min(done.height, SIMULTANEOUS_ROWS), seed=p.seed)
    fit, test = sample[: sample.height // 2], sample[sample.height // 2 :]
    grid = np.unique(np.round(np.geomspace(1, max(2, horizon), 4)))

    def at_idle(rows: pl.DataFrame) -> Callable[[float, np.ndarray], np.ndarray]:
        def one(idle: float, w: np.ndarray) -> np.ndarray:
            return within(compared.fitted[compared.best], rows.with_columns(idle=pl.lit(int(idle))))(
                np.minimum(w, horizon)
            )

        return one

    level = conformal.score_quantile(
        conformal.simultaneous_scores(at_idle(fit), grid, fit["duration"].to_numpy()), p.alpha
    )
    gap = np.where(test["event"], test["duration"], np.inf)
    held, judged = np.ones(test.height, bool), at_idle(test)
    for idle in grid:
        bound = conformal.lower_bounds(functools.partial(judged, idle), level, test.height, horizon)
        held &= (test["duration"].to_numpy() <= idle) | (gap - idle >= bound)
    return resampling(test["contract_id"].to_numpy(), p.draws, p.seed).mean(held)


# Known truth.


@dataclass(frozen=True)
class Truth:
    """Forecasts beside the true probabilities of the synthetic trace: ``model``, ``error``, ``low``, ``high``."""

    trace: Trace
    errors: pl.DataFrame


def truth(p: Survival) -> Truth:
    """Fit every model on the synthetic trace and return its mean absolute error of forecast, the smallest first."""
    trace, known_truth = synthetic.generate(synthetic.SAMPLE)
    spells = with_strata(add_covariates(intervals.build(trace)), "activity")
    start, stop = trace.capability.window_start, trace.capability.window_stop - 1
    horizon = round(p.horizon * trace.capability.n_blocks)
    past = landmarks.as_of(spells, start + round(p.train * trace.capability.n_blocks))
    covariates = [name for name in forecasts.COVARIATES if name != "log_frailty"]
    fitted, _ = forecasts.fit_all(past, covariates, strata=("stratum",), seed=p.seed, iterations=p.trees)
    rows = landmarks.landmark(spells, stop - horizon, horizon, stop)
    idle, slot, begun = (rows[name].to_numpy() for name in ("idle", "slot_id", "start"))
    right = 1 - known_truth.survival(slot, begun, idle + horizon) / known_truth.survival(slot, begun, idle)
    samples = resampling(rows["contract_id"].to_numpy(), p.draws, p.seed)
    errors = [
        (name, *samples.mean(np.abs(one.access_probability(rows, horizon) - right)))
        for name, one in fitted.items()
    ]
    frame = pl.DataFrame(errors, schema=["model", "error", "low", "high"], orient="row")
    return Truth(trace, frame.sort("error", maintain_order=True))


def truth_numbers(errors: pl.DataFrame) -> dict[str, Any]:
    """Return the closest model, and its error beside that of the curve."""
    closest, curve = errors.row(0, named=True), errors.row(by_predicate=pl.col("model") == CURVE, named=True)
    return {
        "closest": closest["model"],
        **{
            f"{key}_error": Estimate(row["error"], row["low"], row["high"])
            for key, row in (("closest", closest), ("curve", curve))
        },
    }


# The published calibration.


@dataclass(frozen=True)
class PublishedCalibration:
    """The published pipeline's calibration: the trace it is run on, and its numbers by name."""

    trace: Trace
    numbers: Mapping[str, Any]


def published_calibration(p: Survival) -> PublishedCalibration:
    """Run the published calibration step by step, with tied forecasts pooled and in their worst order.

    Without its authors' trace the method is shown on the sample, where creations are known too.
    """
    own = p.peer != datasets.SAMPLE
    trace = datasets.load_trace(p.peer) if own else synthetic.generate(synthetic.SAMPLE)[0]
    stop = trace.capability.window_stop
    rows = peer.rows(trace, (stop // 5 if own else trace.capability.window_start, stop))
    held = peer.labelled(peer.fit(rows), rows)
    slot = held["slot_id"].to_numpy()
    if own:
        names = [peer.name_of(*key) for key in trace.slots.select("address", "slot").iter_rows()]
        fits = np.array([peer.fnv1a(name) % 2 == 0 for name in names])[slot]
    else:
        fits = slot % 2 == 0
    p_raw, accessed = held["p"].to_numpy(), held["accessed"].to_numpy().astype(float)
    worst = np.lexsort((accessed[fits], p_raw[fits]))
    versions = {
        "peer_raw": p_raw,
        "peer_pooled": calibration.fit_isotonic(p_raw[fits], accessed[fits]).predict(p_raw),
        "peer_worst": peer.unpooled_isotonic(p_raw[fits], accessed[fits], worst).predict(p_raw),
    }
    numbers: dict[str, Any] = {
        name: float(scores.brier(one, accessed).mean()) for name, one in versions.items()
    }
    numbers["peer_tied"] = int(np.unique(p_raw[fits], return_counts=True)[1].max())
    numbers["peer_fit_rows"] = int(fits.sum())
    return PublishedCalibration(trace, numbers)
