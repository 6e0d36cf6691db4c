"""The book's ``objects.inv``: what other Sphinx and MyST projects link to by name.

Sphinx lists the functions, pages, terms and anchors that it rendered; the pages of single numbers and figures are added
here as labels ``n/<chapter>.<name>`` and ``f/<chapter>/<figure>``. Format: version 2,
https://sphobjinv.readthedocs.io/en/stable/syntax.html.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from pathlib import Path

from rollstate.compendium.files import write_bytes
from rollstate.errors import InputError

_HEAD = b"# Sphinx inventory version 2\n"
_LINES = 4
_PROJECT = re.compile(rb"^# (Project|Version): .*$", re.MULTILINE)


def complete(path: Path, project: str, version: str, pages: Iterable[str]) -> None:
    """Add the pages of numbers and figures to an inventory, and say whose it is.

    Parameters
    ----------
    path : Path
        The inventory that Sphinx wrote.
    project, version : str
        What the inventory belongs to.
    pages : iterable of str
        Paths of the pages, ``n/<number>/index.html`` and ``f/<chapter>/<figure>/index.html``.

    Raises
    ------
    InputError
        If the file is no inventory of version 2.
    """
    content = path.read_bytes()
    if not content.startswith(_HEAD):
        raise InputError(f"{path.name} is no Sphinx inventory of version 2: it begins with {content[:30]!r}")
    *head, packed = content.split(b"\n", _LINES)
    named = {b"Project": project.encode(), b"Version": version.encode()}
    said = _PROJECT.sub(lambda found: b"# %s: %s" % (found[1], named[found[1]]), b"\n".join(head))
    lines = zlib.decompress(packed).decode().splitlines()
    for page in sorted(pages):
        label = page.removesuffix("/index.html")
        lines.append(f"{label} std:label -1 {page} {label.partition('/')[2]}")
    body = "".join(f"{line}\n" for line in lines).encode()
    write_bytes(path, said + b"\n" + zlib.compress(body, 9))
