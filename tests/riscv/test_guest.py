"""The compiled transition does what its rules in Python say, and a false instruction anywhere in it is found."""

import random
import shutil
import subprocess

import pytest

from rollstate.errors import InputError
from rollstate.riscv import guest
from rollstate.riscv.guest import NATIVE, TOKEN, Transfer
from rollstate.riscv.interpreter import Machine

ACCOUNTS = [bytes([n]) * 20 for n in range(1, 7)]
LIMIT = 10_000_000
BALANCES = {(ACCOUNTS[0], NATIVE): 100, (ACCOUNTS[0], TOKEN): 50, (ACCOUNTS[1], TOKEN): 2**64 - 1}
TRANSFERS = [
    Transfer(NATIVE, ACCOUNTS[0], ACCOUNTS[2], 30),
    Transfer(TOKEN, ACCOUNTS[0], ACCOUNTS[3], 50),
    Transfer(TOKEN, ACCOUNTS[0], ACCOUNTS[3], 1),
    Transfer(NATIVE, ACCOUNTS[5], ACCOUNTS[0], 0),
    Transfer(NATIVE, ACCOUNTS[0], ACCOUNTS[0], 70),
    Transfer(TOKEN, ACCOUNTS[3], ACCOUNTS[1], 1),
    Transfer(2, ACCOUNTS[0], ACCOUNTS[1], 1),
]


def test_the_program_and_the_rules_agree_on_edges():
    done = Machine.start(guest.memory(BALANCES, TRANSFERS)).finish(LIMIT)
    held, outcomes = guest.execute(BALANCES, TRANSFERS)
    assert outcomes == [True, True, False, False, True, False, False]
    assert guest.outcomes(done.memory, len(TRANSFERS)) == outcomes
    assert guest.storage(done.memory) == held
    # Every entry that changed, the sender of a transfer that was undone by another included, with its last value.
    written = guest.storage(done.memory, guest.DIFFERENCE)
    assert written.items() <= held.items()
    before = {guest.slot(*key): value for key, value in BALANCES.items()}
    assert {key for key, value in held.items() if before.get(key) != value} <= written.keys()


@pytest.mark.parametrize("seed", range(5))
def test_the_program_and_the_rules_agree_on_random_batches(seed):
    rng = random.Random(seed)
    accounts = [rng.randbytes(20) for _ in range(20)]
    balances = {(one, kind): rng.randrange(1000) for one in accounts[:12] for kind in (NATIVE, TOKEN)}
    transfers = [
        Transfer(rng.choice((NATIVE, TOKEN)), rng.choice(accounts), rng.choice(accounts), rng.randrange(400))
        for _ in range(60)
    ]
    done = Machine.start(guest.memory(balances, transfers)).finish(LIMIT)
    held, outcomes = guest.execute(balances, transfers)
    assert guest.outcomes(done.memory, 60) == outcomes
    assert guest.storage(done.memory) == held
    assert 5 < sum(outcomes) < 60


@pytest.mark.skipif(
    not shutil.which("riscv64-unknown-elf-gcc"), reason="needs Debian's gcc-riscv64-unknown-elf"
)
def test_the_shipped_program_is_what_its_source_gives(root, tmp_path):
    script = root / "src" / "rollstate" / "riscv" / "guest" / "build.sh"
    subprocess.run(["sh", script, "transition", tmp_path / "again.bin"], check=True)
    assert (tmp_path / "again.bin").read_bytes() == guest.program()


def test_what_the_program_has_no_room_for_is_refused():
    with pytest.raises(InputError, match="4096 balances"):
        guest.memory({(n.to_bytes(20, "big"), 0): 1 for n in range(4097)}, [])
    with pytest.raises(InputError, match="64 bits"):
        Transfer(NATIVE, ACCOUNTS[0], ACCOUNTS[1], 2**64).encode()
    with pytest.raises(InputError, match="20 bytes"):
        Transfer(NATIVE, b"", ACCOUNTS[1], 1).encode()
