"""Figures and formulas: ticks, labels inside, colours that stand out, letters for a phone, numbers in words."""

import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from matplotlib.image import imread

from rollstate.compendium import style

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
LEAST_PX, LEAST_CONTRAST, LEAST_TICKS, LEAST_WORDS = 11, 3, 3, 4
# What only helps: the grid, the white edges of markers, the shade behind a part of a panel.
HELPING = {"#d9d9d9", "#ffffff", "#eeeeee"}
NUMBER = re.compile(r"[-\u2212]?[\d,.]+(\u202f?%)?|\$10\^.*")


@pytest.fixture(scope="module")
def figures(html) -> list[Path]:
    found = sorted((html / "_static" / "figures").glob("*/*/*.svg"))
    assert len(found) > 60
    return found


def drawn(path: Path) -> ET.Element:
    """The SVG with its comments, in which matplotlib says what a group of glyphs reads."""
    return ET.parse(path, ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))).getroot()


def read(group: ET.Element) -> list[str]:
    return [(part.text or "").strip() for part in group.iter(ET.Comment)]


def groups(parent: ET.Element, name: str) -> list[ET.Element]:
    return [part for part in parent.iter(f"{SVG}g") if re.fullmatch(rf"{name}_\d+", part.get("id", ""))]


def test_every_axis_of_numbers_has_three_tick_labels(figures):
    few = []
    for path in figures:
        for axis in groups(drawn(path), r"matplotlib\.axis"):
            labels = [text for tick in groups(axis, "[xy]tick") for text in read(tick)]
            if labels and all(map(NUMBER.fullmatch, labels)) and len(labels) < LEAST_TICKS:
                few.append((path.stem, labels))
    assert not few


def test_every_figure_has_a_title_that_is_a_sentence(figures):
    for path in figures:
        (figure,) = groups(drawn(path), "figure")
        own = [text for part in figure if part.get("id", "").startswith("text") for text in read(part)]
        assert any(len(text.split()) >= LEAST_WORDS for text in own), (path.parent, own)


def test_words_beside_a_figure_hold_numbers_and_write_per_cent_alike(figures):
    for path in figures:
        alt, caption = ((path.parent / f"{name}.txt").read_text("utf-8") for name in ("alt", "caption"))
        assert re.search(r"\d", alt), path.parent
        assert not re.search(r"\d%", alt + caption + " ".join(read(drawn(path)))), path.parent


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of sRGB in 0 to 1, WCAG 2.2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def parts(text: str) -> tuple[float, ...]:
    return tuple(int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))


def in_dark_mode(chromium, colours: list[str]) -> dict[str, tuple[float, ...]]:
    """What the filter of the dark pages makes of colours, as the browser paints it."""
    page = chromium.new_page(viewport={"width": 10 * len(colours), "height": 10})
    cells = "".join(f'<i style="flex:1;background:{colour}"></i>' for colour in colours)
    css = Path(__file__).parents[2] / "book" / "_static" / "rollstate.css"
    rule = re.search(
        r'\[data-theme="dark"\] figure\.rs-figure img \{ filter: ([^;]+);', css.read_text("utf-8")
    )
    page.set_content(
        f'<body style="margin:0"><div style="display:flex;height:10px;filter:{rule[1]}">{cells}</div>'
    )
    shot = page.screenshot()
    page.close()
    pixels = imread(io.BytesIO(shot), format="png")
    return {
        colour: tuple(float(part) for part in pixels[5, 10 * number + 5][:3])
        for number, colour in enumerate(colours)
    }


def test_lines_stand_out_from_their_ground_in_both_modes(chromium, figures):
    used: dict[str, str] = {colour.lower(): "palette" for colour in (*style.COLOURS, style.QUIET)}
    for path in figures:
        for text in re.findall(r"stroke: (#[0-9a-f]{6})", path.read_text("utf-8")):
            used.setdefault(text, str(path.parent))
    colours = sorted(set(used) - HELPING)
    painted = in_dark_mode(chromium, ["#ffffff", *colours])
    for colour in colours:
        light, dark = contrast(parts(colour), (1, 1, 1)), contrast(painted[colour], painted["#ffffff"])
        assert min(light, dark) >= LEAST_CONTRAST, (colour, used[colour], light, dark)


OUTSIDE = """() => {
  const all = document.documentElement.getBoundingClientRect();
  return [...document.querySelectorAll('g[id^="text_"]')].filter((group) => {
    const box = group.getBoundingClientRect();
    return box.width && (box.left < all.left - 1 || box.right > all.right + 1
      || box.top < all.top - 1 || box.bottom > all.bottom + 1);
  }).map((group) => [...group.childNodes].filter((node) => node.nodeType === 8).map((node) => node.data.trim()).join());
}"""


def test_no_label_leaves_its_figure(chromium, figures):
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    cut = {}
    for path in figures:
        page.goto(path.as_uri())
        if outside := page.evaluate(OUTSIDE):
            cut[path.stem] = outside
    page.close()
    assert not cut


def test_a_tap_makes_a_figure_large_enough_for_a_phone(chromium, html, figures):
    page = chromium.new_page(viewport={"width": 390, "height": 800}, has_touch=True)
    page.goto((html / "notebooks" / "eda.html").as_uri())
    pictures = page.locator("figure.rs-figure .rs-panel img")
    assert pictures.count() > 3
    shown = []
    for picture in pictures.all():
        picture.tap()
        large = page.locator("dialog.rs-large img")
        shown.append(large.bounding_box()["width"])
        page.locator("dialog.rs-large .rs-close").tap()
    assert page.locator("dialog.rs-large").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    page.close()
    for path in figures:
        root = drawn(path)
        width = float(root.get("viewBox").split()[2])
        # Matplotlib's glyphs are a hundred units high, in points of the paper.
        sizes = re.findall(r"scale\(([\d.]+) -\1\)", path.read_text("utf-8"))
        least = 100 * min(map(float, sizes)) * min(shown) / width
        assert least >= LEAST_PX, (path.stem, least)


def test_wide_formulas_of_a_phone_show_their_beginning_and_scroll_to_their_end(chromium, html):
    page = chromium.new_page(viewport={"width": 390, "height": 800})
    page.goto((html / "notebooks" / "tiering.html").as_uri())
    page.wait_for_selector("div.math mjx-math")
    ends = page.evaluate(
        """() => [...document.querySelectorAll('div.math')].map((box) => {
          const formula = box.querySelector('mjx-math'), at = () => formula.getBoundingClientRect();
          const edges = box.getBoundingClientRect();
          box.scrollLeft = 0;
          const left = at().left - edges.left;
          box.scrollLeft = box.scrollWidth;
          return [at().width - edges.width, left, edges.right - at().right];
        })"""
    )
    page.close()
    assert any(wider > 0 for wider, _, _ in ends), "no formula is wider than a phone: this test sees nothing"
    assert all(left >= -1 and right >= -1 for _, left, right in ends), ends
