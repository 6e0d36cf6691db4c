"""An unfinished extraction on disk: what is wanted, and the chunks that are finished.

Beside the trace to be lies ``.<name>.partial``: ``job.json`` says what is extracted, from which chain; a finished chunk
is a few Parquet files and, written last, ``<chunk>.json`` with their SHA-256. Every file appears whole or not at all,
so that a run killed anywhere resumes with the chunks that have a record, and ends in the same bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from rollstate import __version__
from rollstate.errors import InputError, RollstateError
from rollstate.traces import store
from rollstate.traces.json_values import octets
from rollstate.traces.schema import Capability
from rollstate.traces.transfer_logs import TokenLayout

VIEWS = ("prestate", "transfers")
CHUNK_BLOCKS = {"prestate": 50, "transfers": 1000}


class StorageError(RollstateError):
    """A file cannot be written; what was finished before is kept."""


@dataclass(frozen=True)
class Job:
    """What one extraction has to fetch.

    Attributes
    ----------
    view : {"prestate", "transfers"}
        State differences by the prestate tracer, or the surrogate from transfer logs.
    start, stop : int
        Half-open window of blocks.
    chunk_blocks : int, optional
        Blocks in a chunk; 50 or 1000 by default. Does not change the trace.
    receipts : bool
        Also store gas and outcome of every transaction, in ``transactions.parquet``.
    layouts : mapping of address to TokenLayout, optional
        For the view of transfers: where tokens keep balances and owners. Touches then have real storage slots, and
        other contracts are left out.
    skip_untraceable : bool
        For the view of state differences: stamp blocks that the tracer fails on as not observed, and go on.
    """

    view: str
    start: int
    stop: int
    chunk_blocks: int = 0
    receipts: bool = False
    layouts: Mapping[str, TokenLayout] | None = None
    skip_untraceable: bool = False

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise InputError(f"view {self.view!r} is not one of {VIEWS}")
        if not 0 <= self.start < self.stop:
            raise InputError(f"the window [{self.start}, {self.stop}) is empty; stop must be above start")
        if self.chunk_blocks < 0:
            raise InputError(f"chunk_blocks must be positive, not {self.chunk_blocks}")
        if self.layouts is not None:
            if self.view != "transfers":
                raise InputError("layouts are for the view of transfers; prestate has real slots already")
            object.__setattr__(self, "layouts", {name.lower(): one for name, one in self.layouts.items()})
            for name in self.layouts:
                octets(name, "layouts, an address", 20)
        object.__setattr__(self, "chunk_blocks", self.chunk_blocks or CHUNK_BLOCKS[self.view])

    def token_layouts(self) -> dict[bytes, TokenLayout] | None:
        """Return the layouts by contract."""
        if self.layouts is None:
            return None
        return {bytes.fromhex(name[2:]): layout for name, layout in self.layouts.items()}

    def chunks(self) -> list[tuple[int, int]]:
        """Return the half-open window of each chunk."""
        cuts = [*range(self.start, self.stop, self.chunk_blocks), self.stop]
        return list(pairwise(cuts))

    def capability(self, chain_id: int) -> Capability:
        """Return the stamp of the trace."""
        full = self.view == "prestate"
        return Capability(
            source="prestate" if full else "transfer_logs",
            observes_reads=full,
            observes_all_writes=full,
            tx_level="all",
            key_form="slot" if full or self.layouts is not None else "holder",
            window_start=self.start,
            window_stop=self.stop,
            chain_id=chain_id,
            extractor_version=__version__,
            account_changes=full,
        )


class Chunks:
    """The unfinished trace on disk."""

    def __init__(self, out: Path, job: Job, chain_id: int) -> None:
        self.out, self.job = out, job
        self.folder = out.parent / f".{out.name}.partial"
        self.capability = job.capability(chain_id)
        wanted = {"job": asdict(job), "capability": self.capability.as_dict()}
        path = self.folder / "job.json"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for stray in self.folder.glob("*.new"):
                stray.unlink()
            if not path.exists():
                self._write(path, json.dumps(wanted, indent=1, sort_keys=True).encode())
            found = json.loads(path.read_bytes())
        except OSError as error:
            raise self._cannot(error) from error
        except ValueError as error:
            raise InputError(f"{path} cannot be read ({error}); delete its folder to start anew") from error
        if found != wanted:
            flat = [{**side.get("job", {}), **side.get("capability", {})} for side in (wanted, found)]
            fields = [
                f"{key} is {flat[0][key]!r}, was {flat[1].get(key)!r}"
                for key in flat[0]
                if flat[0][key] != flat[1].get(key)
            ]
            raise InputError(
                f"{self.folder} holds another unfinished extraction ({'; '.join(fields)}); finish it, delete it, or "
                "choose another folder"
            )

    def has(self, chunk: tuple[int, int]) -> bool:
        """Say whether a chunk is finished, having checked its files."""
        try:
            files = self.record(chunk)["files"]
            return all(_sha256(self.folder / name) == digest for name, digest in files.items())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return False

    def record(self, chunk: tuple[int, int]) -> dict[str, Any]:
        """Return the record of a finished chunk: digests of its files, hashes of its ends."""
        return json.loads((self.folder / f"{chunk[0]}.json").read_bytes())

    def keep(self, chunk: tuple[int, int], frames: dict[str, pl.DataFrame]) -> None:
        """Store the frames of a chunk, its record last."""
        files = {}
        try:
            for name, frame in frames.items():
                path = self.folder / f"{chunk[0]}.{name}.parquet"
                new = path.with_suffix(".new")
                frame.write_parquet(new, compression="zstd")
                with new.open("rb") as file:
                    os.fsync(file.fileno())
                new.rename(path)
                files[path.name] = _sha256(path)
            blocks = frames["blocks"]
            record = {
                "files": files,
                "parent_hash": blocks["parent"][0].hex(),
                "last_hash": blocks["hash"][-1].hex(),
            }
            self._write(
                self.folder / f"{chunk[0]}.json", json.dumps(record, indent=1, sort_keys=True).encode()
            )
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._cannot(error) from error

    def drop(self, chunk: tuple[int, int]) -> None:
        """Make a chunk unfinished again."""
        (self.folder / f"{chunk[0]}.json").unlink(missing_ok=True)

    def finish(self) -> Path:
        """Assemble the trace, put it in its place, and remove the chunks."""

        def read(name: str) -> pl.DataFrame:
            return pl.concat(
                [pl.read_parquet(self.folder / f"{a}.{name}.parquet") for a, _ in self.job.chunks()]
            )

        try:
            blocks = read("blocks")
            unseen = int((~blocks["observed"]).sum())
            if unseen == blocks.height:
                raise InputError(
                    f"none of the {unseen} blocks could be traced, and all were to be skipped: there is no trace"
                )
            trace = store.assemble(
                read("touches"),
                dataclasses.replace(self.capability, unobserved_blocks=unseen),
                blocks=blocks,
                accounts=read("accounts") if self.capability.account_changes else None,
            )
            ready = self.folder / "trace"
            store.write_trace(trace, ready, overwrite=True)
            if self.job.receipts:
                read("transactions").write_parquet(ready / "transactions.parquet", compression="zstd")
            ends = {"parent_hash": blocks["parent"][0].hex(), "last_hash": blocks["hash"][-1].hex()}
            record = {"job": asdict(self.job), **ends}
            self._write(
                ready / "extraction.json", (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
            )
            store.swap(ready, self.out)
            shutil.rmtree(self.folder)
        except OSError as error:
            raise self._cannot(error) from error
        return self.out

    def _write(self, path: Path, data: bytes) -> None:
        new = path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)

    def _cannot(self, error: Exception) -> StorageError:
        return StorageError(
            f"{self.folder} cannot be written ({error}); finished chunks are kept: make room and run again"
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
