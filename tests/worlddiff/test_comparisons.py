"""Comparisons are counted, deterministic, and within the bounds of a merge sort."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rollstate.worlddiff.comparisons import sort_comparisons


@given(st.lists(st.integers(0, 50), min_size=1))
def test_counts_lie_between_one_pass_and_a_merge_sort(keys):
    n = len(keys)
    assert n - 1 <= sort_comparisons(keys) <= n * math.ceil(math.log2(n + 1)) + n
    assert sort_comparisons(keys) == sort_comparisons(list(keys))


def test_sorting_more_takes_more_and_a_sorted_list_the_least():
    shuffled = [(i * 7_919) % 1_009 for i in range(1_009)]
    assert sort_comparisons(sorted(shuffled)) == 1_008
    assert sort_comparisons(shuffled) > 5 * 1_008
    assert sort_comparisons(shuffled + shuffled) > sort_comparisons(shuffled)
