"""Raw files by address: fetched once, resumed, converted by the recipe, and refused where the content differs."""

import dataclasses
import gzip
import hashlib
import http.server
import threading
import time

import pytest
from click.testing import CliRunner
from tests.strategies import make_trace

from rollstate.compendium.cli import main
from rollstate.errors import DataUnavailableError, InputError
from rollstate.traces import datasets, raw, store
from rollstate.traces.datasets import DataSet, File, Raw
from rollstate.traces.thinning import unobserve

TRACE = make_trace([(100, 0, 1, 0, True), (104, 1, 1, 0, False)])


@pytest.fixture
def site(tmp_path):
    """A server of two raw files, and the requests it got."""
    folder = tmp_path / "site"
    (folder / "raw (1)").mkdir(parents=True)
    for name, text in (("raw (1)/a.txt", b"one"), ("raw (1)/b.txt", b"two")):
        (folder / name).write_bytes(text)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, folder, asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def chain(site, tmp_path, monkeypatch):
    """A data set that a recipe makes of those files."""
    server, folder, _ = site
    lists = tmp_path / "data" / "addresses"
    lists.mkdir(parents=True)
    lines = [f"# here at 1: raw file = https://127.0.0.1:{server.server_port}/PATH"]
    for path in sorted(folder.rglob("*.txt")):
        data = path.read_bytes()
        lines.append(
            f"{path.relative_to(folder).as_posix()}\t{len(data)}\t{hashlib.sha256(data).hexdigest()}"
        )
    _write(lists / "chain.tsv.gz", lines)
    monkeypatch.setattr(datasets, "data_folder", lambda: tmp_path / "data")
    plain = raw.addresses("chain.tsv.gz")
    http_files = [dataclasses.replace(file, url=file.url.replace("https", "http")) for file in plain]
    monkeypatch.setattr(raw, "addresses", lambda name: http_files)
    source = Raw("chain.tsv.gz", "chain", store.content_digest(TRACE))
    files = (File("capability.json", "0" * 64, 1, None),)
    entry = DataSet("chain", "a toy", "here", "MIT", "toy", "chain", files, raw=source)
    monkeypatch.setattr(datasets, "manifest", lambda: {"chain": entry})
    monkeypatch.setenv("ROLLSTATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ROLLSTATE_DATA", raising=False)
    monkeypatch.setattr(raw, "convert", lambda name, folder: TRACE)
    return entry


def _write(path, lines):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def test_addresses_of_the_project_are_read(root):
    files = raw.addresses("cryptopunks.tsv.gz")
    assert len(files) == 991
    assert files[0].name == "sales/2017/06/2017-06-23_(20).csv"
    assert files[0].url.startswith(
        "https://raw.githubusercontent.com/cryptopunksnotdead/punks.market/315ab598"
    )
    assert files[0].url.endswith("/2017-06-23_%2820%29.csv")
    assert len(raw.addresses("mainnet_thinned_30d.tsv.gz")) == 1001


def test_a_line_that_is_no_address_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "data_folder", lambda: tmp_path)
    (tmp_path / "addresses").mkdir()
    _write(tmp_path / "addresses" / "x.tsv.gz", ["# https://example.org/PATH", "a\t1\tnot a hash"])
    with pytest.raises(InputError, match="line 2"):
        raw.addresses("x.tsv.gz")
    _write(tmp_path / "addresses" / "x.tsv.gz", ["# nothing"])
    with pytest.raises(InputError, match="pattern"):
        raw.addresses("x.tsv.gz")


def test_fetched_converted_and_then_read_from_the_cache(chain, site):
    asked = site[2]
    for _ in range(2):
        assert datasets.load_trace("chain").accesses.equals(TRACE.accesses)
    assert len(asked) == 2


def test_what_arrived_is_kept_when_a_file_is_missing(chain, site):
    _, folder, asked = site
    lost = folder / "raw (1)" / "b.txt"
    lost.unlink()
    with pytest.raises(DataUnavailableError, match="1 of 2 files are missing"):
        datasets.locate("chain")
    lost.write_bytes(b"two")
    before = len(asked)
    datasets.locate("chain")
    assert len(asked) == before + 1


def test_without_a_network_a_long_list_is_not_tried_to_its_end(chain, tmp_path, monkeypatch):
    tried = []

    def offline(entry, file, folder, progress):
        tried.append(file.name)
        time.sleep(0.01)
        raise DataUnavailableError(f"{file.name} is not here")

    monkeypatch.setattr(datasets, "fetch_file", offline)
    files = [File(f"{i}.txt", "0" * 64, 1, "http://unreachable.invalid/") for i in range(1_000)]
    with pytest.raises(DataUnavailableError, match=r"0\.txt is not here \(1000 of 1000 files are missing"):
        raw.fetch(chain, files, tmp_path / "raw")
    assert len(tried) < 10 * raw.AT_ONCE


def test_wrong_bytes_are_refused(chain, site):
    (site[1] / "raw (1)" / "b.txt").write_bytes(b"TWO")
    with pytest.raises(DataUnavailableError, match="does not send the file"):
        datasets.locate("chain")


def test_other_content_is_refused(chain, monkeypatch):
    other = make_trace([(101, 0, 1, 0, True)])
    monkeypatch.setattr(raw, "convert", lambda name, folder: other)
    with pytest.raises(InputError, match=r"the recipe gives content .*the manifest says"):
        datasets.locate("chain")


def test_content_follows_every_value():
    digests = {
        store.content_digest(TRACE),
        store.content_digest(unobserve(TRACE, [129])),
        store.content_digest(make_trace([(100, 0, 1, 0, True), (104, 1, 1, 0, True)])),
        store.content_digest(make_trace([(100, 0, 1, 0, True), (104, None, 1, 0, False)])),
    }
    assert len(digests) == 4
    again = dataclasses.replace(TRACE.capability, extractor_version="other")
    assert store.content_digest(dataclasses.replace(TRACE, capability=again)) in digests


def test_files_that_are_packed_as_they_are(chain, site, monkeypatch):
    entry = dataclasses.replace(chain, raw=Raw("chain.tsv.gz"))
    monkeypatch.setattr(datasets, "manifest", lambda: {"chain": entry})
    folder = datasets.locate("chain")
    assert gzip.decompress((folder / "raw (1)" / "a.txt.gz").read_bytes()) == b"one"
    datasets.locate("chain")
    assert len(site[2]) == 2


def test_gaps_that_only_the_manifest_knows(chain, tmp_path, monkeypatch):
    entry = dataclasses.replace(chain, observed_every=5, unobserved=(101,), files=())
    monkeypatch.setattr(datasets, "manifest", lambda: {"chain": entry})
    monkeypatch.setenv("ROLLSTATE_DATA", str(tmp_path / "local"))
    store.write_trace(TRACE, tmp_path / "local" / "chain")
    stamp = datasets.load_trace("chain").capability
    assert (stamp.observed_every, stamp.unobserved_blocks) == (5, 1)


def test_list_says_what_is_here(monkeypatch, tmp_path):
    monkeypatch.setenv("ROLLSTATE_CACHE", str(tmp_path))
    monkeypatch.delenv("ROLLSTATE_DATA", raising=False)
    run = CliRunner().invoke(main, ["data", "list"])
    assert run.exit_code == 0, run.output
    rows = {line.split()[0]: line for line in run.output.splitlines()}
    assert "profile here" in rows["cryptopunks"]
    assert "fetchable" in rows["cryptopunks"]
    assert "profile here" not in rows["proving"]
    assert "copy only" in rows["proving"]
    assert "data here" not in run.output


def test_every_data_set_without_an_address_names_repository_and_commit():
    """What is derived says from what: a repository at a commit, or the package it comes with."""
    import re

    for name in datasets.names():
        entry = datasets.manifest()[name]
        if not datasets.is_fetchable(name):
            said = r"(github\.com/\S+|ethereumjs/\S+) at [0-9a-f]{7}|R package|commit was not recorded"
            assert re.search(said, entry.source), name
