r"""Results and figures for a paper: ``\rsnum[.0%]{key}``, ``\rsinterval{key}``, vector figures and their references."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
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

FORMATS = (".0f", ".1f", ".2f", ",.0f", ".0%", ".1%", ".2%", ".2g", ".3g")
"""Python formats that every number has a macro in; others are added by name."""

_HEAD = r"""% Results of rollstate {version} as in the book: \rsnum{{key}} is a value, \rsinterval{{key}} its interval.
% \rsnum[.1f]{{key}} and \rsinterval[.0%]{{key}} are the same in another Python format, one of {formats}.
% In the argument of another command (a caption, a footnote) % begins a comment: write \rsnum[.0\%]{{key}} there.
\makeatletter
\expandafter\def\csname rs@what@rs\endcsname{{result}}
\expandafter\def\csname rs@what@rsi\endcsname{{interval of}}
\newcommand{{\rs@find}}[3]{{\ifcsname #1@#2@#3\endcsname
  \csname #1@#2@#3\endcsname\else\rs@missing{{#1}}{{#2}}{{#3}}\fi}}
\newcommand{{\rs@missing}}[3]{{\ifcsname #1@#2@\endcsname
  \PackageError{{rollstate}}{{no format #3 of #2}}{{Add it with: rollstate latex --format "#3"}}\else
  \PackageError{{rollstate}}{{no \csname rs@what@#1\endcsname\space #2}}%
  {{The list of numbers in the book has every key.}}\fi}}
\begingroup\catcode`\%=12\relax\gdef\rs@percent{{%}}\endgroup
\newcommand{{\rs@ask}}[1]{{\begingroup\catcode`\%=12\relax\let\%\rs@percent\def\rs@kind{{#1}}\rs@format}}
\newcommand{{\rs@format}}[2][]{{\edef\rs@asked{{{{\rs@kind}}{{#2}}{{#1}}}}%
  \expandafter\endgroup\expandafter\rs@find\rs@asked}}
\DeclareRobustCommand{{\rsnum}}{{\rs@ask{{rs}}}}
\DeclareRobustCommand{{\rsinterval}}{{\rs@ask{{rsi}}}}
% A bookmark of hyperref shows the number as the book does.
\newcommand{{\rs@bookmark}}[2]{{\rs@find{{#1}}{{#2}}{{}}}}
\def\rs@bookmarknum#1#{{\rs@bookmark{{rs}}}}
\def\rs@bookmarkinterval#1#{{\rs@bookmark{{rsi}}}}
\AtBeginDocument{{\ifdefined\pdfstringdefDisableCommands\pdfstringdefDisableCommands{{%
  \let\rsnum\rs@bookmarknum\let\rsinterval\rs@bookmarkinterval}}\fi}}
"""


def escaped(text: str) -> str:
    """Return a text of the registry as TeX; an `InputError` names a character that has no form here."""
    out = "".join(_TEX.get(character, character) for character in text)
    if not out.isascii():
        strange = sorted({character for character in out if not character.isascii()})
        raise InputError(f"no TeX form for {', '.join(map(repr, strange))} in {text!r}; add it to latex.py")
    return out


def macros(snapshot: Snapshot, formats: Iterable[str] = ()) -> str:
    """Return the definitions of every number of a snapshot.

    Parameters
    ----------
    snapshot : Snapshot
        Results and runs.
    formats : iterable of str, optional
        Python formats beside `FORMATS`. A number has no macro in a format that Python refuses for it, and a text or a
        verdict has none but its own.

    Raises
    ------
    InputError
        If a format suits no number at all.
    """
    version = next(iter(snapshot.runs.values()))["inputs"]["version"]
    every = list(dict.fromkeys([*FORMATS, *formats]))
    lines = [_HEAD.format(version=version, formats=", ".join(every))]
    suited = set(FORMATS)
    for key, result in sorted(snapshot.results.items()):
        number = not isinstance(result.value, bool | str | None)
        for spec in ["", *(every if number else [])]:
            try:
                value, interval = result.text(spec), result.interval_text(spec)
            except InputError:
                continue
            suited.add(spec)
            lines.append(_macro("rs", key, spec, value))
            if interval:
                lines.append(_macro("rsi", key, spec, interval))
    if strange := [spec for spec in every if spec not in suited]:
        raise InputError(
            f"no number can be written in the format {strange[0]!r}; a Python format is meant, as .1f or .0%"
        )
    # A format may hold a percent sign, which TeX would take for a comment; so may no text, where it is escaped.
    return "".join(
        [*lines[:1], "\\begingroup\\catcode`\\%=12\\relax\n", *lines[1:], "\\endgroup\\makeatother\n"]
    )


def _macro(kind: str, key: str, spec: str, text: str) -> str:
    return rf"\expandafter\gdef\csname {kind}@{key}@{spec}\endcsname{{{escaped(text)}}}" + "\n"


def export(snapshot: Snapshot, root: Path, target: Path, formats: Iterable[str] = ()) -> None:
    """Write ``numbers.tex``, ``figures/<chapter>-<name>.pdf`` and ``rollstate.bib`` into a folder of their own.

    `formats` are as in `macros`.
    """
    with replaced_folder(target) as folder:
        write_text(folder / "numbers.tex", macros(snapshot, formats))
        (folder / "figures").mkdir()
        cited = [citation.book(root), *(citation.chapter(name, root) for name in snapshot.runs)]
        base = citation.base_url(root)
        for ref, bundle in sorted(snapshot.figures.items()):
            chapter, _, name = ref.partition("/")
            shutil.copyfile(bundle / f"{name}.pdf", folder / "figures" / f"{chapter}-{name}.pdf")
            stamp = bundles.read_provenance(bundle)
            cited.append(citation.figure(name, stamp, stamp["content_sha256"], base))
        write_text(folder / "rollstate.bib", "\n".join(reference.bibtex() for reference in cited))
