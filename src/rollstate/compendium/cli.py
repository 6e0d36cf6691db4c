"""The command line: run, why, status, build, figures, data, extract, lint; `publishing` has the rest."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

import rollstate
from rollstate.compendium import (
    advise_command,
    check_command,
    export_command,
    import_command,
    options,
    plan_command,
    policy_commands,
    profile_commands,
    publishing,
    replay_command,
)
from rollstate.compendium.files import REMEDIES, cannot_write
from rollstate.errors import InputError, RollstateError


class _Group(click.Group):
    """A command group that prints the package's own errors, and an interrupt, as one message, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RollstateError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            # A fault of the program keeps its traceback; a full or read-only disk is none.
            if error.errno not in REMEDIES:
                raise
            raise click.ClickException(cannot_write(error)) from error
        except KeyboardInterrupt:
            click.echo("\nStopped. What was finished is kept; the same command goes on from there.", err=True)
            # What a shell expects of a program that an interrupt ended.
            sys.exit(128 + signal.SIGINT)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(rollstate.__version__, prog_name="rollstate")
def main() -> None:
    """Run the notebooks of the compendium and build its book."""


@main.command()
@click.argument("notebooks", nargs=-1)
@options.PARAMETER
@options.FILE
@options.JOBS
@options.out("Folder of the run (one notebook).")
@click.option("--force", is_flag=True, help="Run even what is fresh.")
@click.option("--quiet", is_flag=True, help="Do not say each step of a notebook.")
@options.SCHEDULER
def run(
    notebooks: tuple[str, ...],
    pairs: Any,
    file: Any,
    jobs: int,
    out: Path | None,
    force: bool,
    quiet: bool,
    scheduler: str | None,
) -> None:
    """Run NOTEBOOKS (all by default), only those whose inputs changed.

    With --scheduler the workers of a Dask cluster read the parts of a trace folder, which they must see. Results are
    the same.
    """
    from rollstate.compendium import runner

    options.use_scheduler(scheduler)
    root, given = options.root(), options.parameters(pairs, file)
    names = list(notebooks) or runner.chapters(root)
    if (given or out) and len(names) != 1:
        raise InputError("parameters and --out belong to one notebook: name exactly one")
    works = [runner.plan(name, given, root, out=out.resolve() if out else None) for name in names]
    runner.run_all(works, root, jobs=jobs, say=click.echo, force=force, quiet=quiet)
    for work in works:
        click.echo(f"  {work.chapter:<18} {os.path.relpath(work.folder)}")


@main.command()
@click.argument("notebook")
@options.PARAMETER
@options.FILE
@options.out("Folder of the run (one notebook).")
def why(notebook: str, pairs: Any, file: Any, out: Path | None) -> None:
    """Say why NOTEBOOK would run, or that it would not."""
    from rollstate.compendium import runner

    root = options.root()
    out = out.resolve() if out else None
    work = runner.plan(
        notebook, options.parameters(pairs, file), root, allow_published=True, fetch=False, out=out
    )
    lines = runner.reasons(work, root)
    click.echo(
        f"{notebook} is fresh: nothing it depends on changed" if not lines else f"{notebook} would run:"
    )
    for line in lines:
        click.echo(f"  {line}")


@main.command()
def status() -> None:
    """Say for every notebook whether its results match code, parameters, data and lock, for every figure its files."""
    from rollstate.compendium import bundles, runner

    root = options.root()
    for name in runner.chapters(root):
        work = runner.plan(name, {}, root, allow_published=True, fetch=False)
        lines = runner.reasons(work, root)
        click.echo(f"{name:<18} " + ("fresh" if not lines else "stale: " + "; ".join(lines)))
        for folder in sorted((work.folder / "figures").glob("*/")):
            try:
                changed = bundles.altered(folder)
            except InputError:
                # The record itself is gone; the line of the chapter says it too.
                changed = ["provenance.json"]
            click.echo(
                f"  {folder.name:<24} "
                + (f"altered since: {', '.join(changed)}" if changed else "as written")
            )


@main.command()
@options.JOBS
@click.option(
    "--real-only", is_flag=True, help="Stop where data cannot be had, instead of showing what was published."
)
def build(jobs: int, real_only: bool) -> None:
    """Run what is due and build the book into _build/html."""
    from rollstate.compendium import book, runner

    started = time.perf_counter()
    root = options.root()
    names = runner.chapters(root)
    click.echo("notebooks")
    works = [runner.plan(name, {}, root, allow_published=not real_only) for name in names]
    for work in works:
        if work.missing:
            what = "what needs it is" if work.executed else "the page shows results"
            click.secho(
                f"  {work.chapter}: {', '.join(work.missing)} not here, {what} taken from the last release",
                fg="yellow",
            )
    runner.run_all(works, root, jobs=jobs, say=click.echo)
    click.echo("book")
    target = root / "_build" / "html"
    changed = book.build(works, root, target)
    click.echo(f"  {'built' if changed else 'fresh'} in {time.perf_counter() - started:.1f} s")
    click.echo(f"  open {os.path.relpath(target / 'index.html')}")


@main.command()
def figures() -> None:
    """List the figures of the finished runs with their files."""
    from rollstate.compendium import runner

    root = options.root()
    for name in runner.chapters(root):
        for folder in sorted((root / "_build" / "runs" / name / "figures").glob("*")):
            text = folder / "caption.txt"
            caption = text.read_text(encoding="utf-8").strip() if text.is_file() else "caption.txt is gone"
            click.echo(f"{name}/{folder.name}\n  {caption}\n  {os.path.relpath(folder)}")


@main.group()
def data() -> None:
    """List, fetch and check the public data sets."""


@data.command("list")
def data_list() -> None:
    """List the data sets: whether profile and data are here, or to be had by address; size, licence, description."""
    from rollstate.profile import shipped
    from rollstate.traces import datasets

    profiles = shipped()
    for name in datasets.names():
        here = "profile here" if name in profiles else ""
        click.echo(f"{name:<20} {here:<12}  {datasets.describe(name).removeprefix(name).lstrip()}")


@data.command("fetch")
@click.argument("names", nargs=-1)
def data_fetch(names: tuple[str, ...]) -> None:
    """Fetch NAMES (all that can be fetched by default) and check their SHA-256."""
    from rollstate.traces import datasets

    failed = []
    for name in names or [
        name for name in datasets.names() if datasets.is_here(name) or datasets.is_fetchable(name)
    ]:
        try:
            click.echo(f"{name:<18} {datasets.locate(name)}")
        except RollstateError as error:
            failed.append(name)
            click.echo(f"{name:<18} {error}", err=True)
    if failed:
        sys.exit(f"not available: {', '.join(failed)}")


@main.command()
@click.option(
    "--rpc",
    "url",
    required=True,
    envvar="ROLLSTATE_RPC",
    help="Endpoint; or ROLLSTATE_RPC, out of the history.",
)
@click.option(
    "--blocks", required=True, metavar="A:B", help="Half-open window: from block A up to, not including, B."
)
@click.option(
    "--view",
    required=True,
    type=click.Choice(["prestate", "transfers", "batches"]),
    help="What to ask for: storage as the tracer sees it, transfers of tokens, or the times at which batches A to B "
    "of a ZKsync chain were committed, proven and executed.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the trace; CSV file of the batches.",
)
@click.option("--receipts", is_flag=True, help="Also gas and outcome of every transaction.")
@click.option(
    "--layouts",
    type=click.Path(path_type=Path),
    help="JSON of token layouts: transfers then give real storage slots, of these tokens alone.",
)
@click.option("--chunk", default=0, help="Blocks in a chunk; 50 for prestate, 1000 for transfers by default.")
@click.option("--concurrency", default=16, show_default=True, help="Requests under way at once.")
@click.option(
    "--skip-untraceable",
    is_flag=True,
    help="Leave out blocks the tracer fails on, and stamp them as not observed.",
)
@click.option("--overwrite", is_flag=True, help="Replace a finished trace.")
def extract(
    url: str,
    blocks: str,
    view: str,
    out: Path,
    receipts: bool,
    layouts: Path | None,
    chunk: int,
    concurrency: int,
    skip_untraceable: bool,
    overwrite: bool,
) -> None:
    """Read a trace from a live chain; run it again to resume where it stopped."""
    from rollstate.traces import batch_times, extraction
    from rollstate.traces.chunks import Job
    from rollstate.traces.rpc import Limits
    from rollstate.traces.transfer_logs import read_layouts

    if view == "batches":
        if receipts or layouts or chunk or skip_untraceable:
            raise InputError(
                "--receipts, --layouts, --chunk and --skip-untraceable belong to the views of traces"
            )
        limits = Limits(concurrency=concurrency)
        start, stop = options.window(blocks)
        click.echo(batch_times.extract(url, start, stop, out.resolve(), limits=limits, overwrite=overwrite))
        return
    known = None if layouts is None else read_layouts(layouts)
    job = Job(view, *options.window(blocks), chunk, receipts, known, skip_untraceable)
    limits = Limits(concurrency=concurrency)
    click.echo(extraction.extract(url, job, out.resolve(), limits=limits, overwrite=overwrite, progress=True))


@main.command()
def lint() -> None:
    """Fail on typed numbers, undefined terms, long notebooks, faults of prose, and results without their test."""
    from rollstate.compendium import by_name, glossary, prose_lint, runner
    from rollstate.compendium import lint as rules
    from rollstate.compendium.declared import Declared
    from rollstate.traces import datasets

    root = options.root()
    lines = [str(finding) for finding in rules.lint_prose(root)] + rules.long_code(root)
    lines += glossary.findings(glossary.terms(root), glossary.prose(root))
    declared: dict[str, Declared] = {}
    for name in runner.chapters(root):
        results = by_name.result_class(name)
        lines += rules.missing_guards(results.guards(), root)
        declared |= {f"{name}.{key}": one for key, one in results.declared().items()}
    lines += prose_lint.findings(root, declared, frozenset(datasets.names()))
    for line in lines:
        click.echo(line)
    if lines:
        sys.exit(f"{len(lines)} findings")


for _command in (
    *publishing.COMMANDS,
    *profile_commands.COMMANDS,
    *policy_commands.COMMANDS,
    check_command.check,
    import_command.import_,
    export_command.export,
    replay_command.replay,
    plan_command.plan,
    advise_command.advise,
):
    main.add_command(_command)
