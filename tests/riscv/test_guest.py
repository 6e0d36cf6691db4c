"""The compiled transition does what its rules in Python say, and a false instruction anywhere in it is found."""

import random
import shutil
import subprocess

import pytest

from rollstate.errors import InputError
from rollstate.riscv import guest
from rollstate.riscv.bisection import Disagreement, FalseRun, Run, first_disagreement, is_refuted
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
    subprocess.run(["sh", script, tmp_path / "again.bin"], check=True)
    assert (tmp_path / "again.bin").read_bytes() == guest.program()


def test_what_the_program_has_no_room_for_is_refused():
    with pytest.raises(InputError, match="4096 balances"):
        guest.memory({(n.to_bytes(20, "big"), 0): 1 for n in range(4097)}, [])
    with pytest.raises(InputError, match="64 bits"):
        Transfer(NATIVE, ACCOUNTS[0], ACCOUNTS[1], 2**64).encode()
    with pytest.raises(InputError, match="20 bytes"):
        Transfer(NATIVE, b"", ACCOUNTS[1], 1).encode()


@pytest.mark.parametrize("seed", range(3))
def test_a_false_instruction_anywhere_is_found_and_refuted_on_chain(on_chain, seed):
    rng = random.Random(seed)
    memory = guest.memory(BALANCES, TRANSFERS[:2])
    steps = Machine.start(memory).finish(LIMIT).steps
    run = Run(memory, steps, every=1 << 14)
    lie = rng.randrange(steps - 1)
    # The stack pointer matters to the end: the lie is not overwritten before it.
    liar = FalseRun(run, lie, register=2, bit=4)
    found = first_disagreement(run.claim, liar.claim, steps)
    assert found.step == lie
    assert found.rounds <= (steps - 1).bit_length()
    witness = run.witness(found.step)
    assert is_refuted(found, witness)
    assert on_chain.step(found.agreed, witness) == run.claim(lie + 1) != found.claimed
    # The honest claim stands against a liar who attacks it.
    attacked = first_disagreement(liar.claim, run.claim, steps)
    assert not is_refuted(attacked, run.witness(attacked.step))


def test_parties_who_agree_have_nothing_to_dispute():
    def honest(step):
        return bytes([step])

    with pytest.raises(InputError, match="nothing to dispute"):
        first_disagreement(honest, honest, 5)
    with pytest.raises(InputError, match="before the run"):
        first_disagreement(honest, lambda step: bytes([step + 1]), 5)
    assert first_disagreement(honest, lambda step: honest(step) if step < 4 else b"x", 5) == Disagreement(
        3, b"\3", b"x", 3
    )


@pytest.mark.parametrize(("register", "bit"), [(0, 1), (32, 1), (5, 32)])
def test_a_bit_that_is_not_there_cannot_be_wrong(register, bit):
    run = Run(guest.memory(BALANCES, TRANSFERS[:1]), 10)
    with pytest.raises(InputError, match="no bit"):
        FalseRun(run, 3, register, bit)
