"""Results of the chapter ``observability``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, result

_RANGE = "range over {replicates} chains"
_EXACT = "tests/traces/test_live.py::test_prestate_invents_nothing_and_misses_only_loads_of_contracts_being_created"
_LAYOUTS = "tests/traces/test_live.py::test_known_layouts_name_slots_that_were_stored"
_BY_HAND = "tests/test_observability.py::test_answers_of_one_slot_are_those_counted_by_hand"
_REAL = "tests/chapters/observability/test_study.py::test_sides_of_a_difference_are_counted_by_hand"


class ObservabilityResults(Results):
    """What each view of a chain shows, and how far numbers computed from it are off."""

    prestate_touches: float = result(
        "model: recall of touches, both modes of the prestate tracer, simulated chains",
        fmt=".1%",
        interval=_RANGE,
        guard=_EXACT,
    )
    diff_touches: float = result(
        "model: recall of touches, difference mode alone, simulated chains",
        fmt=".0%",
        interval=_RANGE,
        guard=_EXACT,
    )
    logs_touches: float = result(
        "model: recall of touches, transfer logs, simulated chains",
        fmt=".0%",
        interval=_RANGE,
        guard=_LAYOUTS,
    )
    logs_slots: float = result(
        "model: recall of slots, transfer logs, simulated chains", fmt=".0%", interval=_RANGE, guard=_LAYOUTS
    )
    logs_false: float = result(
        "model: share of the writes implied by logs that change nothing, simulated chains",
        fmt=".1%",
        interval=_RANGE,
        guard=_LAYOUTS,
    )
    prestate_vain: float = result(
        "model: share of stores that both modes show as writes, simulated chains",
        fmt=".0%",
        interval=_RANGE,
        guard=_EXACT,
    )
    logs_tail: float = result(
        "model: tail index from transfer logs over the true one, simulated chains",
        fmt=".2f",
        interval=_RANGE,
        guard=_BY_HAND,
    )
    logs_reuse: float = result(
        "model: reuse within {horizon} blocks from transfer logs over the true one, simulated chains",
        fmt=".2f",
        interval=_RANGE,
        guard=_BY_HAND,
    )
    logs_memory: float = result(
        "model: memory ratio from transfer logs over the true one, simulated chains",
        fmt=".2f",
        interval=_RANGE,
        guard=_BY_HAND,
    )
    logs_cost: float = result(
        "model: total cost from transfer logs over the true one, simulated chains",
        fmt=".2f",
        interval=_RANGE,
        guard=_BY_HAND,
    )
    diff_cost: float = result(
        "model: total cost from the difference mode alone over the true one, simulated chains",
        fmt=".2f",
        interval=_RANGE,
        guard=_BY_HAND,
    )
    prestate_cost: float = result(
        "model: total cost from both modes over the true one, simulated chains",
        fmt=".3f",
        interval=_RANGE,
        guard=_BY_HAND,
    )
    real_touches: int = result("touches of a slot by a transaction in the recorded blocks", guard=_REAL)
    real_missed: float = result(
        "share of the recorded touches that the difference mode alone lacks: the reads",
        fmt=".0%",
        guard=_REAL,
    )
    real_slots_missed: float = result(
        "share of the recorded slots that the difference mode alone lacks", fmt=".0%", guard=_REAL
    )
    real_created: float = result(
        "share of changes that begin at zero and are absent from the side `pre`", fmt=".0%", guard=_REAL
    )
    real_cleared: float = result(
        "share of changes that end at zero and are absent from the side `post`", fmt=".0%", guard=_REAL
    )
