"""The built book, and Chromium to open it with."""

import os
import shutil
from pathlib import Path

import pytest
from tests.needs import absent

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def html(root) -> Path:
    """Folder of the built book."""
    folder = root / "_build" / "html"
    if not (folder / "build.json").exists():
        absent("the book is not built: run `make book` first")
    return folder


@pytest.fixture(scope="session")
def addresses(html) -> list[Path]:
    """The pages of single numbers and figures."""
    return sorted(path for kind in ("n", "f") for path in (html / kind).rglob("*.html"))


@pytest.fixture(scope="session")
def address_samples(html, addresses) -> list[Path]:
    """A few of them, of each kind: the same template makes them all."""
    gone = [path for path in addresses if "class='gone'" in path.read_text(encoding="utf-8")]
    numbers = [path for path in addresses if path.is_relative_to(html / "n") and path not in gone]
    figures = [path for path in addresses if path.is_relative_to(html / "f") and path not in gone]
    return [*gone[:1], *numbers[:: len(numbers) // 3], *figures[:: len(figures) // 3]]


@pytest.fixture(scope="session")
def pages(html, addresses) -> list[Path]:
    """Every page of the book itself; the redirect at the root is not one."""
    found = sorted(
        path
        for path in html.rglob("*.html")
        if "_static" not in path.parts
        and path not in set(addresses)
        and 'http-equiv="Refresh"' not in path.read_text(encoding="utf-8")
    )
    assert len(found) > 5
    return found


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("ROLLSTATE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        absent("Chromium is not installed: apt-get install chromium, or name it with ROLLSTATE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()
