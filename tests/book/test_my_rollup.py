"""The page "My rollup" gives what the package gives, keeps its state in its address, and sends nothing anywhere."""

import math

import numpy as np
import pytest

from rollstate.compendium import my_rollup

pytestmark = pytest.mark.browser

POINTS = 150


def grid():
    """Points over all inputs: each at its ends with the others at their defaults, then all drawn at once."""
    inputs = my_rollup.inputs()
    start = {one.name: float(one.start) for one in inputs}
    points = [start]
    points += [{**start, one.name: float(end)} for one in inputs for end in (one.low, one.high)]
    rng = np.random.default_rng(20_261_127)
    for _ in range(POINTS):
        point = {}
        for one in inputs:
            low = one.low if one.low > 0 else one.high * 1e-9
            value = math.exp(rng.uniform(math.log(low), math.log(one.high)))
            value = min(max(value, one.low), one.high)
            point[one.name] = float(round(value)) if one.whole else value
        points.append(point)
    # Near what the reader is likely to set, more of the answers exist.
    for _ in range(POINTS):
        near = {one.name: min(max(one.start * rng.uniform(0.5, 2), one.low), one.high) for one in inputs}
        points.append(
            {one.name: float(round(near[one.name])) if one.whole else near[one.name] for one in inputs}
        )
    return points


def test_every_answer_is_the_packages_to_a_billionth(chromium, root):
    points = grid()
    page = chromium.new_page()
    page.set_content("<p>formulas alone</p>")
    page.add_script_tag(path=root / "book" / "_static" / "my_rollup.js")
    found = page.evaluate("points => points.map(myRollup.answers)", points)
    page.close()
    answered = dict.fromkeys(found[0], 0)
    for point, browser in zip(points, found, strict=True):
        package = my_rollup.answers(point)
        assert browser.keys() == package.keys()
        for name, value in package.items():
            if value is None:
                assert math.isnan(browser[name]), (name, browser[name], point)
                continue
            assert browser[name] == pytest.approx(value, rel=1e-9, abs=1e-300), (name, point)
            answered[name] += 1
    assert min(answered.values()) > len(points) / 5, answered


@pytest.fixture
def form(chromium, html):
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.requests = []
    page.on("request", lambda request: page.requests.append(request.url))
    page.goto((html / "book" / "my_rollup.html").as_uri())
    yield page
    assert all(url.startswith("file:") for url in page.requests)
    page.close()


def shown(page, name):
    return page.locator(f'output[name="{name}"]').inner_text()


def test_the_page_starts_with_the_chapters_values(form):
    assert shown(form, "delay_worst") == "184"
    assert shown(form, "min_provers") == "13"


def test_what_is_typed_is_computed_kept_in_the_address_and_read_back(form, chromium):
    form.fill('input[name="prove_s"]', "60")
    assert shown(form, "delay_worst") == "124"
    assert form.url.endswith("#prove_s=60")
    other = chromium.new_page()
    other.goto(form.url)
    assert shown(other, "delay_worst") == "124"
    assert other.locator('input[name="prove_s"]').input_value() == "60"
    other.close()
    form.click('button[type="reset"]')
    form.wait_for_function("document.querySelector('output[name=delay_worst]').textContent === '184'")
    assert "#" not in form.url


@pytest.mark.parametrize(
    ("typed", "said"), [("", "a number"), ("0.1", "from 1 to"), ("99999999", "from 1 to")]
)
def test_a_value_out_of_range_is_named_and_has_no_answer(form, typed, said):
    field = form.locator('input[name="prove_s"]')
    field.fill(typed)
    assert field.get_attribute("aria-invalid") == "true"
    assert said in form.locator("label", has=field).locator(".rs-wrong").inner_text()
    assert shown(form, "delay_worst") == "no answer"


def test_provers_that_cannot_keep_up_have_no_delay_and_a_backlog(form):
    form.fill('input[name="provers"]', "3")
    assert shown(form, "delay_mean") == "no answer"
    assert shown(form, "backlog") == "30"
