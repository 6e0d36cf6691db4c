"""The book as a reader sees it: opened from the file system in a real browser."""

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(params=[("wide", 1400, "light"), ("phone", 390, "dark")], ids=lambda p: p[0])
def view(request, chromium):
    """A browser page that records every error and every request that is not a local file."""
    _, width, scheme = request.param
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.problems = []
    page.on("console", lambda message: message.type == "error" and page.problems.append(message.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))

    def failed(request):
        # A page that is left gives up what it had not loaded yet.
        if request.failure != "net::ERR_ABORTED":
            page.problems.append(f"failed {request.url}: {request.failure}")

    page.on("requestfailed", failed)

    def outside(request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            page.problems.append(f"left the machine: {request.url}")

    page.on("request", outside)
    yield page
    page.close()


def test_every_page_opens_without_an_error_and_fits_the_screen(view, pages, address_samples, html):
    for path in [*pages, *address_samples]:
        view.goto(path.as_uri())
        view.wait_for_load_state("load")
        # Figures load lazily: go through the page as a reader does.
        view.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
        view.wait_for_function("[...document.images].every(i => i.complete)")
        assert view.problems == [], path
        broken = view.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
        assert broken == [], path
        bent = view.evaluate(
            """[...document.images].filter(i => i.offsetHeight &&
              Math.abs(i.offsetHeight - i.offsetWidth * i.naturalHeight / i.naturalWidth) > 2).map(i => i.src)"""
        )
        assert bent == [], path
        width = view.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 1, f"{path.relative_to(html)} is {width} px wider than the screen"


def test_equations_are_rendered(view, pages):
    with_math = [path for path in pages if 'class="math' in path.read_text()]
    assert with_math
    for path in with_math:
        view.goto(path.as_uri())
        view.wait_for_selector("mjx-container", timeout=20_000)
        assert view.locator(".math mjx-merror").count() == 0
        assert view.problems == []


def test_a_number_says_where_it_comes_from_on_hover_and_by_keyboard(view, html):
    view.goto((html / "notebooks" / "traces.html").as_uri())
    number = view.locator(".bd-article .rs-num").first
    tip = number.locator(".rs-tip")
    assert not tip.is_visible()
    number.hover()
    assert tip.is_visible()
    said = tip.inner_text()
    for part in ("value", "source", "guarded by", "tests/"):
        assert part in said
    # A number is computed here, or taken from a release where its data is not here; the box says which.
    assert ("computed in" in said) != ("published in" in said)
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= view.viewport_size["width"] + 1
    view.mouse.move(0, 0)
    number.locator("a").focus()
    view.keyboard.press("Shift+Tab")
    view.keyboard.press("Tab")
    assert tip.is_visible()


def test_search_finds_a_word_without_a_server(view, html):
    view.goto((html / "search.html").as_uri() + "?q=censored")
    view.wait_for_selector("ul.search li", timeout=20_000)
    assert view.problems == []


def test_dark_mode_follows_the_reader(chromium, html):
    colours = set()
    for scheme in ("light", "dark"):
        page = chromium.new_page(color_scheme=scheme)
        page.goto((html / "book" / "index.html").as_uri())
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert len(colours) == 2


def test_pictures_have_their_place_before_they_are_loaded(chromium, html):
    page = chromium.new_page()
    page.route("**/_images/*.svg", lambda route: route.abort())
    page.goto((html / "notebooks" / "tiering.html").as_uri())
    pictures = page.locator("figure.rs-figure img").all()
    assert pictures
    for one in pictures:
        width, height = (int(one.get_attribute(side)) for side in ("width", "height"))
        place = one.bounding_box()
        assert place["height"] == pytest.approx(place["width"] * height / width, rel=0.01)
    page.close()


def test_a_number_leads_to_its_own_page(view, html):
    view.goto((html / "book" / "index.html").as_uri())
    number = view.locator(".bd-article .rs-num > a").first
    said = number.inner_text()
    number.click()
    view.wait_for_selector("p.value")
    assert "/n/" in view.url
    assert view.locator("p.value").inner_text().startswith(said.split("\u2020")[0])
    assert view.problems == []


def test_lists_are_filtered_as_one_types(view, html):
    for page, item in (("numbers", "table.rs-table > tbody > tr"), ("figures", ".rs-figure-item")):
        view.goto((html / "book" / f"{page}.html").as_uri())
        view.wait_for_selector(".rs-filter input")
        everything = view.locator(f".rs-list {item}:visible").count()
        view.fill(".rs-filter input", "reuse hot")
        shown = view.locator(f".rs-list {item}:visible")
        assert 0 < shown.count() < everything
        assert all("hot" in text.lower() for text in shown.all_inner_texts())
        view.fill(".rs-filter input", "no such thing")
        assert view.locator(f".rs-list {item}:visible").count() == 0
        view.fill(".rs-filter input", "")
        assert view.locator(f".rs-list {item}:visible").count() == everything


def test_a_table_sorts_by_number_both_ways_by_keyboard(view, html):
    view.goto((html / "n" / "traces.slots" / "index.html").as_uri())
    head = view.locator("th", has_text="version").first
    column = "table.rs-table tbody tr td:first-child"
    view.wait_for_selector("th .rs-sort")
    before = view.locator(column).all_inner_texts()
    head.locator("button").focus()
    view.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    rising = view.locator(column).all_inner_texts()
    assert rising[:2] == ["0.1.0", "0.2.0"]
    view.keyboard.press("Enter")
    falling = view.locator(column).all_inner_texts()
    assert falling[0] == "this build"
    assert sorted(falling) == sorted(before)


def test_an_anchor_of_old_content_unfolds_the_list_that_has_it(view, html):
    page = html / "book" / "numbers.html"
    view.goto(page.as_uri())
    anchor = view.evaluate("document.querySelector('.rs-tombstones li').id")
    view.goto("about:blank")
    view.goto(f"{page.as_uri()}#{anchor}")
    assert view.locator(f"#{anchor}").is_visible()
