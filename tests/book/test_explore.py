"""Figures to touch: tabs, a chart with a slider over what was computed, and its state in the address."""

import csv
import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

FIGURE = "#fig-tiering-ratios"
SERIOUS = {"serious", "critical"}


def listed(html):
    return sorted(
        path.relative_to(html / "_static" / "explore")
        for path in (html / "_static" / "explore").rglob("*.js")
    )


@pytest.fixture(params=[(1300, "light"), (390, "dark")], ids=["wide", "phone"])
def view(request, chromium):
    """A page that notes what it says, what fails and what leaves the machine."""
    width, scheme = request.param
    page = chromium.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    page.problems, page.loaded = [], []
    page.on("console", lambda said: said.type in ("error", "warning") and page.problems.append(said.text))
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda one: page.loaded.append(one.url))
    yield page
    assert page.problems == []
    assert [url for url in page.loaded if not url.startswith(("file:", "data:", "blob:"))] == []
    page.close()


def explore(page, figure):
    page.locator(f"{figure} .rs-explore").click()
    page.wait_for_selector(f"{figure} .rs-vega svg", timeout=30_000)


def rows(page, figure):
    """Return the values that the table below the chart shows, by series."""
    cells = page.locator(f"{figure} .rs-readout tbody tr")
    return {
        cells.nth(i).locator("button").inner_text().strip(): float(
            cells.nth(i).locator("[data-value]").get_attribute("data-value")
        )
        for i in range(cells.count())
    }


def test_scripts_are_loaded_when_a_reader_asks_and_no_sooner(view, html):
    view.goto((html / "notebooks" / "tiering.html").as_uri())
    view.wait_for_load_state("load")
    assert not [url for url in view.loaded if "/vega" in url or "/explore/" in url]
    explore(view, FIGURE)
    assert len([url for url in view.loaded if "/vega/" in url]) == 3
    assert view.locator(f"{FIGURE} img").is_hidden()
    width = view.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 1
    view.locator(f"{FIGURE} .rs-explore").click()
    expect(view.locator(f"{FIGURE} img")).to_be_visible()
    assert view.locator(f"{FIGURE} .rs-explorer").count() == 0


@pytest.mark.parametrize("view", [(390, "dark")], ids=["phone"], indirect=True)
def test_every_explorable_figure_draws_what_its_file_says_and_fits(view, html):
    """On every page, one after the other: the table at the slider's start has the values of the specification."""
    here = ""
    for path in listed(html):
        chapter, name = path.parts[0], path.stem
        figure = f"#fig-{chapter}-{name}".replace("_", "-")
        spec = json.loads((html / "_static" / "explore" / chapter / f"{name}.vl.json").read_text())
        about = spec["usermeta"]["rollstate"]
        if chapter != here:
            view.goto((html / "notebooks" / f"{chapter}.html").as_uri())
            here = chapter
        explore(view, figure)
        shown = rows(view, figure)
        choose, at = about["choose"], about["slider"]["start"]
        for series, value in shown.items():
            own = [
                row
                for row in spec["data"]["values"]
                if row[about["series"]["field"]] == series
                and (choose is None or row[choose["field"]] == choose["values"][0])
                and (
                    row[about["slider"]["field"]] <= at
                    if about["step"]
                    else row[about["slider"]["field"]] == at
                )
            ]
            own.sort(key=lambda row: row[about["slider"]["field"]])
            # Where a series has two rows at one value of the slider, the first is shown.
            expected = own[-1] if about["step"] else own[0]
            assert value == expected[about["y"]["field"]], (path, series)
        assert shown, path
        assert view.locator(f"{figure} .rs-vega path").count() > len(shown), path
        width = view.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 1, path


def test_the_slider_moves_by_keyboard_to_the_values_of_the_file(view, html):
    with (html / "_static" / "figures" / "tiering" / "ratios" / "ratios.csv").open(newline="") as file:
        published = {(row["policy"], float(row["miss"])): float(row["ratio"]) for row in csv.DictReader(file)}
    view.goto((html / "notebooks" / "tiering.html").as_uri())
    explore(view, FIGURE)
    slider = view.locator(f'{FIGURE} input[name="at"]')
    start = float(slider.get_attribute("aria-valuetext").replace(",", ""))
    stops = sorted({miss for _, miss in published})
    slider.focus()
    view.keyboard.press("Home")
    for stop in stops:
        assert rows(view, FIGURE) == {
            name: ratio for (name, miss), ratio in published.items() if miss == stop
        }
        assert slider.get_attribute("aria-valuetext") == f"{stop:,.0f}"
        # The address names what differs from the start.
        named = f"&at={stop:.0f}" if slider.evaluate("one => location.hash.includes('at=')") else ""
        assert view.url.endswith(f"#explore=tiering/ratios{named}")
        assert bool(named) == (stop != start)
        view.keyboard.press("ArrowRight")


def test_a_point_says_its_values_on_hover_and_brings_its_line_out_on_a_click(chromium, html):
    page = chromium.new_page(viewport={"width": 1300, "height": 900})
    page.goto((html / "f" / "proving" / "throughput" / "index.html").as_uri())
    explore(page, "figure")
    point = page.locator("figure .rs-vega g.points_marks path").last
    point.hover()
    tip = page.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert "simulated, with failures" in tip.inner_text()
    assert "batches proved per hour" in tip.inner_text()
    point.click()
    page.wait_for_function("location.hash.includes('focus=')")
    assert page.locator('figure [aria-pressed="true"]').inner_text().strip() == "simulated, with failures"
    faded = page.locator("figure .rs-vega g.mark-line path")
    assert sorted(float(one.get_attribute("opacity")) for one in faded.all()) == [0.12, 1.0]
    page.close()


def test_the_address_brings_back_slider_focus_and_zoom(view, html, chromium):
    view.goto((html / "notebooks" / "tiering.html").as_uri())
    explore(view, FIGURE)
    view.locator(f'{FIGURE} input[name="at"]').focus()
    view.keyboard.press("Home")
    view.keyboard.press("ArrowRight")
    view.locator(f'{FIGURE} input[name="x_to"]').focus()
    view.keyboard.press("ArrowLeft")
    view.locator(f"{FIGURE} .rs-readout button", has_text="expected cost, Cox").click()
    view.locator(f'{FIGURE} input[name="whole"]').check()
    before = rows(view, FIGURE)
    address = view.url
    assert re.search(r"#explore=tiering/ratios&at=3&", address.replace("%2F", "/"))
    other = chromium.new_page()
    other.goto(address)
    other.wait_for_selector(f"{FIGURE} .rs-vega svg", timeout=30_000)
    assert rows(other, FIGURE) == before
    assert other.locator(f'{FIGURE} [aria-pressed="true"]').inner_text().strip() == "expected cost, Cox"
    assert other.locator(f'{FIGURE} input[name="whole"]').is_checked()
    assert other.locator(f'{FIGURE} input[name="x_to"]').get_attribute("aria-valuetext") == "300,000"
    other.close()
    view.locator(f"{FIGURE} button", has_text="Reset").click()
    assert view.url.endswith("#explore=tiering/ratios")


def test_an_address_with_unknown_values_shows_the_start(chromium, html):
    page = chromium.new_page()
    page.goto(
        (html / "notebooks" / "tiering.html").as_uri() + "#explore=tiering/ratios&at=x&focus=none&x_from=9e9"
    )
    page.wait_for_selector(f"{FIGURE} .rs-vega svg", timeout=30_000)
    assert page.url.endswith("#explore=tiering/ratios")
    page.goto("about:blank")
    page.goto((html / "notebooks" / "tiering.html").as_uri() + "#explore=no/such")
    assert page.locator(".rs-vega").count() == 0
    page.close()


def test_dragging_across_the_chart_zooms_and_a_double_click_shows_all(chromium, html):
    page = chromium.new_page(viewport={"width": 1300, "height": 900})
    page.goto((html / "notebooks" / "tiering.html").as_uri())
    explore(page, FIGURE)
    chart = page.locator(f"{FIGURE} .rs-vega svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    y = box["y"] + 0.5 * box["height"]
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], y, steps=4)
    page.mouse.move(box["x"] + 0.7 * box["width"], y, steps=4)
    page.mouse.up()
    page.wait_for_function("location.hash.includes('x_from=') && location.hash.includes('x_to=')")
    page.wait_for_timeout(300)
    page.mouse.dblclick(box["x"] + 0.5 * box["width"], y)
    page.wait_for_function("!location.hash.includes('x_from=')")
    page.close()


def test_tabs_by_keyboard_show_a_table_that_sorts_the_files_and_the_citation(view, html):
    view.goto((html / "notebooks" / "tiering.html").as_uri())
    figure = view.locator("#fig-tiering-horizon")
    figure.get_by_role("tab", name="Chart").focus()
    view.keyboard.press("ArrowRight")
    assert figure.get_by_role("tab", name="Table").get_attribute("aria-selected") == "true"
    assert figure.locator("img").is_hidden()
    head = figure.locator("th", has_text="ratio")
    head.locator("button").click()
    cells = figure.locator("tbody tr td:last-child")
    values = [float(text) for text in cells.all_inner_texts()]
    assert values == sorted(values)
    assert len(values) == 20
    view.keyboard.press("Tab")
    figure.get_by_role("tab", name="Table").focus()
    view.keyboard.press("ArrowRight")
    files = figure.locator(".rs-panel:visible a[download]")
    assert {"PDF", "SVG", "PNG", "CSV", "ZIP"} <= set(files.all_inner_texts())
    view.keyboard.press("End")
    assert figure.locator(".rs-panel:visible pre").inner_text().startswith("@misc{rollstate-tiering-horizon")
    view.keyboard.press("Home")
    expect(figure.locator("img")).to_be_visible()


def test_a_figure_is_enlarged_until_its_letters_can_be_read(view, html):
    view.goto((html / "notebooks" / "tiering.html").as_uri())
    view.locator(f"{FIGURE} .rs-enlarge").click()
    large = view.locator("dialog.rs-large img")
    view.wait_for_function("document.querySelector('dialog.rs-large img').naturalWidth > 0")
    # Seven inches are 504 points; the smallest letters have 7.
    assert large.bounding_box()["width"] / 504 * 7 >= 11
    view.keyboard.press("Escape")
    view.wait_for_selector("dialog.rs-large", state="detached")
    assert view.evaluate("document.activeElement.className") == "rs-enlarge"


def test_open_charts_tables_and_enlarged_figures_have_no_serious_finding(view, html):
    view.goto((html / "notebooks" / "tiering.html").as_uri())
    explore(view, FIGURE)
    view.locator("#fig-tiering-horizon").get_by_role("tab", name="Table").click()
    problems = list(view.problems)
    found = Axe().run(view, context="article").response["violations"]
    # The checker asks for style sheets in a way that a file has no answer to.
    view.problems = problems
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS] == []


def test_a_figure_on_its_own_page_can_be_explored_too(view, html):
    view.goto((html / "f" / "proving" / "frontier" / "index.html").as_uri())
    explore(view, "figure")
    assert rows(view, "figure")
    assert view.url.endswith("#explore=proving/frontier")


def test_without_scripts_the_picture_and_its_links_are_there(chromium, html):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((html / "notebooks" / "tiering.html").as_uri())
    expect(page.locator(f"{FIGURE} img")).to_be_visible()
    assert page.locator(f"{FIGURE} a[download]").count() >= 5
    assert page.locator(f"{FIGURE} .rs-explore").count() == 0
    context.close()
