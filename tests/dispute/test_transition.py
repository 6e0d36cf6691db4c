"""The transition function is total and conserves value; batches commit to every byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needs import examples

from rollstate.dispute import batches as b
from rollstate.dispute import transition as t
from rollstate.dispute.commitment import VALUE_LIMIT, ZERO
from rollstate.dispute.keccak import keccak256
from rollstate.errors import InputError

DEPTH = 8
keys = st.integers(0, 5) | st.integers(0, 2**256 - 1)
amounts = st.integers(0, 30) | st.integers(0, 2**256 - 1)
transfers = st.builds(lambda s, d, a: t.Transfer(s, d, a).encode(), keys, keys, amounts)
posted = st.lists(transfers | st.binary(max_size=128), max_size=12)
states = st.dictionaries(st.integers(0, 5), st.integers(1, 40), max_size=6)


@given(states, posted)
def test_every_byte_string_has_an_effect_and_value_is_conserved(state, transactions):
    after = t.execute(state, transactions, DEPTH)
    assert sum(after.values()) == sum(state.values())
    assert all(value > 0 for value in after.values())


def test_the_named_edge_cases():
    def run(source, target, amount):
        return t.execute({1: 10, 2: 5}, [t.Transfer(source, target, amount).encode()], DEPTH)

    assert run(1, 2, 10) == {2: 15}
    assert run(1, 1, 10) == {1: 10, 2: 5}
    assert run(1, 3, 0) == {1: 10, 2: 5}
    assert run(1, 2, 11) == {1: 10, 2: 5}
    assert run(3, 2, 1) == {1: 10, 2: 5}
    assert run(1, 2 + 256, 1) == {1: 10, 2: 5}
    assert t.execute({1: 10}, [b"", bytes(95), bytes(97)], DEPTH) == {1: 10}


def test_a_balance_at_the_limit_takes_no_more():
    full = {1: 1, 2: VALUE_LIMIT - 1}
    assert t.execute(full, [t.Transfer(1, 2, 1).encode()], DEPTH) == full
    assert t.execute({2: VALUE_LIMIT - 1}, [t.Transfer(2, 2, 1).encode()], DEPTH) == {2: VALUE_LIMIT - 1}


@pytest.mark.parametrize("state", [{256: 1}, {1: 0}, {1: -1}, {1: VALUE_LIMIT // 2, 2: VALUE_LIMIT // 2}])
def test_an_impossible_genesis_is_refused(state):
    with pytest.raises(InputError, match=r"genesis"):
        t.check_genesis(state, DEPTH)


@given(st.lists(st.binary(max_size=128), min_size=1, max_size=64), st.data())
@settings(max_examples=examples(40))
def test_each_transaction_is_proven_in_its_place_and_in_no_other(transactions, data):
    root = b.transactions_root(transactions)
    i = data.draw(st.integers(0, len(transactions) - 1))
    proof = b.transaction_proof(transactions, i)
    assert len(proof) == max(len(transactions) - 1, 0).bit_length()
    assert b.proof_root(keccak256(transactions[i]), i, proof) == root
    assert b.proof_root(keccak256(transactions[i] + b"\0"), i, proof) != root
    j = data.draw(st.integers(0, len(transactions) - 1))
    if transactions[i] != transactions[j]:
        assert b.proof_root(keccak256(transactions[i]), j, b.transaction_proof(transactions, j)) != root


def test_an_odd_batch_and_its_padded_twin_differ_in_size_alone():
    assert b.transactions_root([b"a"]) != b.transactions_root([b"a", b"a"])
    assert b.transaction_proof([b"a", b"b", b"c"], 2)[0] == ZERO


@pytest.mark.parametrize(
    ("batch", "reason"),
    [([], "batch is empty"), ([b""] * 65, "batch too large"), ([bytes(129)], "transaction too long")],
)
def test_a_batch_out_of_bounds_is_refused(batch, reason):
    with pytest.raises(InputError, match=reason):
        b.transactions_root(batch)


def test_a_proof_of_no_transaction_is_refused():
    with pytest.raises(InputError, match="not in a list of 1"):
        b.transaction_proof([b"a"], 1)


def test_nothing_leaves_an_exit_account():
    key = t.exit_key(DEPTH, 3)
    assert t.is_exit(key, DEPTH)
    assert not t.is_exit(key - 4, DEPTH)
    assert t.execute(
        {key: 5, 1: 5}, [t.Transfer(key, 1, 2).encode(), t.Transfer(1, key, 2).encode()], DEPTH
    ) == {
        key: 7,
        1: 3,
    }
