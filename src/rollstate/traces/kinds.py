"""What kind of contract an address is: from its code, or from a short list of well-known names.

Code says it by what it answers to: the four-byte selectors that it compares calls with, each pushed by a ``PUSH4``, and
by the fixed forms of proxies. A proxy answers to what another contract's code says, so that its own code tells no more
than that it is one. The names are those under which the most touched contracts of mainnet are publicly known; their
kinds were given by hand, without a look at the code, and serve to judge what the code says.

Sources: selectors by the interfaces ERC-20, ERC-721 and ERC-1155 (https://eips.ethereum.org/EIPS/eip-20, -721, -1155)
and of Uniswap's pools; proxies by ERC-1167 and ERC-1967; delegated accounts by EIP-7702.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from rollstate.traces.schema import Trace

TOKEN, POOL, NFT, PROXY, ACCOUNT, OTHER = (
    "token", "trading pool", "collectibles", "proxy", "delegated account", "other contract"
)  # fmt: skip
KINDS = (TOKEN, POOL, NFT, PROXY, ACCOUNT, OTHER)
"""Every kind, in the order of tables and figures."""

_MINIMAL_PROXY = bytes.fromhex("363d3d373d3d3d363d73")
_DELEGATED = bytes.fromhex("ef0100")
_SLOTS = (
    # ERC-1967's slot of the implementation, and OpenZeppelin's slot before it.
    "360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
    "7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3",
)  # fmt: skip
_ANSWERS = {
    POOL: (("0dfe1681", "0902f1ac"), ("0dfe1681", "3850c7bd")),
    NFT: (("6352211e", "a22cb465"), ("4e1273f4", "a22cb465")),
    TOKEN: (("a9059cbb", "70a08231", "095ea7b3", "dd62ed3e"),),
}
"""Selectors of which a kind has all of one list: token0 with getReserves or slot0; ownerOf, or balanceOfBatch, with
setApprovalForAll; transfer, balanceOf, approve and allowance."""
_PUSH1, _PUSH4, _PUSH32 = 0x60, 0x63, 0x7F

NAMED: dict[str, tuple[str, str]] = {
    "dac17f958d2ee523a2206206994597c13d831ec7": ("USDT", TOKEN),
    "a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48": ("USDC", TOKEN),
    "c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2": ("WETH", TOKEN),
    "6b175474e89094c44da98b954eedeac495271d0f": ("DAI", TOKEN),
    "2260fac5e5542a773aa44fbcfedf7c193bc2c599": ("WBTC", TOKEN),
    "6982508145454ce325ddbe47a25d4ec3d2311933": ("PEPE", TOKEN),
    "95ad61b0a150d79219dcf64e1e6cc01f0b64c4ce": ("SHIB", TOKEN),
    "ae7ab96520de3a18e5e111b5eaab095312d7fe84": ("stETH", TOKEN),
    "514910771af9ca656af840dff83e8264ecf986ca": ("LINK", TOKEN),
    "1f9840a85d5af5bf1d1762f925bdaddc4201f984": ("UNI", TOKEN),
    "88e6a0c2ddd26feeb64f039a2c41296fcb3f5640": ("Uniswap v3 USDC/WETH", POOL),
    "11b815efb8f581194ae79006d24e0d814b7697f6": ("Uniswap v3 WETH/USDT", POOL),
    "0d4a11d5eeaac28ec3f61d100daf4d40471f1852": ("Uniswap v2 WETH/USDT", POOL),
    "b4e16d0168e52d35cacd2c6185b44281ec28c9dc": ("Uniswap v2 USDC/WETH", POOL),
    "c36442b4a4522e871399cd717abdd847ab11fe88": ("Uniswap v3 positions", NFT),
    "bc4ca0eda7647a8ab7c2061c2e118a18a936f13d": ("Bored Ape Yacht Club", NFT),
    "87870bca3f3fd6335c3f4ce8392d69350b4fa4e2": ("Aave v3 pool", OTHER),
    "7d2768de32b0b80b7a3454c06bdac94a69ddc7a9": ("Aave v2 pool", OTHER),
    "000000000022d473030f116ddee9f6b43ac78ba3": ("Permit2", OTHER),
    "000000000004444c5dc75cb358380d2e3de08a90": ("Uniswap v4 pools", OTHER),
    "111111125421ca6dc452d289314280a0f8842a65": ("1inch v6 router", OTHER),
    "881d40237659c251811cec9c364ef91dc08d300c": ("MetaMask swaps", OTHER),
}
"""Name and kind of contracts by address."""


def selectors(code: bytes) -> frozenset[str]:
    """Return the four-byte numbers that code pushes, in hexadecimal: data of longer pushes is passed over.

    >>> sorted(selectors(bytes.fromhex("63a9059cbb14" + "7f" + "63" * 32 + "6370a08231")))
    ['70a08231', 'a9059cbb']
    """
    found, at = set(), 0
    while at < len(code):
        width = code[at] - _PUSH1 + 1 if _PUSH1 <= code[at] <= _PUSH32 else 0
        if code[at] == _PUSH4:
            found.add(code[at + 1 : at + 5].hex())
        at += 1 + width
    return frozenset(found)


def kind(code: bytes) -> str | None:
    """Return the kind of a contract by its code; None without code."""
    if not code:
        return None
    if code.startswith(_DELEGATED):
        return ACCOUNT
    if code.startswith(_MINIMAL_PROXY):
        return PROXY
    pushed = selectors(code)
    for name, lists in _ANSWERS.items():
        if any(pushed.issuperset(one) for one in lists):
            return name
    return PROXY if any(bytes.fromhex(slot) in code for slot in _SLOTS) else OTHER


def contracts(trace: Trace) -> pl.DataFrame:
    """Return the contracts of a trace, or of a part of one: ``contract_id``, ``address``, ``accesses``."""
    touched = trace.accesses.group_by("slot_id").agg(accesses=pl.len().cast(pl.Int64))
    slots = trace.slots.select("slot_id", "contract_id", "address")
    return together([slots.join(touched, on="slot_id", how="left")])


def together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Add up `contracts` of the parts of a trace; sorted."""
    counted = pl.concat(parts).group_by("contract_id")
    return counted.agg(pl.col("address").first(), pl.col("accesses").sum()).sort("contract_id")


def labels(contracts: pl.DataFrame, codes: Mapping[bytes, bytes]) -> pl.DataFrame:
    """Return the kind of every contract, by its code and by its name.

    Parameters
    ----------
    contracts : polars.DataFrame
        Of `contracts`.
    codes : mapping of bytes to bytes
        Code by address, of as many contracts as are at hand.

    Returns
    -------
    polars.DataFrame
        ``contract_id``, ``accesses`` (rows of the trace), ``by_code`` and ``by_name`` (null where unknown), and
        ``kind``: by code, except that a proxy with a name is what its name says, and by name where there is no code.
    """
    by_code = [kind(codes.get(address, b"")) for address in contracts["address"]]
    by_name = [
        NAMED[found][1] if (found := address.hex()) in NAMED else None for address in contracts["address"]
    ]
    first = pl.when(pl.col("by_code") == PROXY).then(pl.coalesce("by_name", "by_code")).otherwise("by_code")
    return contracts.select(
        "contract_id",
        "accesses",
        pl.Series("by_code", by_code, pl.String),
        pl.Series("by_name", by_name, pl.String),
    ).with_columns(kind=pl.coalesce(first, "by_name"))
