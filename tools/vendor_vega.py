"""Renew the scripts that draw explorable figures: Vega, Vega-Lite and Vega-Embed, as published on npm.

``python tools/vendor_vega.py`` takes the releases of `VERSIONS` through ``npm pack``, copies each minified build with
its licence to ``book/_static/vega`` and writes ``manifest.json`` there: version, licence, file, size and SHA-256.
Vega-Lite must be the release whose schema the locked Altair writes; a test holds files, manifest and Altair together.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import altair

VERSIONS = {"vega": "6.2.0", "vega-lite": altair.SCHEMA_VERSION.removeprefix("v"), "vega-embed": "7.3.0"}
"""In the order in which a page loads them."""
TARGET = Path(__file__).parents[1] / "book" / "_static" / "vega"


def fetch(name: str, version: str, folder: Path) -> dict[str, str | int]:
    """Copy one library's minified build and licence to `TARGET`; return its entry of the manifest."""
    subprocess.run(
        ["npm", "pack", f"{name}@{version}", "--silent"], cwd=folder, check=True, capture_output=True
    )
    with tarfile.open(folder / f"{name}-{version}.tgz") as archive:

        def member(path: str) -> bytes:
            file = archive.extractfile(f"package/{path}")
            assert file is not None
            return file.read()

        script, licence = member(f"build/{name}.min.js"), member("LICENSE")
        stated = json.loads(member("package.json"))
    (TARGET / f"{name}.min.js").write_bytes(script)
    (TARGET / f"{name}.LICENSE.txt").write_bytes(licence)
    return {
        "name": name,
        "version": stated["version"],
        "licence": stated["license"],
        "source": f"https://github.com/vega/{name}",
        "file": f"{name}.min.js",
        "bytes": len(script),
        "sha256": hashlib.sha256(script).hexdigest(),
    }


def main() -> None:
    """Renew all three and the manifest."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        entries = [fetch(name, version, Path(folder)) for name, version in VERSIONS.items()]
    (TARGET / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
