"""Batches of the program small enough to play many games over."""

import random

from rollstate.dispute.game import Rules
from rollstate.dispute.matches import open_game, post_all
from rollstate.riscv import guest
from rollstate.riscv.guest import Transfer
from rollstate.riscv.rollup import LocalProgramBoard, ProgramBoard
from rollstate.riscv.runs import FalseStep
from rollstate.riscv.worlds import Lie, ProgramWorld

_RNG = random.Random(3)
ACCOUNTS = [_RNG.randbytes(20) for _ in range(4)]
BALANCES = {(one, kind): 1000 + kind for one in ACCOUNTS[:3] for kind in (guest.NATIVE, guest.TOKEN)}
BATCHES = [
    [
        Transfer(guest.TOKEN, ACCOUNTS[0], ACCOUNTS[3], 7).encode(),
        Transfer(guest.NATIVE, ACCOUNTS[1], ACCOUNTS[2], 1001).encode(),
        b"no transfer",
    ],
    [
        Transfer(guest.NATIVE, ACCOUNTS[0], ACCOUNTS[1], 30).encode(),
        Transfer(guest.TOKEN, ACCOUNTS[2], ACCOUNTS[0], 5).encode(),
    ],
]
TRUTH = ProgramWorld(BALANCES, BATCHES)


def balance(account, kind):
    """Return the address of a balance in the table; whatever writes it reads it before."""
    return (
        guest.TABLE
        + list(guest.rows(guest.table(BALANCES))).index(guest.slot(account, kind)) * guest.ENTRY_BYTES
        + 32
    )


# A balance that no transfer moves: a lie there is one about the state alone.
ASIDE = balance(ACCOUNTS[1], guest.TOKEN)
# A place in the difference that nothing is written to: a lie there is one about the difference alone.
UNUSED = guest.DIFFERENCE + 7 * guest.ENTRY_BYTES + 32


def lying(batch, transaction, step, place=None, bit=4, in_register=False):
    """Return a world with one false instruction."""
    place = ASIDE if place is None else place
    return ProgramWorld(BALANCES, BATCHES, Lie(batch, transaction, FalseStep(step, place, bit, in_register)))


def board_on(node=None, **edits):
    """Return a board of the rules alone, or beside the contracts on a chain."""
    if node is None:
        return LocalProgramBoard(Rules(), TRUTH.roots[0])
    return ProgramBoard(node, Rules(), TRUTH.roots[0], **edits)


def opened(board, sequencer, challenger, n):
    """Post every batch of the sequencer and deny the claim of batch `n`; return the game's number."""
    post_all(board, sequencer, board.accounts[0])
    return open_game(board, board.accounts[1], n, challenger.program.roots[n - 1])
