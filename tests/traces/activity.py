"""What some transactions did to storage, and the files that each tool would write of it."""

import gzip
import json
from dataclasses import dataclass

import polars as pl
from hypothesis import strategies as st

from rollstate.traces import block_access_list as bal
from rollstate.traces.block_access_list import AccountAccess, SlotChanges
from rollstate.traces.prestate import TOUCHES_SCHEMA

FIRST = 100
BLOCKS = 3
HASH = "0x" + "22" * 32

STEPS = st.lists(
    st.tuples(
        st.integers(0, BLOCKS - 1), st.integers(0, 2), st.integers(1, 3), st.integers(0, 3), st.integers(0, 2)
    ),
    max_size=25,
    unique_by=lambda step: step[:4],
)
"""(block, transaction, contract, slot, value after), each touch once."""


def hexed(data):
    return "0x" + data.hex()


def word(number):
    return number.to_bytes(32, "big")


@dataclass(frozen=True)
class Touch:
    block: int
    tx: int
    address: bytes
    slot: bytes
    before: int
    after: int

    @property
    def is_write(self):
        return self.before != self.after


def run(steps):
    """Return the touches of some steps in order, with the value of each slot before and after."""
    state, out = {}, []
    for block, tx, contract, slot, value in sorted(steps):
        # Slots far apart: a small number, and one of 32 full bytes.
        key = contract.to_bytes(20, "little"), word(slot) if slot < 2 else bytes([0x80 + slot]) * 32
        out.append(Touch(FIRST + block, tx, *key, state.get(key, 0), value))
        state[key] = value
    return out


def frame(rows):
    columns = ["block_number", "tx_index", "address", "slot", "is_write"]
    return pl.DataFrame(rows, TOUCHES_SCHEMA, orient="row").unique().sort(columns)


def all_touches(touches):
    """What a source sees that tells reads by transaction."""
    return frame([(t.block, t.tx, t.address, t.slot, t.is_write) for t in touches])


def listed_touches(touches):
    """What a block access list tells: writes by transaction, reads of slots that the block did not write."""
    written = {(t.block, t.address, t.slot) for t in touches if t.is_write}
    rows = [(t.block, t.tx, t.address, t.slot, True) for t in touches if t.is_write]
    rows += [
        (t.block, None, t.address, t.slot, False)
        for t in touches
        if (t.block, t.address, t.slot) not in written
    ]
    return frame(rows)


def of_trace(trace):
    joined = trace.accesses.join(trace.slots, on="slot_id").select(TOUCHES_SCHEMA.names())
    return frame(joined.rows())


def cryo(touches, folder, ending="csv"):
    """Write both tables of cryo, as text in CSV or as bytes in Parquet; return their paths."""
    name = f"__{FIRST}_to_{FIRST + BLOCKS - 1}.{ending}"
    paths = []
    for table, of, address, values in (
        ("storage_diffs", [t for t in touches if t.is_write], "address", ("from_value", "to_value")),
        ("storage_reads", touches, "contract_address", ("value",)),
    ):
        text = ending == "csv"
        put = hexed if text else bytes
        kind = pl.String if text else pl.Binary
        columns = {
            "block_number": pl.Series([t.block for t in of], dtype=pl.UInt32),
            "transaction_index": pl.Series([t.tx for t in of], dtype=pl.UInt64),
            "transaction_hash": pl.Series([put(b"\x22" * 32)] * len(of), dtype=kind),
            address: pl.Series([put(t.address) for t in of], dtype=kind),
            "slot": pl.Series([put(t.slot) for t in of], dtype=kind),
        }
        for value in values:
            side = [t.after if value == "to_value" else t.before for t in of]
            columns[value] = pl.Series([put(word(number)) for number in side], dtype=kind)
        columns["chain_id"] = pl.Series([1] * len(of), dtype=pl.UInt64)
        paths.append(folder / f"net__{table}{name}")
        data = pl.DataFrame(columns)
        data.write_csv(paths[-1]) if text else data.write_parquet(paths[-1])
    return [str(path) for path in paths]


def xatu(touches, folder):
    """Write both tables of Xatu, a write as two differences, and an older version of every row that says nonsense."""
    paths = []
    for table, address, values in (
        ("diffs", "address", ("from_value", "to_value")),
        ("reads", "contract_address", ("value",)),
    ):
        rows = []
        for place, t in enumerate(touches):
            if table == "diffs" and not t.is_write:
                continue
            steps = [(t.before, 77), (77, t.after)] if table == "diffs" else [(t.before,)]
            for part, step in enumerate(steps):
                for version in (1, 2):
                    row = {
                        "updated_date_time": 1_735_689_600 + version,
                        "block_number": t.block,
                        "transaction_index": t.tx,
                        "transaction_hash": hexed(word(1000 * t.block + t.tx)),
                        "internal_index": 2 * place + part,
                        address: hexed(t.address),
                        "slot": hexed(t.slot if version == 2 else b"\x99" * 32),
                        "meta_network_name": "mainnet",
                    }
                    row |= {name: hexed(word(number)) for name, number in zip(values, step, strict=True)}
                    rows.append(row)
        schema = {
            "updated_date_time": pl.UInt32,
            "block_number": pl.UInt64,
            "transaction_index": pl.UInt32,
            "transaction_hash": pl.String,
            "internal_index": pl.UInt32,
            address: pl.String,
            "slot": pl.String,
            "meta_network_name": pl.String,
            **dict.fromkeys(values, pl.String),
        }
        paths.append(folder / f"canonical_execution_storage_{table}.parquet")
        pl.DataFrame(rows, schema).reverse().write_parquet(paths[-1])
    return [str(path) for path in paths]


def accounts_of(touches, block, layout="final"):
    """Return the block access list of a block, in which three transactions raise the nonce of one sender."""
    shift = int(layout == "final")
    found = {}
    for t in touches:
        if t.block == block:
            found.setdefault(t.address, {}).setdefault(t.slot, []).append(t)
    sender = AccountAccess(
        b"\xee" * 20, (), (), ((shift, 7), (shift + 2, 5)), tuple((tx + shift, tx + 1) for tx in range(3)), ()
    )
    out = [sender]
    for address, slots in found.items():
        writes = {slot: [t for t in of if t.is_write] for slot, of in slots.items()}
        out.append(
            AccountAccess(
                address,
                tuple(
                    SlotChanges(
                        slot, tuple((t.tx + shift, word(t.after)) for t in sorted(of, key=lambda t: t.tx))
                    )
                    for slot, of in sorted(writes.items())
                    if of
                ),
                tuple(sorted(slot for slot, of in writes.items() if not of)),
                (),
                (),
                (),
            )
        )
    return tuple(sorted(out, key=lambda account: account.address))


def rlp(touches, folder, layout="final"):
    """Write a list per block as RLP."""
    for block in range(FIRST, FIRST + BLOCKS):
        (folder / f"{block}.rlp").write_bytes(bal.encode(accounts_of(touches, block, layout), layout))
    return [str(folder)]


def list_json(touches, folder, spelling="apis"):
    """Write a list per block as JSON, as nodes or as test fixtures spell it, with the hash of the header."""
    apis = spelling == "apis"
    index = "index" if apis else "blockAccessIndex"

    def changes(found, name, put):
        return [{index: hex(at), "value" if apis else name: put(value)} for at, value in found]

    for block in range(FIRST, FIRST + BLOCKS):
        accounts = accounts_of(touches, block)
        listed = [
            {
                "address": hexed(one.address),
                "storageChanges": [
                    {
                        "key" if apis else "slot": hexed(write.slot),
                        "changes" if apis else "slotChanges": changes(write.changes, "postValue", hexed),
                    }
                    for write in one.storage_changes
                ],
                "storageReads": [hexed(slot) for slot in one.storage_reads],
                "balanceChanges": changes(one.balance_changes, "postBalance", hex),
                "nonceChanges": changes(one.nonce_changes, "postNonce", hex),
                "codeChanges": changes(one.code_changes, "newCode", hexed),
            }
            for one in accounts
        ]
        found = (
            listed
            if apis
            else {"blockAccessList": listed, "blockAccessListHash": hexed(bal.list_hash(accounts))}
        )
        (folder / f"{block}.json").write_text(json.dumps(found))
    return [str(folder)]


def answers(touches, folder):
    """Write both answers of the prestate tracer for each block, one of them packed."""
    for block in range(FIRST, FIRST + BLOCKS):
        full, diff = [], []
        for tx in range(3):
            read, pre, post = {}, {}, {}
            for t in touches:
                if (t.block, t.tx) == (block, tx):
                    address, slot = hexed(t.address), hexed(t.slot)
                    read.setdefault(address, {"balance": "0x0", "storage": {}})["storage"][slot] = hexed(
                        word(t.before)
                    )
                    if t.is_write:
                        for side, value in ((pre, t.before), (post, t.after)):
                            storage = side.setdefault(address, {"storage": {}})["storage"]
                            if value:
                                storage[slot] = hexed(word(value))
            sender = hexed(b"\xee" * 20)
            pre[sender], post[sender] = {"balance": "0x8", "nonce": tx}, {"nonce": tx + 1}
            if tx != 1:
                post[sender]["balance"] = hex(7 - tx)
            full.append({"txHash": hexed(word(tx)), "result": {**read, sender: {"balance": "0x8"}}})
            diff.append({"txHash": hexed(word(tx)), "result": {"pre": pre, "post": post}})
        (folder / f"{block}_full.json").write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "result": full}))
        with gzip.open(folder / f"{block}_diff.json.gz", "wt") as file:
            json.dump({"jsonrpc": "2.0", "id": 2, "result": diff}, file)
    return [str(folder)]


def table(touches, folder, name="mine.csv.gz"):
    """Write a table of the reader's own, packed."""
    lines = ["blk;op;contract;key;transactionIndex"]
    lines += [
        f"{t.block};{('sload', 'SSTORE')[t.is_write]};0x{t.address.hex().upper()};{hexed(t.slot)};{t.tx}"
        for t in touches
    ]
    with gzip.open(folder / name, "wt", encoding="utf-8-sig") as file:
        file.write("\n".join(lines) + "\n")
    return [str(folder / name)]
