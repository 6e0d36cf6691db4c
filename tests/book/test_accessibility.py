"""The book for every reader: axe-core finds nothing serious, pages are light, the PDF is whole."""

import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from pypdf import PdfReader

from rollstate.compendium import book, runner

pytestmark = pytest.mark.browser

MOST_BYTES = 2_000_000
SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(chromium, pages, address_samples, html, scheme):
    page = chromium.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme)
    found = {}
    for path in [*pages, *address_samples]:
        page.goto(path.as_uri())
        page.wait_for_load_state("load")
        violations = Axe().run(page).response["violations"]
        bad = [
            f"{v['id']}: {v['help']}; {[node['target'] for node in v['nodes']][:3]}"
            for v in violations
            if v["impact"] in SERIOUS
        ]
        if bad:
            found[str(path.relative_to(html))] = bad
    page.close()
    assert not found, json.dumps(found, indent=1)


def test_a_page_loads_below_two_megabytes_before_its_figures(chromium, pages, html):
    for path in pages:
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        loaded = set()
        page.on("request", lambda request, loaded=loaded: loaded.add((request.url, request.resource_type)))
        page.goto(path.as_uri())
        page.wait_for_load_state("load")
        page.close()
        files = {urlsplit(url).path for url, kind in loaded if kind != "image" and url.startswith("file:")}
        size = sum(Path(unquote(file)).stat().st_size for file in files)
        assert size < MOST_BYTES, f"{path.relative_to(html)} loads {size} bytes"


def test_no_page_needs_the_styles_that_are_left_out(pages):
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert 'class="sd-' not in text, (
            f"{path} uses tabs or grids: see UNUSED in rollstate.compendium.cleaning"
        )
        assert "thebe" not in text.lower()


def test_every_figure_is_lazy_and_has_a_text(pages):
    images = [
        tag
        for path in pages
        for tag in re.findall(r"<img\b[^>]*>", path.read_text(encoding="utf-8"))
        if "_images/" in tag
    ]
    assert len(images) > 20
    for tag in images:
        assert 'loading="lazy"' in tag
        assert len(re.search(r'alt="([^"]*)"', tag)[1].split()) >= 4


@pytest.fixture(scope="module")
def pdf(root, html, tmp_path_factory):
    """The whole book as one PDF."""
    works = [runner.plan(name, {}, root, allow_published=True, fetch=False) for name in runner.chapters(root)]
    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    book.print_pdf(works, root, target)
    return PdfReader(target)


def test_pdf_has_every_chapter_and_links_that_hold(pdf, root):
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pdf.pages))
    inside, outside = 0, set()
    for page in pdf.pages:
        for annotation in page.get("/Annots") or []:
            entry = annotation.get_object()
            uri = entry.get("/A", {}).get("/URI")
            inside += uri is None
            outside |= {str(uri)} if uri else set()
    assert inside > 100
    work, front = book.citation.summary(root), pdf.pages[0].extract_text()
    for said in (work["version"], work["date"], work["url"], "Licence", work["author"].strip("{}")):
        assert said in front, said
    assert all(uri.startswith(("https://", "http://")) for uri in outside), sorted(outside)[:5]
    for chapter in runner.chapters(root):
        title = book.citation.heading(root / "notebooks" / f"{chapter}.ipynb").replace("`", "")
        assert title in text, title


def test_pdf_figures_are_vectors_letters_have_their_size_and_pages_are_full(pdf):
    letters, short = Counter(), 0
    for number, page in enumerate(pdf.pages):
        assert not page.images, f"page {number}: a figure was printed as pixels"
        seen = []
        page.extract_text(
            visitor_text=lambda text, cm, tm, font, size, seen=seen: seen.append(
                (cm[4] + tm[4] * cm[0], cm[5] + tm[5] * cm[3], abs(size * tm[0] * cm[0]), text)
            )
        )
        seen = [one for one in seen if one[3].strip()]
        beyond = [text for x, _, _, text in seen if x > float(page.mediabox.width)]
        assert not beyond, f"page {number}: {beyond[:3]}"
        for _, _, size, text in seen:
            letters[round(size, 1)] += len(text)
        short += min((y for _, y, _, _ in seen), default=float("inf")) > float(page.mediabox.height) / 2
    # Anything wider than the paper makes the browser print every page smaller.
    assert letters.most_common(1)[0][0] == 10
    # Chapters end where they end; nothing else may leave half of a page empty.
    assert short < 0.1 * len(pdf.pages)
