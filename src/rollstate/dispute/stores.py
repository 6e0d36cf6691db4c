"""Key-value stores under the executors, and a counter of what they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollstate.errors import InputError


class LmdbStore(MutableMapping[bytes, bytes]):
    """LMDB, a B+ tree; one write transaction until `commit`.

    Parameters
    ----------
    folder : Path
        Where the database lies.
    map_size : int
        Largest size in bytes.
    """

    def __init__(self, folder: Path, map_size: int = 1 << 32) -> None:
        import lmdb

        self._environment = lmdb.open(str(folder), map_size=map_size, sync=False)
        self._transaction = self._environment.begin(write=True)

    def __getitem__(self, key: bytes) -> bytes:
        value = self._transaction.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._transaction.put(key, value)

    def __delitem__(self, key: bytes) -> None:
        if not self._transaction.delete(key):
            raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        return self._transaction.cursor().iternext(values=False)

    def __len__(self) -> int:
        return self._transaction.stat()["entries"]

    def commit(self) -> None:
        """Make what was written durable as far as LMDB without ``sync`` does."""
        self._transaction.commit()
        self._transaction = self._environment.begin(write=True)

    def close(self) -> None:
        """Commit and close."""
        self._transaction.commit()
        self._environment.close()


class RocksStore(MutableMapping[bytes, bytes]):
    """RocksDB, a log-structured merge tree, through rocksdict's raw mode."""

    def __init__(self, folder: Path) -> None:
        from rocksdict import Options, Rdict

        self._store = Rdict(str(folder), Options(raw_mode=True))

    def __getitem__(self, key: bytes) -> bytes:
        value = self._store.get(key)
        if not isinstance(value, bytes):
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._store[key] = value

    def __delitem__(self, key: bytes) -> None:
        if key not in self._store:
            raise KeyError(key)
        del self._store[key]

    def __iter__(self) -> Iterator[bytes]:
        keys: Any = self._store.keys()
        return iter(keys)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def commit(self) -> None:
        """Flush the memory table."""
        self._store.flush()

    def close(self) -> None:
        """Close."""
        self._store.close()


def open_store(kind: str, folder: Path) -> MutableMapping[bytes, bytes]:
    """Open a store by name: ``"dict"``, ``"lmdb"`` or ``"rocksdict"``."""
    if kind == "dict":
        return {}
    if kind == "lmdb":
        return LmdbStore(folder)
    if kind == "rocksdict":
        return RocksStore(folder)
    raise InputError(f"unknown store {kind!r}; known are 'dict', 'lmdb', 'rocksdict'")


@dataclass
class Counts:
    """What a store was asked for."""

    reads: int = 0
    writes: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


class CountingStore(MutableMapping[bytes, bytes]):
    """A store that counts reads and writes, in number and in bytes of key and value."""

    def __init__(self, inner: MutableMapping[bytes, bytes]) -> None:
        self.inner = inner
        self.counts = Counts()

    def __getitem__(self, key: bytes) -> bytes:
        value = self.inner[key]
        self.counts.reads += 1
        self.counts.bytes_read += len(key) + len(value)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.counts.writes += 1
        self.counts.bytes_written += len(key) + len(value)
        self.inner[key] = value

    def __delitem__(self, key: bytes) -> None:
        del self.inner[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)
