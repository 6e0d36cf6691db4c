"""Many small steps run on one thread, of libraries that the function loads itself too."""

import subprocess
import sys

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
