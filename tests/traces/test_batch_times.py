"""Times of batches from nodes of ZKsync chains: details as they are documented, and answers that are none."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from tests.traces.stub_endpoint import Chain, Running, Stub
from tests.traces.test_extraction import QUICK

from rollstate.compendium import cli
from rollstate.errors import InputError
from rollstate.proving import life_cycle
from rollstate.traces import batch_times
from rollstate.traces.endpoint_errors import EndpointError
from rollstate.traces.json_values import ResponseError

# As the documentation of ZKsync nodes' providers shows batch 468355.
DETAILS = {
    "number": 468355,
    "timestamp": 1711649164,
    "l1TxCount": 1,
    "l2TxCount": 2363,
    "rootHash": "0x7b31ef880f09238f13b71a0f6bfea340b9c76d01bba0712af6aa0a4f224be167",
    "status": "verified",
    "commitTxHash": "0x5b2598bf1260d498c1c6a05326f7416ef2a602b8a1ac0f75b583cd6e08ae83cb",
    "committedAt": "2024-03-28T18:24:49.713730Z",
    "proveTxHash": "0xc02563331d0a83d634bc4190750e920fc26b57096ec72dd100af2ab037b43912",
    "provenAt": "2024-03-29T03:09:19.634524Z",
    "executeTxHash": "0xbe1ba1fdd17c2421cf2dabe2908fafa26ff4fa2190a7724d16295dd9df72b144",
    "executedAt": "2024-03-29T18:18:04.204270Z",
    "l1GasPrice": 47875552051,
    "l2FairGasPrice": 25000000,
    "baseSystemContractsHashes": {"bootloader": "0x01", "default_aa": "0x01"},
}
NEWEST = 468_460


def details(number):
    """A batch as DETAILS, one a minute; the last ones are only committed, the newest only sealed."""
    found = DETAILS | {
        "number": number,
        "timestamp": DETAILS["timestamp"] + 60 * (number - DETAILS["number"]),
    }
    for name, after in (("committedAt", 1_200), ("provenAt", 9_000), ("executedAt", 20_000)):
        found[name] = (
            datetime.fromtimestamp(found["timestamp"] + after, UTC).isoformat().replace("+00:00", "Z")
        )
    for name, behind in (("provenAt", 20), ("executedAt", 40), ("committedAt", 1)):
        if number > NEWEST - behind:
            found[name] = None
    return found


class Node(Stub):
    """A node of a ZKsync chain; `says` stands in the place of the details of a batch."""

    def __init__(self, says=details, **options):
        super().__init__(Chain(4), **options)
        self.says = says

    def answer(self, call):
        if call["method"] in {batch_times.METHOD, batch_times.NEWEST} - self.without:
            self.calls[call["method"]] += 1
            result = hex(NEWEST) if call["method"] == batch_times.NEWEST else self.says(call["params"][0])
            return {"jsonrpc": "2.0", "id": call["id"], "result": result}
        return super().answer(call)


def test_details_are_read_as_documented():
    row = batch_times.parse(DETAILS)
    assert row["batch"] == 468355
    assert row["transactions"] == 2364
    assert row["committed_s"] - row["opened_s"] == pytest.approx(1_125.71373, abs=1e-4)
    assert row["opened_s"] < row["committed_s"] < row["proven_s"] < row["executed_s"]


def test_the_command_writes_what_the_comparison_reads(tmp_path):
    start = DETAILS["number"]
    with Running(Node()) as url:
        words = ["extract", "--rpc", url, "--blocks", f"{start}:{NEWEST + 1}", "--view", "batches"]
        done = CliRunner().invoke(cli.main, [*words, "--out", str(tmp_path / "batches.csv")])
        assert done.exit_code == 0, done.output
        again = CliRunner().invoke(cli.main, [*words, "--out", str(tmp_path / "batches.csv")])
        assert "exists" in again.output
        wrong = CliRunner().invoke(cli.main, [*words, "--receipts", "--out", str(tmp_path / "b.csv")])
        assert "belong to the views of traces" in wrong.output
    found = life_cycle.read(tmp_path / "batches.csv")
    assert found["batch"].tolist() == list(range(start, NEWEST + 1))
    assert found["committed_s"].isna().sum() == 1
    assert found["proven_s"].isna().sum() == 20
    assert found["executed_s"].isna().sum() == 40
    assert "s3cr3t" not in done.output + again.output


def test_faults_of_the_endpoint_are_outlasted(tmp_path):
    node = Node(faults=0.2, seed=4)
    with Running(node) as url:
        out = batch_times.extract(url, 468_355, 468_455, tmp_path / "b.csv", limits=QUICK)
    assert len(life_cycle.read(out)) == 100
    assert sum(node.injected.values()) > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timestamp": "0x1"}, "batch 468355, timestamp must be a number"),
        ({"number": None}, "number must be a number"),
        ({"l2TxCount": -1}, "batch 468355, l2TxCount"),
        ({"provenAt": "yesterday"}, "batch 468355, provenAt must be a time"),
        ({"executedAt": 17}, "batch 468355, executedAt must be a time"),
    ],
)
def test_details_that_are_none_are_named(change, said):
    with pytest.raises(ResponseError, match=said):
        batch_times.parse(DETAILS | change)
    with pytest.raises(ResponseError, match="must be an object"):
        batch_times.parse("details")


def test_what_cannot_be_had_is_said(tmp_path):
    out = tmp_path / "b.csv"
    bare = Stub(Chain(4), without=frozenset({batch_times.NEWEST}))
    said = "only nodes of ZKsync chains tell the times of batches"
    with Running(bare) as url, pytest.raises(EndpointError, match=said):
        batch_times.extract(url, 0, 1, out, limits=QUICK)
    with Running(Node()) as url:
        with pytest.raises(InputError, match=f"newest batch is {NEWEST}"):
            batch_times.extract(url, 0, NEWEST + 2, out, limits=QUICK)
        with pytest.raises(InputError, match="is empty"):
            batch_times.extract(url, 5, 5, out, limits=QUICK)
    other = Node(lambda number: details(number + 1))
    said = "batch 468400: the endpoint answers with batch 468401"
    with Running(other) as url, pytest.raises(ResponseError, match=said):
        batch_times.extract(url, 468_400, 468_401, out, limits=QUICK)
    assert not out.exists()
