"""Explorable figures: valid specifications of the very data that is published, the same in every build."""

import functools
import hashlib
import importlib
import inspect
import json
from pathlib import Path

import altair as alt
import jsonschema
import polars as pl
import pytest

from rollstate.compendium import by_name, explorable, releases
from rollstate.compendium.bundles import from_csv
from rollstate.compendium.explorable import NothingToExploreError, Quantity, lines

SCHEMA = Path(alt.__file__).parent / "vegalite" / "v6" / "schema" / "vega-lite-schema.json"
ROOT = Path(__file__).parents[2]
VENDORED = ROOT / "book" / "_static" / "vega"


def declared():
    """Return ``(chapter, function name)`` of every explorable figure."""
    found = []
    for path in sorted((ROOT / "src" / "rollstate" / "chapters").glob("*/explore.py")):
        module = importlib.import_module(f"rollstate.chapters.{path.parent.name}.explore")
        found += [
            (path.parent.name, name)
            for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
        ]
    return found


DECLARED = declared()


@pytest.fixture(scope="module")
def release():
    return releases.latest(ROOT / "releases")


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def spec_of(release):
    """Specification and frame of a figure, made once."""
    return functools.cache(functools.partial(make, release))


def make(release, chapter, name):
    ref = f"{chapter}/{name.replace('_', '-')}"
    facts = release.figures[ref]["drawn"]["facts"]
    csv = release.csv("figures", ref)
    spec = explorable.specification(chapter, ref.partition("/")[2], csv, facts, "What it shows, in words.")
    return spec, from_csv(csv)


def test_about_ten_figures_can_be_explored_in_most_parts_of_the_book():
    assert len(DECLARED) >= 10
    assert len({chapter for chapter, _ in DECLARED}) >= 5


@pytest.mark.parametrize(("chapter", "name"), DECLARED)
def test_an_explorable_figure_has_the_name_and_keywords_of_a_static_one(chapter, name):
    static = inspect.signature(by_name.figure_function(chapter, name)).parameters
    explored = inspect.signature(explorable.explore_function(chapter, name)).parameters
    assert explored.keys() <= static.keys()
    assert next(iter(explored)) == next(iter(static))


@pytest.mark.parametrize(("chapter", "name"), DECLARED)
def test_a_specification_is_valid_and_the_same_each_time(chapter, name, release, spec_of, validator):
    spec, _ = spec_of(chapter, name)
    again, _ = make(release, chapter, name)
    assert json.dumps(spec, sort_keys=True) == json.dumps(again, sort_keys=True)
    assert spec["$schema"].endswith(f"/{alt.SCHEMA_VERSION}.json")
    # The schema of a hundred thousand ways to write a row of data says nothing of it.
    few = {**spec, "data": {"values": spec["data"]["values"][:3]}}
    assert list(validator.iter_errors(few)) == []


@pytest.mark.parametrize(("chapter", "name"), DECLARED)
def test_the_chart_has_the_values_of_the_published_file_and_its_slider_those_that_were_computed(
    chapter, name, spec_of
):
    spec, frame = spec_of(chapter, name)
    about, values = spec["usermeta"]["rollstate"], spec["data"]["values"]
    axes = [about[one]["field"] for one in ("slider", "x", "y")]
    numbers = list(dict.fromkeys([*axes, *about["interval"]]))
    published = frame.with_columns(pl.col(numbers).cast(pl.Float64, strict=False)).select(numbers)
    assert {tuple(row[field] for field in numbers) for row in values} <= set(published.iter_rows())
    assert set(about["slider"]["values"]) <= set(frame[about["slider"]["field"]])
    assert len(about["slider"]["values"]) >= 2
    assert about["slider"]["start"] in about["slider"]["values"]
    assert {str(row[about["series"]["field"]]) for row in values} == set(about["series"]["names"])
    # Only series that a chapter leaves out of its static figure too are not there.
    assert len(values) >= 0.8 * frame.drop_nulls(about["y"]["field"]).height


def test_a_specification_from_the_schema_of_another_kind_is_found(validator):
    spec = {"data": {"values": []}, "mark": {"type": "no such mark"}}
    assert list(validator.iter_errors(spec))


FRAME = pl.DataFrame(
    {
        "x": [0, 1, 10, 0, 1, 10],
        "y": [0.0, 2.0, 4.0, 1.0, None, 8.0],
        "low": [None] * 6,
        "high": [None] * 6,
        "name": ["a"] * 3 + ["b"] * 3,
    }
)


def test_what_has_no_place_on_a_logarithmic_axis_stays_in_the_table_alone():
    chart = lines(FRAME, x=Quantity("x", "x", log=True), y=Quantity("y", "y", log=True), series="name")
    spec = chart.to_dict()
    assert {"x": 0, "y": 0.0, "name": "a"} in spec["data"]["values"]
    assert spec["usermeta"]["rollstate"]["x"]["values"] == [1, 10]
    assert {"filter": 'datum["x"] > 0'} in spec["transform"]
    assert [param["value"] for param in spec["params"] if param["name"] in ("x_from", "x_to")] == [1, 10]
    assert len(spec["data"]["values"]) == 5


def test_columns_of_gaps_are_intervals_that_nothing_is_known_of():
    csv = FRAME.write_csv().encode()
    chart = lines(
        from_csv(csv), x=Quantity("x", "x"), y=Quantity("y", "y"), series="name", interval=("low", "high")
    )
    assert {row["low"] for row in chart.to_dict()["data"]["values"]} == {None}


def test_the_slider_starts_at_the_nearest_value_that_was_computed():
    chart = lines(FRAME, x=Quantity("x", "x"), y=Quantity("y", "y"), series="name", at=7.0)
    assert chart.to_dict()["usermeta"]["rollstate"]["slider"]["start"] == 10


def test_a_marked_level_lies_on_the_axis():
    chart = lines(FRAME, x=Quantity("x", "x"), y=Quantity("y", "y"), series="name", level=20.0)
    ends = [layer["encoding"]["y"]["scale"]["domain"] for layer in chart.to_dict()["layer"][2:]]
    assert ends == [[0.0, 20.0]] * len(ends)


@pytest.mark.parametrize("kept", [0, 1])
def test_one_value_is_nothing_to_explore(kept, monkeypatch):
    frame = FRAME.filter(pl.col("x") == kept)

    def figure(frame):
        return lines(frame, x=Quantity("x", "x"), y=Quantity("y", "y"), series="name")

    with pytest.raises(NothingToExploreError, match="x has"):
        figure(frame)
    monkeypatch.setattr(explorable, "explore_function", lambda chapter, name: figure)
    assert explorable.specification("any", "figure", frame.write_csv().encode(), {}, "words") is None


def test_a_figure_without_a_function_has_no_chart():
    assert explorable.specification("proving", "timeline", b"", {}, "words") is None
    assert explorable.specification("traces", "blocks", b"", {}, "words") is None


def test_a_page_loads_what_can_be_downloaded(release, tmp_path):
    bundle = tmp_path / "horizon"
    bundle.mkdir()
    drawn = release.figures["tiering/horizon"]["drawn"]
    (bundle / "provenance.json").write_text(json.dumps({"drawn": drawn}))
    (bundle / "horizon.csv").write_bytes(release.csv("figures", "tiering/horizon"))
    (bundle / "alt.txt").write_text("A line between two values.\n")
    assert explorable.write(bundle, "tiering", tmp_path / "explore")
    text = (tmp_path / "explore" / "tiering" / "horizon.vl.json").read_text()
    script = (tmp_path / "explore" / "tiering" / "horizon.js").read_text()
    assert json.loads(text)["description"] == "A line between two values."
    assert script == f'(window.rollstateExplore ??= {{}})["tiering/horizon"] = {text.strip()};\n'


def test_vendored_scripts_are_those_of_the_manifest_and_of_the_locked_altair():
    manifest = json.loads((VENDORED / "manifest.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in manifest] == ["vega", "vega-lite", "vega-embed"]
    for entry in manifest:
        content = (VENDORED / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["name"]
        assert len(content) == entry["bytes"]
        assert entry["licence"] == "BSD-3-Clause"
        assert "Redistribution" in (VENDORED / f"{entry['name']}.LICENSE.txt").read_text(encoding="utf-8")
    versions = {entry["name"]: entry["version"] for entry in manifest}
    assert f"v{versions['vega-lite']}" == alt.SCHEMA_VERSION
    assert versions["vega"].split(".")[0] == alt.VEGA_VERSION
    assert versions["vega-embed"].split(".")[0] == alt.VEGAEMBED_VERSION
    assert sum(entry["bytes"] for entry in manifest) < 900_000
