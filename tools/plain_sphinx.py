"""Render the staged book by plain ``sphinx-build``, without Jupyter Book, and compare it with the usual build.

The way out of Jupyter Book 1 stays open as long as both give the same pages, links and numbers::

    python tools/plain_sphinx.py render _build/plain
    python tools/plain_sphinx.py compare _build/html _build/plain

`render` stages the book from the runs in ``_build/runs``, writes a ``conf.py`` beside it and runs Sphinx with myst-nb,
the theme and the extensions that the pages use. `compare` says what differs and fails if anything does.
"""

from __future__ import annotations

import argparse
import pprint
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from bs4 import BeautifulSoup

from rollstate.compendium import book, provenance, runner

EXTENSIONS = [
    "myst_nb",
    "sphinx_external_toc",
    "sphinx_togglebutton",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
"""What Jupyter Book loads and these pages use."""
MYST = ["colon_fence", "dollarmath", "linkify", "substitution", "tasklist"]


def configuration(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the values of ``conf.py`` that say what a Jupyter Book configuration says.

    Parameters
    ----------
    config : dict
        Content of ``_config.yml``.
    folder : Path
        The staged book.
    """
    own = config["sphinx"]
    values: dict[str, Any] = {
        "extensions": [*EXTENSIONS, *own.get("extra_extensions", []), *own["local_extensions"]],
        "project": config["title"],
        "author": config["author"],
        "copyright": config["copyright"],
        "exclude_patterns": _outside_toc(folder),
        "external_toc_path": "_toc.yml",
        "html_theme": "sphinx_book_theme",
        "html_title": config["title"],
        "html_baseurl": config.get("html", {}).get("baseurl", ""),
        "nb_execution_mode": "off",
        "myst_enable_extensions": MYST,
        "myst_url_schemes": ["mailto", "http", "https"],
        "bibtex_bibfiles": config["bibtex_bibfiles"],
        "suppress_warnings": ["myst.domains"],
    }
    options = dict(own["config"]["html_theme_options"])
    options["home_page_in_toc"] = config["html"].get("home_page_in_navbar", True)
    return values | own["config"] | {"html_theme_options": options}


def _outside_toc(folder: Path) -> list[str]:
    """Return the pages that the table of contents does not name."""
    toc = yaml.safe_load((folder / "_toc.yml").read_text(encoding="utf-8"))
    named = {toc["root"]}

    def walk(node: Any) -> None:
        for item in node if isinstance(node, list) else [node]:
            if isinstance(item, dict):
                named.update([item["file"]] if "file" in item else [])
                for value in item.values():
                    if isinstance(value, list):
                        walk(value)

    walk(toc["parts"])
    pages = [path for kind in ("md", "rst", "ipynb") for path in folder.rglob(f"*.{kind}")]
    relative = sorted(path.relative_to(folder) for path in pages)
    included = {Path("CHANGELOG.md")}
    return [
        path.as_posix()
        for path in relative
        if path.with_suffix("").as_posix() not in named or path in included
    ]


def render(root: Path, target: Path) -> None:
    """Stage the book of `root` and render it into `target`; warnings are errors."""
    works = [runner.plan(name, {}, root, fetch=False) for name in runner.chapters(root)]
    with tempfile.TemporaryDirectory(prefix="rollstate-plain-") as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        book.stage(works, root, source)
        config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
        values = configuration(config, source)
        lines = [
            "import sys",
            f"sys.path[:0] = {sorted(set(config['sphinx']['local_extensions'].values()))!r}",
        ]
        lines += [f"{name} = {pprint.pformat(value, sort_dicts=False)}" for name, value in values.items()]
        (source / "conf.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-n", "-q"]
        subprocess.run([*command, ".", str(Path(temporary) / "html")], cwd=source, check=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(Path(temporary) / "html", target)


def told(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what each page of a built book tells a reader: its text, its links, its numbers and its anchors."""
    out = {}
    for path in sorted(folder.rglob("*.html")):
        name = path.relative_to(folder).as_posix()
        if name.startswith(("_static/", "n/", "f/")):
            continue
        text = path.read_text(encoding="utf-8")
        if 'http-equiv="Refresh"' in text:
            continue
        article = BeautifulSoup(text, "html.parser").find("article")
        if article is None:
            continue
        for hidden in article.find_all("script"):
            hidden.decompose()
        out[name] = {
            "text": " ".join(article.get_text(" ").split()),
            "links": [link["href"] for link in article.find_all("a", href=True)],
            "numbers": [" ".join(number.get_text(" ").split()) for number in article.select(".rs-num")],
            "anchors": sorted({tag["id"] for tag in article.find_all(id=True)}),
        }
    return out


def differences(usual: dict[str, dict[str, Any]], plain: dict[str, dict[str, Any]]) -> list[str]:
    """Say what two books tell differently, one line each; an empty list means that they are the same to a reader."""
    out = [f"{name}: only in the usual build" for name in sorted(usual.keys() - plain.keys())]
    out += [f"{name}: only in the plain build" for name in sorted(plain.keys() - usual.keys())]
    for name in sorted(usual.keys() & plain.keys()):
        for kind, there in usual[name].items():
            here = plain[name][kind]
            if here == there:
                continue
            parts = (there.split(), here.split()) if kind == "text" else (there, here)
            place = next((i for i, pair in enumerate(zip(*parts, strict=False)) if pair[0] != pair[1]), None)
            place = min(map(len, parts)) if place is None else place
            first, second = (" ".join(map(str, part[max(place - 3, 0) : place + 6])) for part in parts)
            out.append(f"{name}: {kind} differ, {first!r} and {second!r}")
    return out


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("render", help="render the staged book").add_argument("target", type=Path)
    compare = commands.add_parser("compare", help="say what differs between two builds")
    compare.add_argument("usual", type=Path)
    compare.add_argument("plain", type=Path)
    given = parser.parse_args()
    if given.command == "render":
        render(provenance.project_root(), given.target.resolve())
        return
    usual, plain = told(given.usual), told(given.plain)
    found = differences(usual, plain)
    print("\n".join(found) or f"{len(usual)} pages, the same text, links, numbers and anchors")
    sys.exit(bool(found) or not usual)


if __name__ == "__main__":
    main()
