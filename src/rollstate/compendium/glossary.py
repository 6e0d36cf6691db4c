"""The glossary: its terms, where prose uses them, and what prose uses without defining it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import nbformat

from rollstate.errors import InputError

_BLOCK = re.compile(r"```\{glossary\}\n(.*?)```", re.DOTALL)
_ROLE = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")
_UNREAD = re.compile(r"```.*?```|\{[\w:-]+\}`[^`]*`|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|\]\([^)]*\)", re.DOTALL)

SPECIAL = (
    "Belady", "bootstrap", "Brier", "clairvoyant", "competitive ratio", "conformal", "CORP", "Cox", "frailty", "GDSF",
    "Gini", "Good-Turing", "hazard", "Hill", "holdout", "isotonic", "Kaplan-Meier", "Kolmogorov-Smirnov", "landmark",
    "LRU", "minimax", "Nelson-Aalen", "Poisson", "prestate tracer", "protective read", "pubdata", "Schoenfeld",
    "probability threshold", "ski rental", "slot-block", "sparse Merkle", "TinyLFU", "tuned window", "twin", "Verkle",
    "witness", "zkVM",
)  # fmt: skip
"""Words that a rollup engineer or a statistician, one of the two, does not know: whoever uses one has to define it."""


def terms(root: Path) -> dict[str, str]:
    """Return the entry of each term of ``book/glossary.md``, several terms may share one.

    Raises
    ------
    InputError
        If a term has no entry, or two.
    """
    text = (root / "book" / "glossary.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for block in _BLOCK.findall(text):
        for entry in re.split(r"\n\s*\n", block.strip()):
            lines = entry.splitlines()
            names = [line for line in lines if not line.startswith(" ")]
            said = " ".join(line.strip() for line in lines if line.startswith(" "))
            for name in names:
                if not said or name in found:
                    raise InputError(f"glossary: {name!r} has {'two entries' if said else 'no entry'}")
                found[name] = said
    return found


def pattern(term: str) -> re.Pattern[str]:
    """Return what finds a term in prose: at a word's start, in the singular or plural; a name keeps its capital."""
    flags = re.IGNORECASE if term[0].islower() else re.NOFLAG
    words = r"[\s-]+".join(re.escape(word) for word in term.split())
    return re.compile(rf"(?<![\w-]){words}(?:s|es|'s)?(?![\w-])", flags)


def prose(root: Path) -> dict[str, str]:
    """Return the prose of each page of the book, without code, mathematics and roles, and of each notebook."""
    pages = {}
    for page in sorted((root / "book").glob("*.md")):
        if page.stem not in ("glossary", "references"):
            pages[f"book/{page.name}"] = page.read_text(encoding="utf-8")
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(notebook, as_version=4).cells
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
        pages[f"notebooks/{notebook.name}"] = "\n\n".join(texts)
    return pages


def findings(known: Mapping[str, str], pages: Mapping[str, str]) -> list[str]:
    """Return a line for each term that a page uses and the glossary lacks, and each entry that no page uses.

    Parameters
    ----------
    known : mapping
        `terms`.
    pages : mapping
        `prose`.
    """
    lines = []
    for page, text in pages.items():
        lines += [
            f"{page}: {{term}}`{name}` is not in the glossary"
            for name in _ROLE.findall(text)
            if name not in known
        ]
    read = {page: _UNREAD.sub(" ", text) for page, text in pages.items()}
    for word in SPECIAL:
        if any(word.lower() in term.lower() for term in known):
            continue
        users = [page for page, text in read.items() if pattern(word).search(text)]
        if users:
            lines.append(f"{users[0]}: {word!r} is used and not in the glossary")
    everything = "\n".join(read.values())
    linked = {name for text in pages.values() for name in _ROLE.findall(text)}
    by_entry: dict[str, list[str]] = {}
    for name, entry in known.items():
        by_entry.setdefault(entry, []).append(name)
    lines += [
        f"book/glossary.md: no page uses {names[0]!r}"
        for names in by_entry.values()
        if not any(name in linked or pattern(name).search(everything) for name in names)
    ]
    return lines
