"""No typed result numbers: prose quotes the registry, or marks a constant as one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat

# What may hold digits: code, mathematics, roles (num, lit, cite, ref, ...), link targets, directives' options,
# footnotes, anchors, HTML comments.
_EXEMPT = re.compile(
    r"\$\$.*?\$\$|<!--.*?-->"  # blocks
    r"|\{[\w:.+-]+\}`[^`]*`|`+[^`]+`+|\$[^$\n]+\$"  # roles, code, inline mathematics
    r"|\]\([^)]*\)|<https?://[^>]*>|^\([\w-]+\)=$|^:[\w-]+:.*$|\[\^[\w-]+\]:?",
    re.DOTALL | re.MULTILINE,
)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(\{[\w:-]+\})?")
_VERBATIM = {"{code-block}", "{code-cell}", "{math}", "{literalinclude}"}
# A number that stands alone: not part of a name (EIP-7928, ERC-20, SHA-256, T1), not a year, not a list marker.
_NUMBER = re.compile(r"(?<![\w.\-/])(?!(?:19|20)\d\d(?![\d.,]*\d))\d[\d,.\u202f]*(?:\s?%|x\b)?(?![\w-])")
_LIST_MARKER = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One number typed into prose."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}: typed number {self.text!r}; quote a result as {{num}}`chapter.key`, "
            f"mark a constant or a quoted figure as {{lit}}`{self.text}`"
        )


def typed_numbers(text: str, path: Path, first_line: int = 1) -> Iterator[Finding]:
    """Yield every number typed into a Markdown text."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    text = _without_code(_FRONT_MATTER.sub(blank, text))
    for pattern in (_EXEMPT, _LIST_MARKER):
        text = pattern.sub(blank, text)
    for match in _NUMBER.finditer(text):
        line = first_line + text.count("\n", 0, match.start())
        yield Finding(path, line, match[0].rstrip(".,").strip())


def _without_code(text: str) -> str:
    """Blank code blocks and the fences of directives; what a directive such as an admonition says stays."""
    lines: list[str] = []
    opened: list[tuple[str, bool]] = []
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if (
            fence
            and opened
            and fence[1] == opened[-1][0]
            and not fence[2]
            and not line.strip().strip(fence[1][0])
        ):
            opened.pop()
        elif fence and not any(verbatim for _, verbatim in opened):
            opened.append((fence[1], fence[2] is None or fence[2] in _VERBATIM))
        elif not any(verbatim for _, verbatim in opened):
            lines.append(line)
            continue
        lines.append("")
    return "\n".join(lines)


def lint_prose(root: Path) -> list[Finding]:
    """Return the typed numbers of the book's pages and of the notebooks' Markdown cells."""
    findings: list[Finding] = []
    for page in sorted((root / "book").glob("**/*.md")):
        findings += typed_numbers(page.read_text(encoding="utf-8"), page.relative_to(root))
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells):
            if cell.cell_type == "markdown":
                where = Path(f"{notebook.relative_to(root)}#cell-{number}")
                findings += typed_numbers(cell.source, where)
    return findings


def missing_guards(guards: Mapping[str, str], root: Path) -> list[str]:
    """Return a line per guarding test that does not exist.

    Parameters
    ----------
    guards : mapping of str to str
        The guarding test of each result, ``tests/...::test_name`` by ``<chapter>.<name>``.
    root : Path
        Root of the project.
    """
    lines = []
    for key, guard in guards.items():
        file, _, test = guard.partition("::")
        path = root / file
        function = re.escape(test.split("::")[-1].split("[")[0])
        if not path.is_file() or not re.search(rf"def {function}\(", path.read_text(encoding="utf-8")):
            lines.append(f"{key}: its guard {guard} does not exist")
    return lines


CELL_LINES, NOTEBOOK_LINES = 12, 120
"""How long a code cell and a notebook's code may be: the story is told there, the package computes."""

LONGER: dict[str, str] = {}
"""Notebooks, or cells as ``notebook#number``, that are longer, each with its reason."""


def long_code(root: Path) -> list[str]:
    """Return a line per code cell and per notebook that is too long and not excepted in `LONGER`."""
    lines = []
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        total = 0
        for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells):
            if cell.cell_type != "code":
                continue
            count = len(cell.source.splitlines())
            total += count
            place = f"{notebook.stem}#{number}"
            if count > CELL_LINES and place not in LONGER:
                lines.append(
                    f"notebooks/{place}: a cell of {count} lines, at most {CELL_LINES}: move code to study.py"
                )
        if total > NOTEBOOK_LINES and notebook.stem not in LONGER:
            lines.append(f"notebooks/{notebook.stem}: {total} lines of code, at most {NOTEBOOK_LINES}")
    return lines
