"""Each number and figure has a page that stays, with the past beside the present; anchors are taken as citations."""

import dataclasses
import json
import shutil

import jsonschema
import polars as pl
import pytest

from rollstate.compendium import (
    addresses,
    bundles,
    citation,
    cited,
    crate,
    histories,
    releases,
    results,
    style,
)
from rollstate.compendium.results import Result
from rollstate.compendium.snapshots import Snapshot
from rollstate.errors import InputError

from .machine_schemas import FIGURE_RECORD, NUMBER_RECORD, crate_faults

NUMBER = Result(
    key="traces.slots",
    value=7,
    unit="slots",
    interval=(5.0, 9.0),
    interval_kind="95 % over blocks",
    meaning="slots <seen>",
    guard="tests/test_x.py::test_y",
    cell=3,
    source={"source": "model", "description": "a toy"},
    fmt=",",
)
GONE = dataclasses.replace(NUMBER, key="traces.gone", value=1)
STAMP = {
    "chapter": "traces",
    "cell": 4,
    "inputs": {"version": "0.4.0", "data": {}, "lock": "l" * 64, "parameters": {}, "notebook": {"file": "n"},
               "environment": {"python": "3.12"}},
    "git": {"commit": "c" * 40, "dirty": False},
    "citation": {"author": "{A}", "title": "T", "year": "2026", "url": "https://example.org", "version": "0.4.0"},
    "source": {"source": "model", "description": "a toy"},
}  # fmt: skip


def draw(folder, name, values):
    figure, ax = style.subplots()
    ax.plot(values)
    frame = pl.DataFrame({"y": values})
    drawing = style.Drawing(figure, f"A line through {values}.", "A line that rises to three.")
    return bundles.write_figure(folder, name, drawing, bundles.to_csv(frame), STAMP)


@pytest.fixture(scope="module")
def built(tmp_path_factory, root):
    """A registry of one number and one figure, two releases before it, and a project around them."""
    folder = tmp_path_factory.mktemp("addresses")
    registry, project = folder / "registry", folder / "project"
    results.save([NUMBER], registry / "results.json")
    draw(registry / "traces" / "figures", "line", [1, 2, 3])
    for name in ("_toc.yml", "CITATION.cff", "_config.yml"):
        project.mkdir(exist_ok=True)
        shutil.copy(root / name, project / name)
    (project / "notebooks").mkdir()
    for notebook in (root / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, project / "notebooks" / notebook.name)
    older = dataclasses.replace(NUMBER, value=6)
    recorded = dataclasses.replace(
        NUMBER, source={"source": "model", "description": "the toy, in other words"}
    )
    (project / "releases" / "0.3.0" / "figures" / "traces").mkdir(parents=True)
    rows = {one.key: dataclasses.asdict(one) for one in (older, GONE)}
    (project / "releases" / "0.2.0.json").write_text(
        json.dumps({"version": "0.2.0", "results": rows, "runs": {}})
    )
    csvs = {"line": "y\n1\n2\n4\n", "lost": "y\n0\n"}
    figures = {
        f"traces/{name}": {"caption": f"The {name} of old.", "content_sha256": digit * 64}
        for name, digit in zip(csvs, "ab", strict=True)
    }
    for name, content in csvs.items():
        (project / "releases" / "0.3.0" / "figures" / "traces" / f"{name}.csv").write_text(content)
    (project / "releases" / "0.3.0" / "release.json").write_text(
        json.dumps({"version": "0.3.0", "runs": {}, "figures": figures,
                    "results": {NUMBER.key: dataclasses.asdict(recorded)}})
    )  # fmt: skip
    html = folder / "html"
    pages = addresses.write(html, registry, {"traces": {}}, project)
    return registry, project, html, pages


def test_every_number_and_figure_that_was_ever_published_has_a_page(built):
    _, _, html, pages = built
    assert sorted(pages) == [
        "f/traces/line/index.html", "f/traces/lost/index.html", "n/traces.gone/index.html", "n/traces.slots/index.html",
    ]  # fmt: skip
    assert all((html / page).is_file() for page in pages)


def test_a_number_shows_all_releases_and_says_which_are_replaced(built):
    registry, project, html, _ = built
    said = addresses.past(registry, releases.every(project / "releases")).numbers["traces.slots"]
    assert [(one.version, one.state) for one in said] == [
        ("", histories.CURRENT), ("0.3.0", histories.SAME), ("0.2.0", histories.REPLACED),
    ]  # fmt: skip
    page = (html / "n" / "traces.slots" / "index.html").read_text()
    for one in said:
        assert f'id="sha256-{one.content[:16]}"' in page
    assert "slots &lt;seen&gt;" in page
    record = json.loads((html / "n" / "traces.slots" / "number.json").read_text())
    assert [one["value"] for one in record["releases"]] == [7, 6]
    assert record["current"]
    table = pl.read_csv(html / "n" / "traces.slots" / "number.csv")
    assert table["value"].to_list() == [7, 7, 6]
    assert table["low"].to_list() == [5.0, 5.0, 5.0]


def test_what_is_gone_has_a_tombstone_with_its_last_words(built):
    _, _, html, _ = built
    number = (html / "n" / "traces.gone" / "index.html").read_text()
    assert "does not make this number. Release 0.2.0" in number
    assert not json.loads((html / "n" / "traces.gone" / "number.json").read_text())["current"]
    figure = html / "f" / "traces" / "lost"
    assert "does not draw this figure. Release 0.3.0" in (figure / "index.html").read_text()
    assert (figure / "lost.csv").read_text() == "y\n0\n"


def test_a_figure_has_its_data_its_record_and_the_data_of_releases(built):
    _, _, html, _ = built
    figure = html / "f" / "traces" / "line"
    assert pl.read_csv(figure / "line.csv")["y"].to_list() == [1, 2, 3]
    assert pl.read_csv(figure / "line-0.3.0.csv")["y"].to_list() == [1, 2, 4]
    record = json.loads((figure / "line.json").read_text())
    assert record["provenance"]["content_sha256"] == record["content_sha256"]
    assert record["releases"][0]["state"] == histories.REPLACED
    for file in ("cite.bib", "cite.ris", "cite.json"):
        assert record["content_sha256"][:16] in (figure / file).read_text()


def test_every_record_is_what_its_schema_demands(built):
    _, _, html, _ = built
    for path in (html / "n").rglob("number.json"):
        jsonschema.validate(json.loads(path.read_text()), NUMBER_RECORD)
    records = [path for path in (html / "f").rglob("*.json") if path.name != "cite.json"]
    assert {path.stem for path in records} == {"line", "lost"}
    for path in records:
        jsonschema.validate(json.loads(path.read_text()), FIGURE_RECORD)


def test_the_crate_of_a_book_covers_every_address_and_a_run_made_what_is_current(built):
    registry, _, html, pages = built
    notebook = html / "notebooks" / "traces.html"
    notebook.parent.mkdir(exist_ok=True)
    notebook.write_text("a page")
    files = ["notebooks/traces.html", *addresses.described(html, pages)]
    text = crate.of_book({"traces": STAMP}, files, addresses.current(registry))
    assert text == crate.of_book({"traces": STAMP}, reversed(files), addresses.current(registry))
    data = json.loads(text)
    assert crate_faults(data, html) == []
    entities = {entity["@id"]: entity for entity in data["@graph"]}
    made = {one["@id"] for one in entities["#run-traces"]["result"]}
    assert made == {
        "notebooks/traces.html",
        *(f"n/traces.slots/{name}" for name in ("index.html", "number.csv", "number.json")),
        *(f"f/traces/line/{name}" for name in ("index.html", "line.csv", "line-0.3.0.csv", "line.json")),
    }
    assert {"n/traces.gone/index.html", "f/traces/lost/lost.csv"} <= entities.keys()


def test_a_faulty_crate_is_refused(built):
    registry, _, html, pages = built
    files = addresses.described(html, pages)
    data = json.loads(
        crate.of_book({"traces": STAMP}, [*files, "n/nothing.html"], addresses.current(registry))
    )
    assert crate_faults(data, html) == ["n/nothing.html is no part of the crate, or is not there"]
    data["@graph"] = [entity for entity in data["@graph"] if entity["@id"] != "#python"]
    assert any("#python, which is not described" in fault for fault in crate_faults(data, html))


def test_superseded_lists_each_cited_content_once_and_nothing_current(built):
    registry, project, _, _ = built
    past = addresses.past(registry, releases.every(project / "releases"))
    rows = histories.superseded(past.numbers)
    assert {(address, version) for _, address, version, _ in rows} == {
        ("traces.slots", "0.3.0"), ("traces.slots", "0.2.0"), ("traces.gone", "0.2.0"),
    }  # fmt: skip
    assert NUMBER.content not in {row[0] for row in rows}
    assert len({row[0] for row in rows}) == len(rows)
    assert {row[3] for row in rows if row[1] == "traces.gone"} == {"not in this build"}


@pytest.fixture
def snapshot(built):
    registry = built[0]
    figures = {"traces/line": registry / "traces" / "figures" / "line"}
    return Snapshot("toy", {NUMBER.key: NUMBER}, {}, figures)


@pytest.mark.parametrize(
    ("what", "address"),
    [
        ("traces", "notebooks/traces.html"),
        ("notebooks/traces.html", "notebooks/traces.html"),
        ("tab-traces-few", "notebooks/traces.html"),
        ("cell-execution-state-12", "notebooks/execution_state.html"),
        ("traces/line", "f/traces/line/"),
        ("fig-traces-line", "f/traces/line/"),
        ("../notebooks/traces.html#fig-traces-line", "f/traces/line/"),
        ("f/traces/line/", "f/traces/line/"),
        ("https://book.example/f/traces/line/index.html", "f/traces/line/"),
        ("traces.slots", "n/traces.slots/"),
        ("n/traces.slots/index.html", "n/traces.slots/"),
        (f"sha256-{NUMBER.content[:16]}", "n/traces.slots/"),
        (f"book/numbers.html#sha256-{GONE.content[:16]}", "n/traces.gone/"),
        (f"sha256-{'a' * 16}", "f/traces/line/"),
    ],
)
def test_every_anchor_and_address_that_readers_see_can_be_cited(built, snapshot, what, address):
    assert cited.resolve(what, snapshot, built[1]).address == address


def test_a_superseded_content_is_cited_with_the_version_that_showed_it(built, snapshot):
    assert cited.resolve(f"sha256-{GONE.content[:16]}", snapshot, built[1]).version == "0.2.0"
    assert cited.resolve(f"sha256-{'a' * 16}", snapshot, built[1]).version == "0.3.0"


@pytest.mark.parametrize(
    "what", ["traces.nothing", "fig-traces-nothing", "sha256-ffff", f"sha256-{'f' * 16}"]
)
def test_an_unknown_name_is_refused(built, snapshot, what):
    with pytest.raises(InputError, match=r"no run|is no chapter|too short"):
        cited.resolve(what, snapshot, built[1])


def test_references_name_the_address_only_where_the_book_is_published(built, tmp_path):
    project = shutil.copytree(built[1], tmp_path / "published")
    assert citation.base_url(project) == ""
    assert citation.chapter("traces", project).url == citation.summary(project)["url"]
    config = (
        (project / "_config.yml")
        .read_text()
        .replace("html:\n", "html:\n  baseurl: https://book.example/\n", 1)
    )
    (project / "_config.yml").write_text(config)
    assert citation.chapter("traces", project).url == "https://book.example/notebooks/traces.html"


def test_a_book_on_a_readers_trace_says_so_and_names_no_published_address(built, tmp_path):
    registry, project, _, _ = built
    config = (
        (project / "_config.yml")
        .read_text()
        .replace("html:\n", "html:\n  baseurl: https://book.example\n", 1)
    )
    published = shutil.copytree(project, tmp_path / "published")
    (published / "_config.yml").write_text(config)
    pages = addresses.write(tmp_path / "html", registry, {"traces": {}}, published, banner="On <my> trace.")
    for page in pages:
        text = (tmp_path / "html" / page).read_text()
        assert "On &lt;my&gt; trace." in text
        assert "book.example" not in text
