"""A figure's bundle is complete, byte-reproducible and citable."""

import io
import json
import re
import zlib
from contextlib import suppress

import numpy as np
import pandas as pd
import polars as pl
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from rocrate.rocrate import ROCrate

from rollstate.compendium import bundles, citation, style
from rollstate.compendium.files import sha256
from rollstate.errors import InputError

PROVENANCE = {
    "chapter": "toy",
    "inputs": {
        "version": "0.1.0",
        "data": {"mainnet": "d" * 64},
        "lock": "0" * 64,
        "parameters": {"seed": 7},
        "notebook": {"file": "e" * 64},
        "environment": {"python": "3.11.7"},
    },
    "git": {"commit": "c" * 40, "dirty": False},
    "citation": {"author": "{A}", "title": "T", "year": "2026", "url": "https://example.org"},
    "cell": 3,
    "source": {"source": "model", "description": "toy"},
}
TEXTS = {"caption": "Squares of the first numbers.", "alt": "A curve that rises ever faster."}


def draw(scale=1.0, **changes):
    data = pd.DataFrame({"x": range(5), "y": [scale * x * x for x in range(5)]})
    figure, ax = style.subplots()
    ax.plot(data.x, data.y)
    style.band(ax, data.x, data.y * 0.9, data.y * 1.1)
    return style.Drawing(figure, **{**TEXTS, **changes}), bundles.to_csv(data)


def write(folder, scale=1.0, name="squares", **changes):
    drawing, csv = draw(scale, **changes)
    return bundles.write_figure(folder, name, drawing, csv, PROVENANCE)


def panels():
    figure, axes = style.subplots(2, 3, width="page")
    for number, ax in enumerate(axes.flat):
        ax.plot([1, 10, 1000], [number, 2, 1], label=f"line {number}")
        ax.set(xlabel="$10^3$ blocks", ylabel="share")
        style.log_axis(ax, "x")
        style.percent(ax, "y")
    ax.scatter([1, 1000], [1, 3], rasterized=True)
    style.key(figure, ["one", "another"])
    style.title(
        figure, "A title that is long enough to be broken at the width of the page, which moves what is below"
    )
    return figure


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_a_picture_is_that_of_savefig(kind):
    buffer = io.BytesIO()
    panels().savefig(buffer, format=kind, metadata=bundles._METADATA[kind])
    figure = panels()
    assert bundles.render(figure, kind) == buffer.getvalue()
    assert figure.dpi == style.RC["figure.dpi"]


def test_fonts_in_a_pdf_have_outlines_and_no_tables_for_setting_text():
    fonts = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", bundles.render(panels(), "pdf"), re.DOTALL):
        with suppress(zlib.error):
            content = zlib.decompress(stream)
            if content[:4] == b"\x00\x01\x00\x00":
                fonts.append(set(TTFont(io.BytesIO(content)).keys()))
    assert fonts
    assert all("glyf" in tables and not tables & {"GSUB", "GPOS", "GDEF"} for tables in fonts)


def test_bundle_holds_all_that_a_paper_needs(tmp_path):
    bundle = write(tmp_path)
    assert {file.name for file in bundle.iterdir()} == {
        "squares.pdf",
        "squares.svg",
        "squares.png",
        "squares.csv",
        "caption.txt",
        "alt.txt",
        "cite.bib",
        "provenance.json",
        "ro-crate-metadata.json",
    }
    assert (bundle / "squares.csv").read_text().splitlines()[0] == "x,y"


def test_bytes_are_the_same_each_time(tmp_path):
    first, second = write(tmp_path / "1"), write(tmp_path / "2")
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes(), file.name


def test_bundle_is_a_workflow_run_crate_that_names_input_instrument_and_results(tmp_path):
    bundle = write(tmp_path)
    crate = ROCrate(str(bundle))
    action = crate.get("#run-toy")
    assert action.type == "CreateAction"
    assert action["instrument"] == crate.root_dataset["mainEntity"]
    assert {entity["name"] for entity in action["object"]} == {"seed", "data set mainnet"}
    results = {entity.id: entity["sha256"] for entity in action["result"]}
    assert results["squares.csv"] == sha256(bundle / "squares.csv")
    assert set(results) == {path.name for path in bundle.iterdir()} - {
        "provenance.json", "cite.bib", "ro-crate-metadata.json",
    }  # fmt: skip
    profiles = {entity.id for entity in crate.root_dataset["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in profiles


def test_content_hash_follows_what_is_drawn(tmp_path):
    hashes = {
        json.loads((write(tmp_path / str(scale), scale) / "provenance.json").read_text())["content_sha256"]
        for scale in (1.0, 1.0 + 1e-9)
    }
    assert len(hashes) == 2


def test_citation_names_version_commit_and_content(tmp_path):
    bundle = write(tmp_path)
    content = json.loads((bundle / "provenance.json").read_text())["content_sha256"]
    entry = (bundle / "cite.bib").read_text()
    assert content[:16] in entry
    assert "c" * 12 in entry
    assert "0.1.0" in entry


@pytest.mark.parametrize(
    ("git", "said"),
    [
        ({"commit": "c" * 40, "dirty": True}, "commit cccccccccccc with uncommitted changes"),
        ({"commit": None, "dirty": None}, "commit unknown"),
        ({"commit": "c" * 40, "dirty": None}, "commit cccccccccccc}"),
    ],
)
def test_citation_does_not_pretend_to_a_commit(git, said):
    assert said in citation.figure("squares", {**PROVENANCE, "git": git}, "f" * 64).bibtex()


def test_citation_of_a_published_figure_names_its_release():
    entry = citation.figure("squares", {**PROVENANCE, "published": {"version": "0.0.9"}}, "f" * 64).bibtex()
    assert "0.0.9" in entry
    assert "0.1.0" not in entry


@pytest.mark.parametrize("changes", [{"alt": ""}, {"caption": ""}, {"alt": "a plot"}])
def test_figure_without_its_texts_is_refused(tmp_path, changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        write(tmp_path, **changes)


def test_same_name_twice_is_refused(tmp_path):
    write(tmp_path)
    with pytest.raises(InputError, match="twice"):
        write(tmp_path)


def test_name_that_cannot_be_an_anchor_is_refused(tmp_path):
    with pytest.raises(InputError, match="hyphens"):
        write(tmp_path, name="My Figure")


def test_empty_data_is_refused(tmp_path):
    with pytest.raises(InputError, match="empty"):
        bundles.to_csv(pd.DataFrame({"x": []}))


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False),
            st.integers(-(2**53), 2**53),
            st.booleans(),
            st.sampled_from(["a b", "c,d", 'e"f']),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_figure_is_drawn_from_the_values_that_its_file_holds(rows):
    frame = pl.DataFrame(rows, schema=["x", "n", "yes", "name"], orient="row")
    again = bundles.from_csv(bundles.to_csv(frame))
    assert again.equals(frame.cast(dict(again.schema)))
    assert bundles.to_csv(again) == bundles.to_csv(frame)


def test_a_series_beside_the_frame_is_refused():
    assert bundles.plain_facts("squares", {"n": np.int64(3), "x": np.float32(0.5)}) == {"n": 3, "x": 0.5}
    with pytest.raises(InputError, match="put a series into the frame"):
        bundles.plain_facts("squares", {"values": [1, 2]})
