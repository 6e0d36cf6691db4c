"""The whole book as one PDF: one page of HTML, printed by Chromium, figures as vectors, links inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rollstate.compendium.files import write_bytes
from rollstate.errors import RollstateError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
TIME_LIMIT_S = 600


class PrintingError(RollstateError):
    """There is no browser to print with, or it failed."""


def browser() -> str:
    """Return the command of a Chromium: the one ROLLSTATE_CHROMIUM names, or one on the path."""
    found = os.environ.get("ROLLSTATE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise PrintingError(
            f"no browser to print with: install one of {', '.join(BROWSERS)}, or name one in ROLLSTATE_CHROMIUM"
        )
    return found


def to_pdf(page: Path, target: Path) -> None:
    """Print one HTML file, without a network; the old `target` stays if that fails.

    Raises
    ------
    PrintingError
        If there is no browser, or it prints nothing.
    """
    with tempfile.TemporaryDirectory(prefix="rollstate-print-") as temporary:
        made = Path(temporary) / "book.pdf"
        command = [
            browser(), "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
            f"--user-data-dir={temporary}/profile", "--host-resolver-rules=MAP * ~NOTFOUND",
            # Time enough for the formulas to be set; virtual, so it costs nothing where there are none.
            "--virtual-time-budget=60000", "--run-all-compositor-stages-before-draw",
            "--no-pdf-header-footer", "--generate-pdf-document-outline",
            f"--print-to-pdf={made}", page.resolve().as_uri(),
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Chromium refuses its sandbox to root, as in a container.
            command.insert(1, "--no-sandbox")
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise PrintingError(f"the browser did not finish printing within {TIME_LIMIT_S} s") from error
        if not made.is_file() or not made.stat().st_size:
            raise PrintingError(f"the browser printed nothing: {done.stderr[-2000:]}")
        write_bytes(target, made.read_bytes())
