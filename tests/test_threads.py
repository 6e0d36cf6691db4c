"""Many small steps run on one thread, of libraries that the function loads itself too; large ones side by side."""

import subprocess
import sys
import time

import pytest

from rollstate.threads import AT_ONCE, side_by_side

PROGRAM = """
from threadpoolctl import threadpool_info
from rollstate.threads import one_thread

@one_thread("sklearn.ensemble")
def inside():
    import sklearn.ensemble
    return [pool["num_threads"] for pool in threadpool_info()]

during = inside()
assert {pool["user_api"] for pool in threadpool_info()} == {"blas", "openmp"}
assert set(during) == {1}, during
assert max(pool["num_threads"] for pool in threadpool_info()) == 2
"""


def test_all_pools_have_one_thread_within_and_as_many_as_before_after():
    """In a fresh process: here sklearn may be loaded already."""
    environment = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env={"PYTHONPATH": ":".join(sys.path), **environment}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_results_come_in_order_and_few_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    def slow_at_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number, len(taken)

    found = list(side_by_side(slow_at_first, items()))
    assert [number for number, _ in found] == list(range(50))
    assert all(seen <= number + 2 * AT_ONCE + 1 for number, seen in found)


def test_an_error_ends_the_rest():
    done = []

    def fails(number):
        if number == 3:
            raise ValueError("the third")
        done.append(number)
        return number

    with pytest.raises(ValueError, match="the third"):
        list(side_by_side(fails, range(1000)))
    assert len(done) < 3 + 3 * AT_ONCE
