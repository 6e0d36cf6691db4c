"""Make the book: stage executed notebooks, results and figures, let Jupyter Book render, swap it in."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from html import escape as html_escape
from importlib import resources
from pathlib import Path

import nbformat
import yaml

from rollstate.compendium import (
    addresses,
    bundles,
    citation,
    cleaning,
    crate,
    explorable,
    interface,
    interface_pages,
    inventory,
    machine,
    results,
)
from rollstate.compendium.by_name import parameter_class
from rollstate.compendium.files import (
    altered,
    note_written,
    replaced_folder,
    sha256,
    write_bytes,
    write_text,
)
from rollstate.compendium.marks import MIME
from rollstate.compendium.printing import to_pdf
from rollstate.compendium.provenance import PACKAGE
from rollstate.compendium.runner import Plan
from rollstate.errors import RollstateError

_STAMP = "build.json"
_PACKAGE = PACKAGE


class BookError(RollstateError):
    """The renderer failed or warned; the message holds what it said."""


def page(executed: nbformat.NotebookNode, chapter: str, cells: set[int]) -> nbformat.NotebookNode:
    """Return the notebook as the book shows it.

    Code is folded, marks left by `Chapter.figure` and `Chapter.table` become directives, cells that computed
    results get anchors, and everything that differs from run to run (times, kernels' versions) is dropped.
    """
    out = []
    for cell in executed.cells:
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags:
            continue
        if cell.cell_type != "code":
            cell.metadata = nbformat.NotebookNode()
            out.append(cell)
            continue
        cell.metadata = nbformat.NotebookNode(tags=[*tags, "hide-input"])
        marks = [output.data[MIME] for output in cell.outputs if MIME in output.get("data", {})]
        cell.outputs = [output for output in cell.outputs if MIME not in output.get("data", {})]
        # A cell that was left out computed nothing: what it shows was published.
        if cell.execution_count is not None and (cell.execution_count in cells or marks):
            target = bundles.anchor("cell", chapter, cell.execution_count)
            out.append(_markdown(f"({target})=", f"anchor-{cell.id}"))
        out.append(cell)
        for number, mark in enumerate(marks):
            ((kind, name),) = mark.items()
            out.append(_markdown(f"```{{result-{kind}}} {chapter}/{name}\n```", f"{kind}-{cell.id}-{number}"))
    out.append(_markdown(f"```{{functions-called}} {chapter}\n```", "functions-called"))
    out.append(_markdown(f"```{{run-provenance}} {chapter}\n```", "run-provenance"))
    metadata = {"kernelspec": executed.metadata["kernelspec"], "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=out, metadata=metadata)


def _plain(text: str) -> str:
    """Return Markdown that shows `text` as it is: one line, every mark escaped."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def _markdown(source: str, cell_id: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_markdown_cell(source)
    cell.id = cell_id[:64]
    return cell


def stage(
    works: Iterable[Plan],
    root: Path,
    folder: Path,
    *,
    skipped: Mapping[str, str] | None = None,
    banner: str = "",
    reference: bool = True,
) -> None:
    """Put all that the renderer reads into `folder`: pages, configuration, registry, figures, scripts.

    Parameters
    ----------
    works : iterable of Plan
        Finished runs.
    root, folder : Path
        The project's folder and the one to fill.
    skipped : mapping, optional
        Chapters without a run: why. Each gets a page that says so.
    banner : str
        What to say at the top of every page.
    reference : bool
        Whether the reference to the package is a part of the book.
    """
    works, skipped = list(works), dict(skipped or {})
    shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("__pycache__", "_static"))
    shutil.copy(root / "CHANGELOG.md", folder / "CHANGELOG.md")
    if (root / "releases").is_dir():
        shutil.copytree(root / "releases", folder / "_registry" / "releases")
    called = {work.chapter: interface.called(work.chapter, work.notebook) for work in works}
    interface_facts = {"repository": citation.repository(root), "called": called}
    write_text(folder / "_registry" / "interface.json", json.dumps(interface_facts, indent=1))
    _configure(root, folder, list(called), banner, interface_pages.write(folder, called) if reference else [])
    # Not named _static: Jupyter Book would load every script in that folder on every page.
    shutil.copytree(root / "book" / "_static", folder / "_public")
    mathjax = Path(str(resources.files("sphinx-mathjax-offline"))) / "static" / "mathjax"
    shutil.copytree(mathjax / "output" / "chtml", folder / "_public" / "mathjax" / "output" / "chtml")
    for part in ("startup", "core", "input/tex", "output/chtml", "a11y/assistive-mml"):
        target = folder / "_public" / "mathjax" / f"{part}.js"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mathjax / f"{part}.js", target)

    registry: dict[str, results.Result] = {}
    for work in works:
        run = work.folder
        own = results.load(run / "results.json") if (run / "results.json").exists() else {}
        registry |= own
        executed = nbformat.read(run / "executed.ipynb", as_version=4)
        rendered = page(executed, work.chapter, {result.cell for result in own.values()})
        (folder / "notebooks").mkdir(exist_ok=True)
        write_text(folder / "notebooks" / f"{work.chapter}.ipynb", nbformat.writes(rendered) + "\n")
        target = folder / "_registry" / work.chapter
        target.mkdir(parents=True)
        shutil.copy(run / "run.json", target / "run.json")
        for part in ("figures", "tables"):
            if (run / part).is_dir():
                shutil.copytree(run / part, target / part)
        # Readers download bundles, so they lie among the static files too.
        for bundle in sorted((run / "figures").glob("*")):
            public = folder / "_public" / "figures" / work.chapter / bundle.name
            shutil.copytree(bundle, public)
            write_bytes(public / f"{bundle.name}.zip", bundles.archive(bundle))
            explorable.write(bundle, work.chapter, folder / "_public" / "explore")
        for data in sorted((run / "tables").glob("*.csv")):
            write_bytes(folder / "_public" / "tables" / work.chapter / data.name, data.read_bytes())
    for chapter, why in skipped.items():
        title = citation.heading(root / "notebooks" / f"{chapter}.ipynb")
        page_text = f"# {title}\n\n:::{{admonition}} Skipped\n:class: warning\n{_plain(why)}\n:::\n"
        write_text(folder / "notebooks" / f"{chapter}.md", page_text)
    cited = {
        "book": citation.book(root).bibtex(),
        **{work.chapter: citation.chapter(work.chapter, root).bibtex() for work in works},
    }
    write_text(folder / "_registry" / "citations.json", json.dumps(cited))
    write_text(folder / "_registry" / "skipped.json", json.dumps(skipped))
    results.save(list(registry.values()), folder / "_registry" / "results.json")
    shutil.copy(folder / "_registry" / "results.json", folder / "_public" / "results.json")


def _configure(root: Path, folder: Path, chapters: list[str], banner: str, reference: list[str]) -> None:
    """Write the renderer's configuration, with a page of parameters for each chapter, the reference and the banner."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    if banner:
        config["sphinx"]["config"]["html_theme_options"]["announcement"] = html_escape(banner)
        # Not the published book: its pages are at no address of that.
        config["html"].pop("baseurl", None)
        # What a library says of data that nobody has seen is kept in the executed notebook and costs no page.
        config["sphinx"]["config"]["nb_output_stderr"] = "remove"
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        for entry in part["chapters"]:
            if entry["file"] == "book/reexecute":
                entry["sections"] = [{"file": f"book/parameters/{chapter}"} for chapter in chapters]
    if reference:
        entry = {
            "file": f"{interface_pages.FOLDER}/index",
            "sections": [{"file": page} for page in reference],
        }
        toc["parts"][-1]["chapters"].append(entry)
    for chapter in chapters:
        write_text(folder / "book" / "parameters" / f"{chapter}.md", _parameter_page(chapter, root))
    for name, content in (("_config.yml", config), ("_toc.yml", toc)):
        write_text(folder / name, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _parameter_page(chapter: str, root: Path) -> str:
    title = citation.heading(root / "notebooks" / f"{chapter}.ipynb")
    about = (parameter_class(chapter).__doc__ or "").splitlines()[0]
    return (
        f"# Parameters of {chapter}\n\n[{title}](../../notebooks/{chapter}). {about}\n\n"
        f"```{{parameter-table}} {chapter}\n```\n"
    )


def build(
    works: list[Plan],
    root: Path,
    target: Path,
    *,
    skipped: Mapping[str, str] | None = None,
    banner: str = "",
) -> bool:
    """Render the book into `target`; return False if it was already up to date.

    The renderer starts from nothing each time something changed: its own cache does not see imported code.
    `skipped` and `banner` are as in `stage`.

    Raises
    ------
    BookError
        On any warning of the renderer (unknown result, broken link, missing reference); the old book stays.
    """
    with tempfile.TemporaryDirectory(prefix="rollstate-book-") as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        stage(works, root, source, skipped=skipped, banner=banner)
        stamp = inputs(source, root)
        try:
            if json.loads((target / _STAMP).read_text(encoding="utf-8")) == stamp and not altered(target):
                return False
        except (OSError, ValueError):
            pass
        html = _render(source, Path(temporary), "html")
        cleaning.clean(html)
        pages = [path.relative_to(html).as_posix() for path in html.rglob("*.html")]
        runs = {work.chapter: json.loads((work.folder / "run.json").read_text("utf-8")) for work in works}
        with replaced_folder(target) as folder:
            shutil.copytree(html, folder, dirs_exist_ok=True)
            own = addresses.write(folder, source / "_registry", runs, root, banner=banner)
            machine.mark(folder, root, pages, own, published=not banner)
            inventory.complete(folder / "objects.inv", "rollstate", citation.summary(root)["version"], own)
            write_text(folder / "index.html", machine.front(root, published=not banner))
            said = [*pages, *addresses.described(folder, own)]
            write_text(
                folder / crate.NAME, crate.of_book(runs, said, addresses.current(source / "_registry"))
            )
            write_text(folder / _STAMP, json.dumps(stamp, indent=1) + "\n")
            note_written(folder)
    return True


def inputs(source: Path, root: Path) -> dict[str, str]:
    """Return digests of all that the rendered book depends on: the staged folder, the lock, and the package."""
    return {
        "staged": sha256(source),
        "lock": sha256(root / "requirements.lock"),
        "package": sha256(_PACKAGE),
    }


def print_pdf(works: list[Plan], root: Path, target: Path) -> None:
    """Write the whole book as one PDF; the old one stays on failure.

    Raises
    ------
    BookError, PrintingError
        If the renderer warns, or the browser fails.
    """
    with tempfile.TemporaryDirectory(prefix="rollstate-book-") as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        stage(works, root, source, reference=False)
        pages = _render(source, Path(temporary), "singlehtml")
        toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))
        page_text = (pages / f"{toc['root']}.html").read_text(encoding="utf-8")
        # The page expects to lie at the top, whatever folder its source is in.
        one = pages / "book.html"
        one.write_text(_printable(page_text, toc["root"], _imprint(root)), encoding="utf-8")
        to_pdf(one, target)


def _imprint(root: Path) -> str:
    """Return what a title page says below the title: authors, version, date, licence, address."""
    work = citation.summary(root)
    license_name = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))["license"]
    authors = work["author"].replace("{", "").replace("}", "")
    said = (
        f"By {authors}", f"Version {work['version']}, {work['date']}",
        *([f"DOI {work['doi']}"] if "doi" in work else []), f"Licence: {license_name}",
    )  # fmt: skip
    address = html_escape(citation.base_url(root) or work["url"])
    lines = [*(f"<p>{html_escape(line)}</p>" for line in said), f'<p><a href="{address}">{address}</a></p>']
    return f'<div class="rs-imprint">{"".join(lines)}</div>'


def _printable(text: str, root_page: str, imprint: str) -> str:
    """Return the single page with its imprint, and with links that hold on paper: into the page, or to an address."""
    title = re.compile(r'(<div id="jb-print-docs-body"[^>]*>\s*<h1>.*?</h1>)', re.DOTALL)
    text, titles = title.subn(lambda found: found[1] + imprint, text)
    if titles != 1:
        raise BookError(f"the page to print has {titles} title pages: the theme's template changed")
    text = text.replace(' loading="lazy"', "")
    text = text.replace(f'href="{root_page}.html#', 'href="#')
    text = re.sub(r'href="#document-[^"#]*#', 'href="#', text)
    # Downloads and files beside the page do not go with the paper.
    return re.sub(r'(<a\b[^>]*?) href="(?!#|https?:)[^"]*"', r"\1", text)


def _render(source: Path, temporary: Path, builder: str) -> Path:
    """Let Jupyter Book render a staged folder; return the folder of pages."""
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [str(jupyter_book), "build", str(source), "--path-output", str(temporary), "--builder", builder]
    command += ["--warningiserror", "--nitpick", "--keep-going", "--quiet"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    pages = temporary / "_build" / builder
    said = done.stdout + done.stderr
    problems = _problems(said, source)
    if done.returncode != 0 or problems or not (pages / "index.html").exists():
        raise BookError("the book does not build:\n" + (problems or said[-4000:]))
    return pages


def _problems(output: str, source: Path) -> str:
    lines = [line for line in output.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]
    return "\n".join(line.replace(f"{source}/", "") for line in lines)
