"""Data is checked wherever it comes from, resumed where it was cut off, and never replaced by something else."""

import hashlib
import http.server
import socket
import threading

import pytest

from rollstate.errors import DataUnavailableError, InputError
from rollstate.traces import datasets
from rollstate.traces.datasets import DataSet, File

CONTENT = bytes(range(256)) * 4096


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, honours ranges, and breaks off the first answer half way."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        begin = 0
        if (asked := self.headers.get("Range")) and server.ranges:
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        server.log.append(begin)
        body = server.content[begin:]
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A local server of one file."""
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.content, made.ranges, made.breaks, made.log = CONTENT, True, 0, []
    made.handle_error = lambda *args: None
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def toy(server, tmp_path, monkeypatch):
    """A data set of one file on that server, an empty cache, and no local folder."""
    file = File(
        name="toy.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        url=f"http://127.0.0.1:{server.server_port}/toy.bin",
    )
    entry = DataSet("toy", "a toy", "here", "MIT", "toy", "toy", (file,))
    monkeypatch.setattr(datasets, "manifest", lambda: {"toy": entry})
    monkeypatch.setenv("ROLLSTATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ROLLSTATE_DATA", raising=False)
    return entry


def test_fetched_once_then_read_from_the_cache(toy, server):
    for _ in range(2):
        assert (datasets.locate("toy") / "toy.bin").read_bytes() == CONTENT
    assert server.log == [0]


@pytest.mark.parametrize("ranges", [True, False])
def test_interrupted_download_goes_on_where_it_stopped(toy, server, ranges):
    server.breaks, server.ranges = 1, ranges
    with pytest.raises(DataUnavailableError, match="does not answer"):
        datasets.locate("toy")
    assert not (datasets.cache_folder() / "toy" / "toy.bin").exists()
    assert (datasets.locate("toy") / "toy.bin").read_bytes() == CONTENT
    assert server.log[0] == 0
    assert (server.log[1] > 0) == ranges


def test_wrong_bytes_from_the_server_are_refused_and_not_kept(toy, server):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DataUnavailableError, match="does not send the file of the manifest"):
        datasets.locate("toy")
    assert not (datasets.cache_folder() / "toy" / "toy.bin").exists()
    server.content = CONTENT
    assert (datasets.locate("toy") / "toy.bin").read_bytes() == CONTENT


def test_no_network_says_what_to_do(toy, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(DataUnavailableError, match="ROLLSTATE_DATA"):
        datasets.locate("toy")


def test_local_copy_comes_first_and_is_checked(toy, server, tmp_path, monkeypatch):
    monkeypatch.setenv("ROLLSTATE_DATA", str(tmp_path))
    (tmp_path / "toy").mkdir()
    with pytest.raises(DataUnavailableError, match="missing"):
        datasets.locate("toy")
    (tmp_path / "toy" / "toy.bin").write_bytes(b"something else")
    with pytest.raises(InputError, match="SHA-256"):
        datasets.locate("toy")
    (tmp_path / "toy" / "toy.bin").write_bytes(CONTENT)
    assert datasets.locate("toy") == tmp_path / "toy"
    assert server.log == []


def test_unknown_name_lists_the_known_ones(toy):
    with pytest.raises(InputError, match="toy"):
        datasets.locate("tyo")


def test_data_without_an_address_says_so(toy, monkeypatch):
    bare = File("x", "0" * 64, 1, None)
    monkeypatch.setattr(
        datasets, "manifest", lambda: {"bare": DataSet("bare", "", "a paper", "", "", "bare", (bare,))}
    )
    with pytest.raises(DataUnavailableError, match="a paper"):
        datasets.locate("bare")


def test_fingerprint_follows_the_bytes(tmp_path):
    path = tmp_path / "a.csv"
    seen = set()
    for text in ("1", "22"):
        path.write_text(text)
        seen.add(datasets.fingerprint(str(path)))
    assert len(seen) == 2
    assert datasets.fingerprint("mainnet-bal") == datasets.fingerprint("mainnet-bal")


def test_manifest_names_licence_source_and_checksum_of_every_file(root):
    entries = datasets.manifest()
    assert "mainnet-bal" in entries
    for entry in entries.values():
        assert entry.licence
        assert entry.source
        assert entry.files
        for file in entry.files:
            assert len(file.sha256) == 64
            assert file.bytes > 0
            assert file.url is None or file.url.startswith("https://")
        assert entry.name in datasets.describe(entry.name)


@pytest.mark.real_data
def test_local_copies_are_those_of_the_manifest(data_dir):
    for name in datasets.names():
        assert datasets.locate(name).is_dir()


def test_what_is_no_trace_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a trace"):
        datasets.load_trace(str(tmp_path))
