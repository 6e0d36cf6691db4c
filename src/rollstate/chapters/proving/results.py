"""Results of the chapter ``proving``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_FORM = "tests/proving/test_closed_form.py::"
_TIME = "tests/proving/test_service_times.py::"
_CRASH = "tests/proving/test_crashes.py::"
_PATHS = "95 % over {replications} independent replications"
_BOOT = "95 % bootstrap over blocks"
_COVER = "tests/proving/test_replications.py::test_intervals_cover"
_PLAN = "tests/proving/test_planner.py::"
_LIFE = "tests/proving/test_life_cycle.py::"
_EXACT = "a closed form, up to rounding"
_BLOCKS = "95 %, Clopper and Pearson"


class ProvingResults(Results):
    """Delay, throughput and cost of a proving pipeline."""

    toy_one: float = result(
        "model: rate of the car factory with one car in the line",
        unit="cars/h",
        fmt=".3f",
        guard=_FORM + "test_factory_law_gives_both_documents_numbers",
    )
    toy_many: float = result(
        "model: rate of the car factory with enough cars in the line",
        unit="cars/h",
        fmt=".3f",
        guard=_FORM + "test_factory_law_gives_both_documents_numbers",
    )
    delay_single: float = result(
        "model: delay of a single batch, regular times",
        unit="s",
        fmt=".0f",
        guard=_FORM + "test_single_batch",
        gate=gate(145.0, 1e-9, _EXACT),
    )
    growth: float = result(
        "model: by how much each batch waits longer than the one before with one prover",
        unit="s",
        fmt=".0f",
        guard=_FORM + "test_backlog_of_one_prover",
        gate=gate(110.0, 1e-9, _EXACT),
    )
    knee: int = result(
        "model: fewest provers that keep up with regular times", guard=_FORM + "test_straight_aggregation"
    )
    min_provers: int = result(
        "model: fewest provers with a load strictly below one",
        guard=_FORM + "test_fewest_provers_are_strictly_enough",
        gate=gate(13, 0, "an integer from a closed form"),
    )
    delay_tied: float = result(
        "model: delay with as many proofs per aggregate as provers, regular times",
        unit="s",
        fmt=".0f",
        guard=_FORM + "test_straight_aggregation",
        gate=gate(267.0, 1e-9, _EXACT),
    )
    delay_apart: float = result(
        "model: delay with groups of two and as many provers, regular times",
        unit="s",
        fmt=".0f",
        guard=_FORM + "test_provers_and_group_apart",
        gate=gate(167.0, 1e-9, _EXACT),
    )
    delay_virtual: float = result(
        "model: delay to the virtual state",
        unit="s",
        fmt=".0f",
        guard=_FORM + "test_virtual_state_is_earlier_by_proving_and_aggregation",
    )
    gained: float = result(
        "model: by how much the virtual state is earlier, for every group",
        unit="s",
        fmt=".0f",
        guard=_FORM + "test_virtual_state_is_earlier_by_proving_and_aggregation",
    )
    throughput_single: float = result(
        "model: throughput of one prover", unit="batches/h", fmt=".0f", guard=_FORM + "test_single_batch"
    )
    throughput_most: float = result(
        "model: throughput with enough provers",
        unit="batches/h",
        fmt=".0f",
        guard=_FORM + "test_provers_and_group_apart",
    )
    throughput: float = result(
        "model: throughput of the example",
        unit="batches/h",
        fmt=".0f",
        interval=_PATHS,
        guard="tests/proving/test_replications.py::test_throughput_of_a_stable_pipeline_is_what_arrives",
    )
    slot: float = result(
        "parameter: time between L1 blocks",
        unit="s",
        fmt=".0f",
        guard=_TIME + "test_fixed_times_need_the_ceiling",
    )
    max_wait: float = result(
        "parameter: wait for a prover that 99 % of the blocks must not exceed",
        unit="s",
        fmt=".1f",
        guard=_TIME + "test_fixed_times_need_the_ceiling",
    )
    tx_rate: float = result(
        "parameter: arrival rate of transactions",
        unit="tx/s",
        fmt=".0f",
        guard="tests/proving/test_simulation.py::test_timer_batches_have_the_stated_size_and_wait",
    )
    example_provers: int = result(
        "model: provers of the example, one more than the fewest that are stable",
        guard=_FORM + "test_fewest_provers_are_strictly_enough",
    )
    wait_at_min: float = result(
        "model: mean wait with the fewest provers that are stable, Poisson arrivals, fixed proving time",
        unit="s",
        fmt=".0f",
        interval=_PATHS,
        guard="tests/proving/test_simulation.py::test_constant_service_agrees_with_cosmetatos",
        gate=gate(43.5, 1.5, "half of its interval, and Cosmetatos' value within it"),
    )
    run: str = result(
        "measured run that stands for real-time proving", guard=_TIME + "test_reference_numbers_of_zisk"
    )
    slope: float = result(
        "proving time per million gas",
        unit="s",
        fmt=".3f",
        interval="95 %, Newey and West",
        guard=_TIME + "test_fit_finds_the_line_and_its_error",
        gate=gate(0.558, 0.017, "half of its interval"),
    )
    r2: float = result(
        "share of the variance of proving time that gas explains",
        fmt=".0%",
        guard=_TIME + "test_fit_finds_the_line_and_its_error",
    )
    r2_crash_gas: float = result(
        "share of the variance of proving time that gas explains, run with most crashes",
        fmt=".0%",
        guard=_TIME + "test_fit_finds_the_line_and_its_error",
    )
    r2_crash_cycles: float = result(
        "share of the variance of proving time that cycles explain, run with most crashes",
        fmt=".0%",
        guard=_TIME + "test_fit_finds_the_line_and_its_error",
    )
    sd_gas: float = result(
        "residual standard deviation of proving time given gas, run with most crashes",
        unit="s",
        fmt=".1f",
        guard=_TIME + "test_fit_finds_the_line_and_its_error",
    )
    sd_cycles: float = result(
        "residual standard deviation of proving time given cycles, run with most crashes",
        unit="s",
        fmt=".1f",
        guard=_TIME + "test_fit_finds_the_line_and_its_error",
    )
    coverage_gas: float = result(
        "share of later blocks inside the 95 % band from gas, all runs",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_TIME + "test_bands_cover_in_every_decile",
    )
    coverage_cycles: float = result(
        "share of later blocks inside the 95 % band from cycles, all runs",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_TIME + "test_bands_cover_in_every_decile",
    )
    coverage_gas_top: float = result(
        "share of later blocks inside the 95 % band from gas, top decile of gas, all runs",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_TIME + "test_bands_cover_in_every_decile",
    )
    coverage_cycles_top: float = result(
        "share of later blocks inside the 95 % band from cycles, top decile of cycles, all runs",
        fmt=".0%",
        interval=_BLOCKS,
        guard=_TIME + "test_bands_cover_in_every_decile",
    )
    scv: float = result(
        "squared coefficient of variation of proving times", fmt=".3f", guard=_FORM + "test_resequencing"
    )
    tail: float = result(
        "99th percentile of proving times over their mean", fmt=".1f", guard=_FORM + "test_resequencing"
    )
    resequencing: float = result(
        "by how much the slowest of four proofs takes longer than one proof on average, as a share",
        fmt=".0%",
        guard=_FORM + "test_resequencing",
    )
    within_slot: float = result(
        "share of blocks proved within one slot",
        fmt=".0%",
        interval=_BOOT,
        guard="tests/chapters/proving/test_study.py::test_every_run_has_a_row",
    )
    provers_needed: int = result(
        "provers that keep up with one block per slot",
        interval=_BOOT,
        guard=_TIME + "test_fixed_times_need_the_ceiling",
    )
    provers_confidence: float = result(
        "share of bootstrap samples that need no more provers",
        fmt=".0%",
        guard=_TIME + "test_confidence_varies_with_the_sample_and_with_nothing_else",
    )
    crash_run: str = result("run with most crashes", guard=_CRASH + "test_share_of_crashes")
    crashes: int = result(
        "crashed proofs of the run with most crashes", guard=_CRASH + "test_share_of_crashes"
    )
    crash_blocks: int = result("blocks of the run with most crashes", guard=_CRASH + "test_share_of_crashes")
    crash_share: float = result(
        "share of proofs that crashed, run with most crashes",
        fmt=".1%",
        interval=_BLOCKS,
        guard=_CRASH + "test_share_of_crashes",
    )
    crash_share_run: float = result(
        "share of proofs that crashed, run that stands for real-time proving",
        fmt=".1%",
        interval=_BLOCKS,
        guard=_CRASH + "test_share_of_crashes",
    )
    crash_odds: float = result(
        "odds ratio of a crash per million gas",
        fmt=".2f",
        interval="95 % Wald",
        guard=_CRASH + "test_effect_is_one_where_gas_has_none",
    )
    crash_bias: float = result(
        "weighted mean proving time less the mean of finished runs",
        unit="s",
        fmt=".1f",
        interval=_BOOT,
        guard=_TIME + "test_both_corrections_undo_informative_crashes",
    )
    crash_exponent: float = result(
        "power of the cycles in the hazard of a crash; one is memoryless",
        fmt=".2f",
        interval="95 % Wald",
        guard=_CRASH + "test_memoryless_crashes_are_not_rejected_and_others_are",
    )
    crash_memoryless_p: float = result(
        "p-value of the test that crashes are memoryless in cycles",
        fmt=".2f",
        guard=_CRASH + "test_memoryless_crashes_are_not_rejected_and_others_are",
    )
    crash_common: int = result(
        "blocks that crash in both runs with most crashes",
        guard=_CRASH + "test_overlap_tells_chance_from_blocks",
    )
    crash_common_p: float = result(
        "p-value of the test for more common crashes than chance gives",
        fmt=".2f",
        guard=_CRASH + "test_overlap_tells_chance_from_blocks",
    )
    brier_gain: float = result(
        "Brier score of a constant forecast of crashes less that of a forecast from cycles, later blocks",
        fmt=".4f",
        interval=_BOOT,
        guard=_CRASH + "test_size_helps_only_where_it_says_something",
    )
    mean_left_out: float = result(
        "mean proving time of the run with most crashes, crashes left out",
        unit="s",
        fmt=".0f",
        interval=_BOOT,
        guard=_TIME + "test_both_corrections_undo_informative_crashes",
    )
    mean_weighted: float = result(
        "mean proving time of the run with most crashes, crashes weighted",
        unit="s",
        fmt=".0f",
        interval=_BOOT,
        guard=_TIME + "test_both_corrections_undo_informative_crashes",
    )
    mean_filled_in: float = result(
        "mean proving time of the run with most crashes, crashes filled in",
        unit="s",
        fmt=".0f",
        interval=_BOOT,
        guard=_TIME + "test_both_corrections_undo_informative_crashes",
    )
    virtual_mean: float = result(
        "model: mean delay to the virtual state", unit="s", fmt=".0f", interval=_PATHS, guard=_COVER
    )
    final_mean: float = result(
        "model: mean delay to finality", unit="s", fmt=".0f", interval=_PATHS, guard=_COVER
    )
    final_p99: float = result(
        "model: 99th percentile of the delay to finality",
        unit="s",
        fmt=".0f",
        interval=_PATHS,
        guard=_COVER,
    )
    p99_no_failure: float = result(
        "model: 99th percentile of the delay to finality if no proof fails",
        unit="s",
        fmt=".0f",
        interval=_PATHS,
        guard=_COVER,
    )
    p99_more_provers: float = result(
        "model: 99th percentile of the delay to finality with four more provers",
        unit="s",
        fmt=".0f",
        interval=_PATHS,
        guard=_COVER,
    )
    best_group_random: int = result(
        "model: proofs per aggregate with the least mean delay, random times",
        guard="tests/chapters/proving/test_study.py::test_smallest_group_is_not_the_best_with_random_times",
    )
    group_two_excess: float = result(
        "model: mean delay of the smallest stable group less that of the best, paired",
        unit="s",
        fmt=".1f",
        interval=_PATHS,
        guard="tests/chapters/proving/test_study.py::test_smallest_group_is_not_the_best_with_random_times",
    )
    points: int = result(
        "model: designs of the frontier of delay and cost that keep up",
        guard="tests/proving/test_frontier.py::test_points_that_cannot_keep_up_are_left_out",
    )
    best_group: float = result(
        "model: batches per aggregate with the least cost of verification and waiting",
        fmt=".0f",
        guard=_FORM + "test_optimal_aggregation_is_the_minimum",
    )
    plan_live_gpus: int = result(
        "model: GPUs of the cheapest plan that proves every block at some time",
        guard=_PLAN + "test_optimum_is_that_of_brute_force",
    )
    plan_live_usd: float = result(
        "model: cost per block of the cheapest plan that proves every block at some time",
        unit="$",
        fmt=".3f",
        guard=_PLAN + "test_optimum_is_that_of_brute_force",
    )
    plan_gpus: int = result(
        "model: GPUs of the cheapest plan of the class performance",
        guard=_PLAN + "test_optimum_is_that_of_brute_force",
    )
    plan_usd: float = result(
        "model: cost per block of the cheapest plan of the class performance",
        unit="$",
        fmt=".3f",
        guard=_PLAN + "test_optimum_is_that_of_brute_force",
    )
    plan_kw: float = result(
        "model: power at full load of the cheapest plan of the class performance",
        unit="kW",
        fmt=".1f",
        guard=_PLAN + "test_optimum_is_that_of_brute_force",
    )
    plan_within: float = result(
        "model: share of blocks that the cheapest plan of the class performance proves in time",
        fmt=".0%",
        guard=_PLAN + "test_optimum_is_that_of_brute_force",
    )
    plan_real_time: bool = result(
        "model: whether a plan of at most 64 teams proves 99 % of blocks in time",
        guard=_PLAN + "test_target_out_of_reach_is_a_row",
    )
    worst_provers: int = result(
        "model: provers that keep up with nothing but worst-case blocks",
        guard=_PLAN + "test_worst_blocks_need_more_teams",
    )
    worst_time: float = result(
        "model: time to prove a worst-case block",
        unit="s",
        fmt=".0f",
        guard=_PLAN + "test_worst_blocks_need_more_teams",
    )
    serial: float = result(
        "parameter: share of a proof that more GPUs do not shorten, an assumption of the plan",
        fmt=".0%",
        guard=_PLAN + "test_more_gpus_shorten_what_divides",
    )
    serial_most: float = result(
        "model: largest share of a proof that more GPUs do not shorten at which a plan reaches the class performance",
        fmt=".0%",
        guard="tests/chapters/proving/test_study.py::test_plans_by_growth_and_assumption",
    )
    gas_growth_most: float = result(
        "parameter: largest growth of gas tried",
        fmt=".1f",
        guard=_PLAN + "test_retries_hedging_and_growth_do_what_they_say",
    )
    growth_gpus: int = result(
        "model: GPUs that prove every block at some time at the largest growth of gas tried",
        guard="tests/chapters/proving/test_study.py::test_plans_by_growth_and_assumption",
    )
    auction_teams: int = result(
        "model: teams of the prover with the least price in a reverse auction",
        guard=_PLAN + "test_least_price_is_cost_and_expected_loss",
    )
    auction_usd: float = result(
        "model: least price for a block in a reverse auction",
        unit="$",
        fmt=".3f",
        guard=_PLAN + "test_least_price_is_cost_and_expected_loss",
    )
    auction_miss: float = result(
        "model: share of blocks that the prover with the least price delivers late",
        fmt=".1%",
        guard=_PLAN + "test_least_price_is_cost_and_expected_loss",
    )
    life_batches: int = result(
        "recorded batches with a verified proof", fmt=",", guard=_LIFE + "test_table_is_read"
    )
    life_open: int = result(
        "recorded batches without a verified proof, left out", fmt=",", guard=_LIFE + "test_table_is_read"
    )
    ks_proven: float = result(
        "Kolmogorov-Smirnov distance of the example's delays to finality from recorded ones",
        fmt=".2f",
        guard=_LIFE + "test_fitted_pipeline_is_nearer_than_another",
    )
    ks_proven_fitted: float = result(
        "Kolmogorov-Smirnov distance of the delays of the pipeline fitted on earlier batches from recorded ones",
        fmt=".2f",
        guard=_LIFE + "test_fitted_pipeline_is_nearer_than_another",
    )
