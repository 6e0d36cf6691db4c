r"""Results and figures for a paper: ``\rsnum{key}``, ``\rsinterval{key}``, vector figures and their references."""

from __future__ import annotations

import shutil
from pathlib import Path

from rollstate.compendium import bundles, citation
from rollstate.compendium.files import replaced_folder, write_text
from rollstate.compendium.snapshots import Snapshot
from rollstate.errors import InputError

# What the registry's texts hold beyond ASCII, and what TeX would read as a command.
_TEX = {
    "\\": r"\textbackslash{}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "^": r"\^{}",
    "~": r"\~{}",
    "\u202f": r"\,",
    "\u2212": r"\ensuremath{-}",
    "“": "``",
    "”": "''",
    "×": r"\ensuremath{\times}",
    "µ": r"\ensuremath{\mu}",
    "α": r"\ensuremath{\alpha}",
    "τ": r"\ensuremath{\tau}",
    "≤": r"\ensuremath{\le}",
    "≥": r"\ensuremath{\ge}",
    "²": r"\ensuremath{^2}",
    "\u2013": "--",
    "\u2019": "'",
}

_HEAD = r"""% Results of rollstate {version}: \rsnum{{key}} is a value, \rsinterval{{key}} its interval.
\newcommand{{\rsnum}}[1]{{\ifcsname rs@#1\endcsname\csname rs@#1\endcsname\else
  \PackageError{{rollstate}}{{no result #1}}{{The list of numbers in the book has every key.}}\fi}}
\newcommand{{\rsinterval}}[1]{{\ifcsname rsi@#1\endcsname\csname rsi@#1\endcsname\else
  \PackageError{{rollstate}}{{no interval of #1}}{{A number without one is exact for its data.}}\fi}}
"""


def escaped(text: str) -> str:
    """Return a text of the registry as TeX; an `InputError` names a character that has no form here."""
    out = "".join(_TEX.get(character, character) for character in text)
    if not out.isascii():
        strange = sorted({character for character in out if not character.isascii()})
        raise InputError(f"no TeX form for {', '.join(map(repr, strange))} in {text!r}; add it to latex.py")
    return out


def macros(snapshot: Snapshot) -> str:
    """Return the definitions of every number of a snapshot."""
    version = next(iter(snapshot.runs.values()))["inputs"]["version"]
    lines = [_HEAD.format(version=version)]
    for key, result in sorted(snapshot.results.items()):
        lines.append(rf"\expandafter\def\csname rs@{key}\endcsname{{{escaped(result.text())}}}" + "\n")
        if result.interval is not None:
            interval = escaped(result.interval_text())
            lines.append(rf"\expandafter\def\csname rsi@{key}\endcsname{{{interval}}}" + "\n")
    return "".join(lines)


def export(snapshot: Snapshot, root: Path, target: Path) -> None:
    """Write ``numbers.tex``, ``figures/<chapter>-<name>.pdf`` and ``rollstate.bib`` into a folder of their own."""
    with replaced_folder(target) as folder:
        write_text(folder / "numbers.tex", macros(snapshot))
        (folder / "figures").mkdir()
        cited = [citation.book(root), *(citation.chapter(name, root) for name in snapshot.runs)]
        base = citation.base_url(root)
        for ref, bundle in sorted(snapshot.figures.items()):
            chapter, _, name = ref.partition("/")
            shutil.copyfile(bundle / f"{name}.pdf", folder / "figures" / f"{chapter}-{name}.pdf")
            stamp = bundles.read_provenance(bundle)
            cited.append(citation.figure(name, stamp, stamp["content_sha256"], base))
        write_text(folder / "rollstate.bib", "\n".join(reference.bibtex() for reference in cited))
