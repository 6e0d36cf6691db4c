"""Results of the chapter ``survival``."""

from __future__ import annotations

from typing import Any

from rollstate.compendium.declared import Results, gate, result

_CONTRACTS = "95 % bootstrap over contracts"
_AS_OF = "tests/survival/test_landmarks.py::test_what_was_known_does_not_depend_on_what_followed"
_LANDMARK = "tests/survival/test_landmarks.py::test_one_row_per_slot_with_the_answer_of_the_accesses"
_SIZE = "tests/survival/test_proportionality.py::test_only_the_robust_test_keeps_its_size_when_spells_repeat"
_FEW = "tests/survival/test_proportionality.py::test_clusters_are_contracts_where_these_suffice_else_slots_else_none"
_SCORES = "tests/survival/test_scores.py::test_scores_are_those_of_scikit_learn"
_PAIRED = (
    "tests/survival/test_scores.py::test_differences_of_a_model_to_itself_are_none_and_a_better_one_is_better"
)
_COVARIATES = (
    "tests/survival/test_forecasts.py::test_covariates_that_act_bring_every_model_closer_to_the_truth"
)
_FORECASTS = (
    "tests/survival/test_forecasts.py::test_every_forecast_is_a_probability_that_grows_with_the_horizon"
)
_RECENT = "tests/survival/test_forecasts.py::test_a_landmark_model_uses_what_was_known"
_RANGE = "tests/chapters/survival/test_study.py::test_slots_outside_the_training_range_are_scored_apart"
_ISOTONIC = "tests/survival/test_scores.py::test_isotonic_pools_ties_and_is_that_of_scikit_learn"
_COVER = "tests/survival/test_conformal.py::test_bounds_cover_however_wrong_the_model_is"
_BOUND = "tests/survival/test_conformal.py::test_a_bound_is_the_first_block_that_reaches_the_quantile"
_RISK = "tests/survival/test_conformal.py::test_the_miss_rate_is_controlled_in_expectation"
_ALL_TIMES = "tests/survival/test_conformal.py::test_simultaneous_bounds_hold_at_all_idle_times_at_once"
_TRUTH = (
    "tests/survival/test_forecasts.py::test_frailty_leaves_little_for_covariates_once_the_idle_time_is_known"
)
_KINDS = "tests/traces/test_kinds.py::test_kinds_by_code_and_name"
_LABELLED = "tests/chapters/survival/test_kinds.py::test_shares_and_agreement_are_counted"
_GAIN = "tests/chapters/survival/test_kinds.py::test_a_label_that_decides_the_gap_is_a_gain_and_one_at_random_is_none"
_PEER = "tests/survival/test_peer.py::test_isotonic_helps_once_ties_are_pooled"


def _brier(meaning: str, guard: str = _SCORES, **options: Any) -> Any:
    return result(meaning, fmt=".4f", interval=_CONTRACTS, guard=guard, **options)


class SurvivalResults(Results):
    """How well the next access of a slot can be forecast, and what bounds hold without a model."""

    _without_trace = ("closest", "curve_error", "peer_")

    spells: int = result("spells that models are fitted on", fmt=",", guard=_AS_OF)
    horizon: int = result("parameter: horizon of the forecasts", unit="blocks", guard=_LANDMARK)
    judge_block: int = result("block at which forecasts are judged", fmt="d", guard=_LANDMARK)
    judged: int = result("slots that forecasts are judged on", fmt=",", guard=_LANDMARK)
    accessed: float = result(
        "share of the judged slots accessed within the horizon", fmt=".1%", guard=_LANDMARK
    )
    strata: str = result(
        "strata of curves and Cox model, in a sentence",
        guard="tests/chapters/survival/test_study.py::test_strata_that_the_trace_does_not_carry_are_pooled",
    )

    ph_p: float = result(
        "p-value of proportional hazards, all covariates",
        fmt=".2g",
        guard=_SIZE,
    )
    ph_clusters: str = result("clusters of the test of proportional hazards", guard=_FEW)
    ph_verdict: str = result("verdict of the test of proportional hazards", guard=_SIZE)

    brier_km: float = _brier(
        "Brier score of the reference, idle time alone, on the judged slots",
        gate=gate(0.0911, 0.0001, "a curve and exact answers, rounded here"),
    )
    brier_best: float = _brier(
        "Brier score on the judged slots of the model picked beforehand",
        gate=gate(0.0845, 0.0005, "a maximum likelihood fit: the optimiser's last digits"),
    )
    brier_recent: float = _brier("Brier score of the landmark model on the judged slots", _RECENT)
    best: str = result(
        "model on covariates of the last access with the lowest Brier score on the landmark before",
        guard=_COVARIATES,
    )
    models: int = result("models with covariates, the landmark model included", guard=_FORECASTS)
    not_better: int = result(
        "models with covariates that gain nothing clear over idle time alone, bootstrap over contracts",
        guard=_PAIRED,
    )
    best_difference: float = _brier("Brier score of the picked model less that of idle time alone", _PAIRED)
    best_verdict: str = result(
        "verdict of the paired difference of the picked model to idle time alone",
        guard=_PAIRED,
        gate=gate("no difference that the data can tell", 0, "a verdict has no tolerance"),
    )
    recent_difference: float = _brier(
        "Brier score of the landmark model less that of idle time alone", _RECENT
    )
    recent_verdict: str = result(
        "verdict of the paired difference of the landmark model to idle time alone", guard=_RECENT
    )

    outside: float = result(
        "share of the judged slots whose answer needs extrapolation beyond the gaps of the training blocks",
        fmt=".0%",
        guard=_RANGE,
    )
    brier_km_inside: float = _brier("Brier score of idle time alone, slots inside the training range", _RANGE)
    brier_best_inside: float = _brier(
        "Brier score of the picked model, slots inside the training range", _RANGE
    )
    verdict_inside: str = result(
        "verdict of the paired difference of the picked model to idle time alone, inside the training range",
        guard=_RANGE,
    )
    brier_km_outside: float = _brier("Brier score of idle time alone, slots that need extrapolation", _RANGE)
    brier_best_outside: float = _brier(
        "Brier score of the picked model, slots that need extrapolation", _RANGE
    )
    verdict_outside: str = result(
        "verdict of the paired difference of the picked model to idle time alone where extrapolation is needed",
        guard=_RANGE,
    )

    calibrators: int = result("ways of calibrating that were tried", guard=_ISOTONIC)
    calibration_gain: float = _brier(
        "change of the picked model's Brier score by the best way of calibrating", _PAIRED
    )
    calibration_verdict: str = result("whether calibration helps on later blocks", guard=_ISOTONIC)

    nominal: float = result("parameter: nominal coverage of the bounds", fmt=".0%", guard=_COVER)
    coverage: float = result(
        "share of waits on later blocks that are at least their bound",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_COVER,
        gate=gate(0.98, 0.01, "half the width of its interval over contracts"),
    )
    bound: float = result("median lower bound on the wait", unit="blocks", fmt=".0f", guard=_BOUND)
    missed: float = result(
        "share of slots demoted by the controlled threshold and then accessed",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_RISK,
    )
    missed_nominal: float = result(
        "parameter: share of slots that may be demoted and then accessed", fmt=".0%", guard=_RISK
    )
    demoted: float = result("share of slots that the controlled threshold demotes", fmt=".0%", guard=_RISK)
    coverage_simultaneous: float = result(
        "share of held-out spells whose bounds hold at all idle times of a grid at once",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_ALL_TIMES,
    )

    kinds_labelled: float = result(
        "share of the accesses whose contract has a known kind", fmt=".0%", guard=_LABELLED
    )
    kinds_by_code: float = result(
        "share of the accesses whose contract's code is at hand", fmt=".0%", guard=_LABELLED
    )
    kinds_contracts: float = result(
        "share of the contracts that have a known kind", fmt=".0%", guard=_LABELLED
    )
    kinds_compared: int = result("contracts with code and a kind given by hand", guard=_LABELLED)
    kinds_proxies: int = result(
        "contracts with code and a public kind that are proxies, whose code does not tell their kind",
        guard=_KINDS,
    )
    kinds_agree: int = result("of the others, contracts on which code and hand agree", guard=_LABELLED)
    kinds_brier_class: float = _brier(
        "Brier score on the judged slots of a curve for each class of activity", _GAIN
    )
    kinds_brier_kind: float = _brier(
        "Brier score of a curve for each class of activity and kind of contract", _GAIN
    )
    kinds_difference: float = result(
        "Brier score with the kind of contract less that without", fmt=".5f", interval=_CONTRACTS, guard=_GAIN
    )
    kinds_verdict: str = result("verdict of that paired difference", guard=_GAIN)

    closest: str = result("model closest to the true probabilities of the synthetic trace", guard=_TRUTH)
    closest_error: float = result(
        "mean absolute error of forecast of the model closest to the true probabilities",
        fmt=".3f",
        interval=_CONTRACTS,
        guard=_TRUTH,
    )
    curve_error: float = result(
        "mean absolute error of forecast of idle time alone on the synthetic trace",
        fmt=".3f",
        interval=_CONTRACTS,
        guard=_TRUTH,
    )

    peer_raw: float = result(
        "Brier score of the published model as fitted",
        fmt=".4f",
        guard=_PEER,
        gate=gate(0.1706, 0.00005, "a published score, given to four decimals"),
    )
    peer_pooled: float = result(
        "Brier score with isotonic calibration, ties pooled",
        fmt=".4f",
        guard=_PEER,
        gate=gate(0.1630, 0.00005, "a recorded score, given to four decimals"),
    )
    peer_worst: float = result(
        "Brier score with isotonic calibration in the worst order of ties", fmt=".4f", guard=_PEER
    )
    peer_tied: int = result("calibration rows that share one forecast", fmt=",", guard=_PEER)
    peer_fit_rows: int = result("calibration rows", fmt=",", guard=_PEER)
