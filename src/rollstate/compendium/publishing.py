"""Commands of readers who bring their own chain, compare, cite and verify, and of those who release."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import click

import rollstate
from rollstate.compendium import options
from rollstate.errors import InputError

_RUNS = Path("_build") / "runs"


@click.command()
@click.option("--trace", help="Your trace: a Parquet or CSV table, or a trace folder.")
@click.option("--bal-dir", type=click.Path(exists=True), help="Folder of block access lists (*.rlp).")
@click.option("--dataset", help="A data set by name; `rollstate data list` shows them.")
@click.option(
    "--rpc", envvar="ROLLSTATE_RPC", help="Endpoint of a chain; or ROLLSTATE_RPC, out of the history."
)
@click.option("--blocks", metavar="A:B", help="With --rpc: from block A up to, not including, B.")
@click.option(
    "--view",
    type=click.Choice(["prestate", "transfers"]),
    default="prestate",
    show_default=True,
    help="With --rpc: what to ask for.",
)
@options.PARAMETER
@options.FILE
@options.JOBS
@options.SCHEDULER
@options.out("Folder of the book; nothing else in it is touched.", required=True)
def book(
    trace: str | None,
    bal_dir: str | None,
    dataset: str | None,
    rpc: str | None,
    blocks: str | None,
    view: str,
    pairs: Any,
    file: Any,
    jobs: int,
    scheduler: str | None,
    out: Path,
) -> None:
    """Build a complete book on your own trace.

    Parameters are named CHAPTER.NAME, for example -p eda.draws 500. Chapters that the trace cannot support say why.
    With --scheduler the workers of a Dask cluster read the parts of a trace folder, which they must see.
    """
    from rollstate.compendium import book as pages
    from rollstate.compendium import own_chain

    sources = [source for source in (trace, bal_dir, dataset, blocks) if source]
    if len(sources) != 1 or bool(blocks) > bool(rpc):
        raise InputError("name one source: --trace, --bal-dir, --dataset, or --rpc with --blocks")
    options.use_scheduler(scheduler)
    root, folder = options.root(), out.resolve()
    source = _extracted(str(rpc), blocks, view, folder / "trace") if blocks else sources[0]
    planned = own_chain.plan(root, folder / "runs", source, _by_chapter(options.parameters(pairs, file)))
    click.echo("notebooks")
    done = own_chain.run(planned, root, jobs=jobs, say=click.echo)
    click.echo("book")
    banner = own_chain.banner(source, own_chain.stamp_of(source))
    pages.build(done.works, root, folder / "html", skipped=done.skipped, banner=banner)
    click.echo(f"  open {os.path.relpath(folder / 'html' / 'index.html')}")
    if done.failed:
        sys.exit("\n\n".join(done.failed.values()))


def _extracted(url: str, blocks: str, view: str, folder: Path) -> str:
    """Return the folder of the trace of a window of blocks, extracted unless it is there already."""
    from rollstate.traces import extraction, store
    from rollstate.traces.chunks import Job

    job = Job(view, *options.window(blocks))
    if not folder.exists():
        extraction.extract(url, job, folder, progress=True)
    stamp = store.read_capability(folder)
    wanted = None if stamp.chain_id is None else job.capability(stamp.chain_id)
    if wanted is None or stamp != dataclasses.replace(wanted, extractor_version=stamp.extractor_version):
        raise InputError(
            f"{folder} holds another trace, {stamp.describe()}; choose another --out or remove it"
        )
    return str(folder)


def _by_chapter(given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return parameters named ``chapter.name``, or nested in a file, by chapter."""
    out: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        chapter, dot, inner = name.partition(".")
        if isinstance(value, dict) and not dot:
            out.setdefault(chapter, {}).update(value)
        elif dot and inner:
            out.setdefault(chapter, {})[inner] = value
        else:
            raise InputError(f"parameter {name!r} must be named CHAPTER.NAME, for example eda.{name}")
    return out


@click.command()
@click.argument("a", type=click.Path(exists=True, path_type=Path))
@click.argument("b", type=click.Path(exists=True, path_type=Path))
@options.out("The page to write.  [default: diff.html]")
def diff(a: Path, b: Path, out: Path | None) -> None:
    """Compare two runs, two folders of runs or releases: a page of numbers, inputs and figures side by side."""
    from rollstate.compendium import comparison, releases, snapshots
    from rollstate.compendium.files import write_text

    before, after = (
        releases.read(path).snapshot if releases.is_release(path) else snapshots.read(path) for path in (a, b)
    )
    target = out or Path("diff.html")
    write_text(target, comparison.page(before, after))
    for change in comparison.compare(before, after):
        if change.state != "same":
            click.echo("  ".join(filter(None, comparison.cells(change))))
    click.echo(f"open {os.path.relpath(target)}")


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--strict", is_flag=True, help="A number that cannot be judged counts as red.")
def gates(folder: Path | None, strict: bool) -> None:
    """Hold the headline numbers of the published runs, or of those in FOLDER, against their gates."""
    from rollstate.compendium import gates as rules
    from rollstate.compendium import releases, snapshots
    from rollstate.compendium.by_name import gates_of, parameter_class

    root = options.root()
    found = snapshots.read(folder or root / _RUNS)
    published = {chapter: parameter_class(chapter).resolve({}).as_dict() for chapter in found.runs}
    release = releases.latest(root / "releases")
    expected = gates_of(found.runs, release.results if release else {})
    verdicts = rules.judge(expected, found.results, found.runs, published)
    colours = {"green": "green", "red": "red", "not judged": "yellow"}
    for verdict in verdicts:
        click.secho(f"{verdict.state:<10} {verdict.key:<36} {verdict.why}", fg=colours[verdict.state])
    bad = ("red", "not judged") if strict else ("red",)
    if failed := [verdict.key for verdict in verdicts if verdict.state in bad]:
        sys.exit(f"{' or '.join(bad)}: {', '.join(failed)}")


@click.command()
@click.argument("what", required=False)
@click.option(
    "--style",
    type=click.Choice(["bibtex", "ris", "csl"]),
    default="bibtex",
    show_default=True,
    help="BibTeX, RIS or CSL-JSON.",
)
def cite(what: str | None, style: str) -> None:
    """Print the reference to the book, or to WHAT.

    WHAT is CHAPTER, CHAPTER/FIGURE, a number CHAPTER.KEY, or an anchor or address that the book shows:
    fig-CHAPTER-NAME, sha256-..., f/CHAPTER/FIGURE/, n/CHAPTER.KEY/.
    """
    from rollstate.compendium import citation, cited, runner, snapshots
    from rollstate.compendium.references import FORMS

    root = options.root()
    if what is None:
        reference = citation.book(root)
    elif what in runner.chapters(root):
        reference = citation.chapter(what, root)
    else:
        reference = cited.resolve(what, snapshots.read(root / _RUNS), root)
    click.echo(FORMS[style](reference), nl=False)


@click.command()
@click.argument("bundle", type=click.Path(exists=True, path_type=Path))
def verify(bundle: Path) -> None:
    """Make the figure of BUNDLE, a folder or its ZIP, again and say whether it came out the same.

    A built book, its folder or its ZIP, is the bundle of all its figures.
    """
    from rollstate.compendium import verification

    failed = []
    for found in verification.verify(bundle, options.root()):
        for line in found.lines:
            click.echo(f"  {line}")
        click.echo(f"{found.figure} " + ("is reproduced" if found.reproduced else "was not reproduced"))
        if not found.reproduced:
            failed.append(found.figure)
    if failed:
        sys.exit(f"not reproduced: {', '.join(failed)}")


@click.command()
@options.out("Folder to fill; what is in it is replaced.", required=True)
@click.option(
    "--runs", type=click.Path(exists=True, path_type=Path), help="Folder of runs.  [default: the book's]"
)
@click.option("--draft", is_flag=True, help="Allow uncommitted changes; the references say so.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    help="A Python format that \\rsnum[...] can name too; may be repeated.",
)
def latex(out: Path, runs: Path | None, draft: bool, formats: tuple[str, ...]) -> None:
    """Export every number as a macro, every figure as PDF, and their references, for a paper."""
    from rollstate.compendium import latex as tex
    from rollstate.compendium import provenance, snapshots

    root = options.root()
    if not draft:
        provenance.require_clean(root, "the paper (without --draft)")
    snapshot = snapshots.read(runs or root / _RUNS)
    tex.export(snapshot, root, out, formats)
    click.echo(f"{len(snapshot.results)} numbers, {len(snapshot.figures)} figures in {os.path.relpath(out)}")


@click.command()
@options.out("The file to write.  [default: _build/rollstate.pdf]")
def pdf(out: Path | None) -> None:
    """Print the whole book, as last run, into one PDF; needs a Chromium."""
    from rollstate.compendium import book as pages
    from rollstate.compendium import runner

    root = options.root()
    works = [runner.plan(name, {}, root, allow_published=True, fetch=False) for name in runner.chapters(root)]
    missing = [work.chapter for work in works if not (work.folder / "run.json").exists()]
    if missing:
        raise InputError(f"not run yet: {', '.join(missing)}; `make book` runs them")
    target = out or root / "_build" / "rollstate.pdf"
    pages.print_pdf(works, root, target)
    click.echo(os.path.relpath(target))


@click.command()
@click.argument("chapter")
@click.option(
    "-p",
    "grid",
    nargs=2,
    multiple=True,
    required=True,
    metavar="NAME V1,V2,...",
    help="Values of one parameter.",
)
@options.SCHEDULER
@options.out("Folder of the runs and of sweep.csv.", required=True)
def sweep(chapter: str, grid: tuple[tuple[str, str], ...], scheduler: str | None, out: Path) -> None:
    """Run CHAPTER at every combination of values, here or on a Dask cluster; finished points are not run again."""
    import pandas as pd
    from tqdm import tqdm

    from rollstate.compendium import sweeps
    from rollstate.compendium.files import write_bytes

    values = {name: options.read_yaml(f"[{texts}]", f"-p {name} {texts}") for name, texts in grid}
    count = len(sweeps.points(values))
    folder = out.resolve()
    made = sweeps.sweep(chapter, values, options.root(), folder, scheduler=scheduler)
    bar = tqdm(made, total=count, unit="run", disable=not sys.stderr.isatty())
    table = pd.concat(list(bar), ignore_index=True)
    write_bytes(folder / "sweep.csv", table.to_csv(index=False, lineterminator="\n").encode())
    click.echo(f"{count} runs, {len(table)} numbers in {os.path.relpath(folder / 'sweep.csv')}")


@click.command()
def release() -> None:
    """Keep numbers, tables and figures' data of the published runs as those of this version."""
    from rollstate.compendium import provenance, releases, runner, snapshots

    root = options.root()
    provenance.require_clean(root, "the release")
    works = [runner.plan(name, {}, root, fetch=False) for name in runner.chapters(root)]
    if due := [work.chapter for work in works if runner.reasons(work, root)]:
        raise InputError(f"not run with this code and data: {', '.join(due)}; `make book` runs them")
    path = releases.write(snapshots.read(root / _RUNS), rollstate.__version__, root)
    click.echo(os.path.relpath(path))


COMMANDS = (book, diff, gates, cite, verify, latex, pdf, sweep, release)
