"""The marks that cells leave in an executed notebook where they show a figure or a table."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat

MIME = "application/vnd.rollstate+json"


def marks(executed: nbformat.NotebookNode) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield ``("figure" or "table", name)`` and the id of the cell that shows it."""
    for cell in executed.cells:
        for output in cell.get("outputs", ()):
            for kind, name in output.get("data", {}).get(MIME, {}).items():
                yield (kind, name), cell.id
