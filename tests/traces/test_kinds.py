"""Kinds of contracts from code made by hand, and from names."""

import pytest
from tests.strategies import make_trace

from rollstate.traces import kinds

TOKEN_CODE = "63a9059cbb146370a082311463095ea7b31463dd62ed3e14"
POOL_CODE = "630dfe16811463" + "3850c7bd14"


def pushed(text):
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("", None),
        (TOKEN_CODE, kinds.TOKEN),
        # The same bytes inside the data of a longer push are no selectors.
        ("7f" + TOKEN_CODE + "00" * 8, kinds.OTHER),
        (POOL_CODE, kinds.POOL),
        # A pair's own share is a token too: it is a pool first.
        (POOL_CODE + TOKEN_CODE, kinds.POOL),
        ("636352211e1463a22cb46514", kinds.NFT),
        ("363d3d373d3d3d363d73" + "11" * 20 + "5af43d82803e903d91602b57fd5bf3", kinds.PROXY),
        ("7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc54", kinds.PROXY),
        ("ef0100" + "22" * 20, kinds.ACCOUNT),
        ("6001600201", kinds.OTHER),
        # Cut off within a push.
        ("63a905", kinds.OTHER),
    ],
)
def test_kind_of_code(code, kind):
    assert kinds.kind(pushed(code)) == kind


def test_kinds_by_code_and_name():
    usdc = int("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", 16)
    touches = [(0, 0, usdc, 1, True), (1, 0, usdc, 1, False), (1, 0, 7, 1, True), (2, 0, 8, 1, True)]
    trace = make_trace(touches, start=0, stop=4)
    address = {row["contract_id"]: row["address"] for row in trace.slots.iter_rows(named=True)}
    by_int = {int.from_bytes(one): one for one in address.values()}
    proxy = pushed("363d3d373d3d3d363d73" + "11" * 20)
    table = kinds.labels(kinds.contracts(trace), {by_int[usdc]: proxy, by_int[7]: proxy})
    found = {int.from_bytes(address[row["contract_id"]]): row for row in table.iter_rows(named=True)}
    assert (found[usdc]["by_code"], found[usdc]["by_name"], found[usdc]["kind"]) == (
        kinds.PROXY,
        kinds.TOKEN,
        kinds.TOKEN,
    )
    assert found[usdc]["accesses"] == 2
    assert (found[7]["kind"], found[8]["kind"]) == (kinds.PROXY, None)


def test_names_are_addresses_and_known_kinds():
    assert all(len(bytes.fromhex(address)) == 20 for address in kinds.NAMED)
    assert {kind for _, kind in kinds.NAMED.values()} <= set(kinds.KINDS)
