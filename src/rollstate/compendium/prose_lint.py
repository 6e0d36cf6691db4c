"""What can be checked of plain prose: doubled units, no baseline, raw or other names, abstracts, lone meanings.

Each check is a small pattern that errs on the side of silence: it finds the faults that were made, not all there are.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import nbformat

from rollstate.compendium.declared import Declared
from rollstate.compendium.policy_looks import OTHER_NAMES

ABSTRACT = ("Question.", "Answer.", "How we know.", "Limits.")
"""What a chapter's first cell says, in this order."""

ABSTRACT_WORDS = 120

_SPOKEN = {
    "s": ("s", "second"), "ms": ("ms", "millisecond"), "h": ("h", "hour"), "d": ("d", "day"),
    "$": ("$", "dollar"), "gas": ("gas",), "kb": ("kb", "kilobyte"), "%": ("%", "percent"),
}  # fmt: skip
_NUMBER = re.compile(r"\{(?:num|between)\}`([^`|]+)(?:\|([^`]*))?`")
_NEXT = re.compile(r"(?:[ \n]([\w%$-]+))?(?:[ \n]([\w%$-]+))?")
_JOINS = re.compile(
    r"an?|and|are|as|at|after|before|but|by|each|every|for|from|had|has|have|if|in|is|its?|later|more|of|on|or|per|so|"
    r"than|that|the|their|these|they|this|times|to|was|were|with",
    re.IGNORECASE,
)
"""A word after which nothing belongs to the number any more."""

_COMPARED = re.compile(
    r"\b(?:faster|slower|cheaper|costlier|fewer|better|worse|times (?:as|more|less|larger|smaller|longer)|"
    r"more expensive)\b",
    re.IGNORECASE,
)
_BASELINE = re.compile(
    r"\b(?:than|against|over|compared|instead of|relative to|less that of|as \w+ as|times (?:that|those|the))\b",
    re.IGNORECASE,
)
_HEADLINE = re.compile(r"^#{1,4} (.+)$|\*\*(.+?)\*\*", re.MULTILINE | re.DOTALL)

_IDENTIFIER = re.compile(r"(?<![\w`/.{-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w`/(])")
_RAW_FLOAT = re.compile(r"(?<![\w.])\d+(?:\.\d+)?e[+-]?\d+(?!\w)|(?<![\w.])\d+\.\d{6,}(?!\w)")
_TIGHT = re.compile(r"\d%")
_MATHS = re.compile(r"\$[^$\n]+\$|`[^`]*`")

_LEANING = re.compile(r"(?:the same|its|their|of (?:these|them)|that|those|largest of|smallest of)\b")

PRIVATE = ("ours", "dear", "dearer", "dearest", "the peer", "the peer's", "told apart")
"""Words that only their author understands as they were meant."""


def doubled_units(text: str, declared: Mapping[str, Declared]) -> Iterator[str]:
    """Yield each quoted number whose unit, which the role adds, is written after it once more.

    Parameters
    ----------
    text : str
        A page or cell in Markdown.
    declared : mapping
        Declared results by key.
    """
    for match in _NUMBER.finditer(text):
        one = declared.get(match[1].strip())
        if one is None:
            continue
        unit = "%" if (match[2] or one.fmt).rstrip().endswith("%") else one.unit.split("/")[0].split(" ")[0]
        if not unit:
            continue
        spoken = _SPOKEN.get(unit.lower(), (unit.lower(),))
        following = _NEXT.match(text, match.end())
        first, second = (word or "" for word in (following.groups() if following else ("", "")))
        words = [first] if _JOINS.fullmatch(first) else [first, second]
        for word in words:
            if word and word.lower().rstrip("s") in {name.rstrip("s") for name in spoken}:
                yield f"{match[0]} brings its unit, {one.unit or '%'}: {word!r} after it says the unit twice"


def without_baseline(text: str) -> Iterator[str]:
    """Yield each heading and each bold phrase of a Markdown text that compares and does not say with what."""
    for match in _HEADLINE.finditer(text):
        headline = " ".join((match[1] or match[2]).split())
        if _compares_with_nothing(headline):
            yield f"{headline!r} compares with nothing: name the baseline"


def _compares_with_nothing(headline: str) -> bool:
    return bool(_COMPARED.search(headline)) and not _BASELINE.search(headline)


def private_words(text: str) -> Iterator[str]:
    """Yield each word of `PRIVATE` in a text."""
    for word in PRIVATE:
        if re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", _MATHS.sub(" ", text), re.IGNORECASE):
            yield f"{word!r} is a private word"


def other_names(text: str) -> Iterator[str]:
    """Yield each name of a policy in a text that is not the one this book uses."""
    said = _MATHS.sub(" ", text)
    for name, used in OTHER_NAMES.items():
        if re.search(rf"(?<![\w-]){re.escape(name)}(?!\w)", said, re.IGNORECASE):
            yield f"{name!r} is another name of {used!r}"


def abstract(text: str) -> Iterator[str]:
    """Yield what is wrong with a chapter's first cell: its labels, in order, and at most `ABSTRACT_WORDS` words."""
    labels = [label for label in re.findall(r"\*\*([^*]+?)\*\*", text) if label in ABSTRACT]
    if tuple(labels) != ABSTRACT:
        yield f"the abstract has the paragraphs {labels}, not {', '.join(ABSTRACT)}"
    body = re.sub(r"^#[^\n]*$|```.*?```|\{cite\}`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    count = len(re.findall(r"\w[\w'.,-]*", re.sub(r"\{[\w:-]+\}`[^`]*`|`[^`]*`|\$[^$\n]+\$", "N", body)))
    if count > ABSTRACT_WORDS:
        yield f"the abstract has {count} words, at most {ABSTRACT_WORDS}"


def leaning_meanings(declared: Mapping[str, Declared]) -> list[str]:
    """Return a line for each meaning that leans on the one before it: every number is also read alone, on its page."""
    return [
        f"{key}: its meaning, {one.meaning!r}, cannot be read alone"
        for key, one in declared.items()
        if _LEANING.match(one.meaning.removeprefix("model: "))
    ]


_SHOWN = {"xlabel", "ylabel", "title", "caption", "alt"}
_LABELLERS = {"set_xlabel", "set_ylabel", "set_title", "supxlabel", "supylabel", "suptitle"}


def shown_texts(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and text of what figures say in words; ``N`` stands for what is filled in."""
    for call in [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        texts = [(word.arg, word.value) for word in call.keywords if word.arg in _SHOWN]
        if name == "title" and len(call.args) > 1:
            texts.append(("title", call.args[1]))
        if name in _LABELLERS and call.args:
            texts.append(("label", call.args[0]))
        for kind, value in texts:
            if (text := _literal(value)) is not None:
                yield value.lineno, kind or "", text


def _literal(value: ast.expr) -> str | None:
    """Return a literal string, with ``N`` for what an f-string fills in; None for anything else."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "N" for part in value.values)
    return None


def figure_texts(source: str, path: Path) -> list[str]:
    """Return a line for each raw name, private word or title without baseline that a module of figures shows."""
    lines = []
    for line, kind, text in shown_texts(source):
        said = [f"shows the raw name {name!r}" for name in _IDENTIFIER.findall(_MATHS.sub(" ", text))]
        said += [*private_words(text), *other_names(text)]
        if kind == "title" and _compares_with_nothing(text):
            said.append(f"the title {text!r} compares with nothing: name the baseline")
        lines += [f"{path}:{line}: {one}" for one in said]
    return lines


def built_texts(runs: Path, names: frozenset[str] = frozenset()) -> list[str]:
    """Return a line for each raw name or raw float in what the last build shows; nothing where there is no build.

    Parameters
    ----------
    runs : Path
        Folder of runs, ``<chapter>/figures/<name>/{caption,alt}.txt`` and ``<chapter>/tables/<name>.csv``.
    names : frozenset of str
        Names that a reader may see as they are: keys of results, data sets.
    """
    lines = []
    for text in sorted([*runs.glob("*/figures/*/caption.txt"), *runs.glob("*/figures/*/alt.txt")]):
        said = _MATHS.sub(" ", text.read_text(encoding="utf-8"))
        raw = [name for name in _IDENTIFIER.findall(said) if name not in names] + _RAW_FLOAT.findall(said)
        lines += [f"{text.relative_to(runs)}: shows {one!r} as it is in the program" for one in raw]
        lines += [f"{text.relative_to(runs)}: {one}" for one in other_names(said)]
    for table in sorted(runs.glob("*/tables/*.csv")):
        with table.open(encoding="utf-8", newline="") as file:
            cells = {cell for row in list(csv.reader(file))[1:] for cell in row}
        lines += [
            f"{table.relative_to(runs)}: shows {cell!r} as it is in the program"
            for cell in sorted(cells)
            if _IDENTIFIER.fullmatch(cell) and cell not in names
        ]
        lines += [
            f"{table.relative_to(runs)}: {one}"
            for cell in sorted(cells)
            for one in (*other_names(cell), *private_words(cell))
        ]
        with table.open(encoding="utf-8", newline="") as file:
            tight = {cell for row in csv.reader(file) for cell in row if _TIGHT.search(cell)}
        lines += [f"{table.relative_to(runs)}: {cell!r} has no space before %" for cell in sorted(tight)]
    return lines


def findings(root: Path, declared: Mapping[str, Declared], names: frozenset[str] = frozenset()) -> list[str]:
    """Return a line for each finding of `in_sources`, and of `built_texts` in the last build."""
    return in_sources(root, declared) + built_texts(root / "_build" / "runs", names | frozenset(declared))


def in_sources(root: Path, declared: Mapping[str, Declared]) -> list[str]:
    """Return a line for each finding in the book's pages, notebooks, figures and meanings."""
    lines = leaning_meanings(declared)
    for page in sorted((root / "book").glob("*.md")):
        lines += _prose(page.read_text(encoding="utf-8"), f"book/{page.name}", declared)
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        cells = [c.source for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "markdown"]
        lines += [f"notebooks/{notebook.name}: {one}" for one in abstract(cells[0] if cells else "")]
        lines += _prose("\n\n".join(cells), f"notebooks/{notebook.name}", declared)
    for module in sorted((root / "src" / "rollstate" / "chapters").glob("*/figures.py")):
        lines += figure_texts(module.read_text(encoding="utf-8"), module.relative_to(root))
    return lines


def _prose(text: str, place: str, declared: Mapping[str, Declared]) -> list[str]:
    found = [
        *doubled_units(text, declared),
        *without_baseline(text),
        *private_words(text),
        *other_names(text),
    ]
    return [f"{place}: {one}" for one in found]
