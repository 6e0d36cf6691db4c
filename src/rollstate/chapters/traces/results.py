"""Results of the chapter ``traces``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, gate, result

_CONTRACTS = "95 % percentile bootstrap over contracts, {draws} draws"
_BLOCKS = "95 % percentile bootstrap over blocks, {draws} draws"
_STAMP = "tests/traces/test_store.py::test_a_stamp_names_its_chain"
_EVENTS = "tests/test_coverage.py::test_published_counts_follow_from_the_event_rule"
_ADD_UP = "tests/test_coverage.py::test_counts_by_block_add_up_to_the_visits"
_CLASSES = "tests/test_coverage.py::test_write_share_is_the_ratio_of_sums_in_each_class"
_WHOLE = (
    "tests/test_coverage.py::test_intervals_that_resample_whole_contracts_cover_the_truth_and_others_do_not"
)
_UNSEEN = "tests/test_coverage.py::test_unseen_share_predicts_the_next_block_where_blocks_are_exchangeable"
_LATE = "tests/chapters/traces/test_study.py::test_late_discoveries_are_counted_by_hand"
_COUNT = "a count: exact for its data"
_EXACT = "a function of exact counts, rounded here"


class TracesResults(Results):
    """What the window holds, how concentrated it is, and how much of the state in use it has not shown."""

    chain: str = result("chain of the trace", guard=_STAMP)
    blocks: int = result("blocks of the window", fmt=",", guard=_ADD_UP)
    events: int = result("accesses: pairs of a block and a slot that it touches", fmt=",", guard=_EVENTS)
    slots: int = result("distinct slots touched", fmt=",", guard=_EVENTS, gate=gate(33_645, 0, _COUNT))
    contracts: int = result("contracts whose storage is touched", fmt=",", guard=_ADD_UP)
    written: int = result("accesses that write", fmt=",", guard=_EVENTS)
    read_only: int = result("accesses that only read", fmt=",", guard=_EVENTS)
    writes: int = result(
        "writes, one per transaction and slot", fmt=",", guard=_EVENTS, gate=gate(25_303, 0, _COUNT)
    )
    read_share: float = result("share of accesses that only read", fmt=".1%", guard=_EVENTS)
    once: float = result("share of slots touched in one block only", fmt=".1%", guard=_EVENTS)
    write_share_once: float = result(
        "share of accesses that write, slots touched in one block",
        fmt=".0%",
        interval=_CONTRACTS,
        guard=_CLASSES,
    )
    write_share_again: float = result(
        "share of accesses that write, slots touched in two blocks or more",
        fmt=".0%",
        interval=_CONTRACTS,
        guard=_CLASSES,
    )
    write_share_verdict: str = result(
        "whether the intervals of the two shares of accesses that write overlap", guard=_CLASSES
    )
    top_slots: float = result(
        "share of accesses on the busiest 1 % of slots", fmt=".1%", interval=_CONTRACTS, guard=_WHOLE
    )
    gini_slots: float = result(
        "Gini index of accesses over touched slots",
        fmt=".2f",
        interval=_CONTRACTS,
        guard=_WHOLE,
        gate=gate(0.3815, 0.0001, _EXACT),
    )
    top_contracts: float = result(
        "share of accesses on the busiest 1 % of contracts",
        fmt=".1%",
        interval=_CONTRACTS,
        guard=_WHOLE,
        gate=gate(0.361, 0.0005, _EXACT),
    )
    gini_contracts: float = result(
        "Gini index of accesses over touched contracts", fmt=".2f", interval=_CONTRACTS, guard=_WHOLE
    )
    unseen: float = result(
        "estimated share of a further block's accesses on slots never seen in the window",
        fmt=".1%",
        interval=_BLOCKS,
        guard=_UNSEEN,
    )
    unseen_late: float = result(
        "share of the accesses in the last fifth of the blocks that are the first sighting of a slot",
        fmt=".1%",
        guard=_LATE,
    )
