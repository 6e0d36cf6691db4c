"""References to the book and its parts in the three forms that reference managers read: BibTeX, RIS and CSL-JSON.

Sources: BibTeX and biblatex fields, https://ctan.org/pkg/biblatex ; RIS tags,
https://en.wikipedia.org/wiki/RIS_(file_format) ; CSL-JSON 1.0.2, https://github.com/citation-style-language/schema .
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_RIS = {"software": "COMP", "chapter": "CHAP", "dataset": "DATA", "graphic": "FIGURE"}


@dataclass(frozen=True)
class Reference:
    """One thing to cite.

    Attributes
    ----------
    key : str
        Key of the entry.
    title : str
        Its title, in plain text.
    work : mapping
        Author, title, year, url and, where known, date and doi of the whole work, as `citation.summary` returns them.
    version : str
        Version of the work that shows it.
    kind : {"software", "chapter", "dataset", "graphic"}
        What it is, in the terms of CSL.
    address : str
        Address below that of the book, empty for the book.
    base : str
        Address of the published book; where there is none, the entry names the work's own.
    note : str
        What identifies the content, in plain text.
    """

    key: str
    title: str
    work: Mapping[str, str]
    version: str
    kind: str
    address: str = ""
    base: str = ""
    note: str = ""
    container: str = field(default="")

    @property
    def url(self) -> str:
        """Where it is found."""
        return f"{self.base.rstrip('/')}/{self.address}" if self.base else self.work["url"]

    @property
    def date(self) -> str:
        """Date of the version, as far as it is known: ``YYYY-MM-DD`` or ``YYYY``."""
        return self.work.get("date", self.work["year"])

    def bibtex(self) -> str:
        """Return a BibTeX entry, with biblatex's fields beside the classic ones."""
        rows = [
            ("author", self.work["author"]),
            ("title", f"{{{_tex(self.title)}}}"),
            ("year", self.work["year"]),
            ("date", self.date),
            ("version", self.version),
            ("howpublished", self.url),
            ("url", self.url),
            ("doi", self.work.get("doi", "")),
            ("note", _tex(self.note)),
        ]
        body = "".join(f"  {name:<12} = {{{value}}},\n" for name, value in rows if value)
        return f"@misc{{{self.key},\n{body}}}\n"

    def ris(self) -> str:
        """Return a RIS record."""
        rows = [("TY", _RIS[self.kind])]
        rows += [("AU", _name(author)) for author in authors(self.work["author"])]
        rows += [
            ("TI", self.title),
            ("T2", self.container),
            ("PY", self.work["year"]),
            ("DA", self.date.replace("-", "/")),
            ("ET", self.version),
            ("UR", self.url),
            ("DO", self.work.get("doi", "")),
            ("N1", self.note),
        ]
        lines = [f"{tag}  - {' '.join(value.split())}" for tag, value in rows if value]
        return "\n".join([*lines, "ER  - "]) + "\n"

    def csl(self) -> str:
        """Return a CSL-JSON array of this one item."""
        item: dict[str, Any] = {
            "id": self.key,
            "type": self.kind,
            "title": self.title,
            "author": authors(self.work["author"]),
            "issued": {"date-parts": [[int(part) for part in self.date.split("-")]]},
            "version": self.version,
            "URL": self.url,
            "container-title": self.container,
            "DOI": self.work.get("doi", ""),
            "note": self.note,
        }
        return json.dumps([{name: value for name, value in item.items() if value}], indent=1) + "\n"


FORMS = {"bibtex": Reference.bibtex, "ris": Reference.ris, "csl": Reference.csl}
"""What writes each form."""

FILES = {"bibtex": "cite.bib", "ris": "cite.ris", "csl": "cite.json"}
"""Name of the file of each form at an address."""


def _tex(text: str) -> str:
    """Return plain text as TeX sets it."""
    return re.sub(r"([&%$#_])", r"\\\1", text).replace("\u202f", r"\,").replace("\u2212", "$-$")


def authors(names: str) -> list[dict[str, str]]:
    """Return BibTeX's list of authors as CSL's: a name in braces is an organisation's."""
    out = []
    for name in names.split(" and "):
        family, comma, given = name.partition(", ")
        out.append({"family": family, "given": given} if comma else {"literal": name.strip("{}")})
    return out


def _name(author: Mapping[str, str]) -> str:
    return author.get("literal") or f"{author['family']}, {author['given']}"
