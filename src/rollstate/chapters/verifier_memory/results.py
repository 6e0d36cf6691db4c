"""Results of the chapter ``verifier_memory``."""

from __future__ import annotations

from rollstate.compendium.declared import Results, result
from rollstate.compendium.declared import gate as must_be

_VECTORS = "tests/worlddiff/test_world_diff.py::test_every_vector_of_the_original_is_met_in_every_field"
_FOUR_WAYS = "tests/worlddiff/test_streams.py::test_four_ways_of_bookkeeping_tell_the_same_field_by_field"
_MEASURED = "tests/worlddiff/test_layout.py::test_with_the_trace_on_the_error_is_below_two_per_cent"
_UP_TO = "tests/worlddiff/test_layout.py::test_up_to_fifty_thousand_slots_the_measured_bytes_are_met"
_PER_SLOT = "tests/worlddiff/test_layout.py::test_merging_maps_saves_bytes_only_per_slot"
_EXACT = (
    "tests/worlddiff/test_layout.py::"
    "test_reserving_is_exact_for_what_the_witness_knows_and_leaves_the_trace_alone"
)
_SIXTEEN = "tests/worlddiff/test_columnar.py::test_everything_held_takes_at_most_sixteen_bytes_per_access"
_PEAK = "tests/worlddiff/test_columnar.py::test_peak_bytes_are_those_of_the_layout"
_AUDIT = "tests/chapters/verifier_memory/test_study.py::test_the_audit_computes_what_it_says"
_SORT = "tests/worlddiff/test_comparisons.py::test_sorting_more_takes_more_and_a_sorted_list_the_least"
_ROUNDED = "a layout model, rounded here"


class VerifierMemoryResults(Results):
    """What bookkeeping of storage accesses holds, by version, and what of the published figures follows from it."""

    tried: int = result("streams made of the trace's blocks", fmt=",", guard=_VECTORS)
    equal: int = result(
        "streams for which the trace and the maps give the same set",
        fmt=",",
        guard=_FOUR_WAYS,
        gate=must_be(50, 0, "every stream must give the same set"),
    )
    before: float = result(
        "model: bytes held at the end of the published batch before the change",
        unit="MiB",
        fmt=".0f",
        guard=_MEASURED,
        gate=must_be(305.5, 0.1, _ROUNDED),
    )
    gate: float = result(
        "model: bytes saved by dropping the trace, at the end of the published batch",
        unit="MiB",
        fmt=".0f",
        guard=_UP_TO,
        gate=must_be(287.1, 0.1, _ROUNDED),
    )
    merging: float = result(
        "model: bytes that merging the maps saves once the trace is dropped",
        unit="MiB",
        fmt=".1f",
        guard=_PER_SLOT,
        gate=must_be(2.565, 0.001, _ROUNDED),
    )
    reserved: float = result(
        "model: bytes held without the trace, maps merged, with lists reserved exactly",
        unit="MiB",
        fmt=".2f",
        guard=_EXACT,
        gate=must_be(10.76, 0.01, _ROUNDED),
    )
    columns: float = result(
        "model: bytes that the columns hold with every access of the published batch",
        unit="MiB",
        fmt=".0f",
        guard=_PEAK,
    )
    measured_accesses: int = result(
        "accesses of the stream on which the columns were measured", fmt=",", guard=_SIXTEEN
    )
    bytes_per_access: float = result(
        "bytes of the columns' log and of what was written, per access, measured",
        unit="bytes",
        fmt=".1f",
        guard=_SIXTEEN,
    )
    held_per_access: float = result(
        "bytes of everything that the columns hold, per access, measured",
        unit="bytes",
        fmt=".1f",
        guard=_SIXTEEN,
        gate=must_be(11.4, 0.2, "tables that have grown to other sizes hold up to a quarter more"),
    )
    original_per_access: float = result(
        "model: bytes of everything that the original holds with its trace, per access",
        unit="bytes",
        fmt=".0f",
        guard=_MEASURED,
    )
    slots_needed: int = result(
        "model: distinct slots at which merging the maps would save 200 MiB", fmt=",", guard=_PER_SLOT
    )
    gate_over_merging: float = result(
        "model: saving of dropping the trace as a multiple of that of merging the maps, median over batches",
        fmt=",.0f",
        guard=_PER_SLOT,
    )
    comparisons: float = result(
        "comparisons of keys of the trace's sort as a multiple of those of the maps' sort, largest stream",
        fmt=".0f",
        guard=_SORT,
    )
    trace_length: float = result(
        "model: bytes of the entries of the published batch's trace", unit="MiB", fmt=".0f", guard=_AUDIT
    )
    coincidence: float = result(
        "model: bytes of the trace of the published batch if each cost and each refund were an entry of it",
        unit="MiB",
        fmt=".0f",
        guard=_AUDIT,
    )
