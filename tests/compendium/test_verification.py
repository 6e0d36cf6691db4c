"""A bundle is verified by making it again; what was altered or no longer comes out is named."""

import shutil
import zipfile

import pytest

from rollstate.compendium import bundles, runner, verification
from rollstate.errors import InputError

from .conftest import DRAW, RECORD, SETUP, TAKE


@pytest.fixture
def bundle(project):
    work = runner.plan("traces", {"trace": "sample", "seed": 4}, project.root)
    runner.run(work, project.root)
    return work.folder / "figures" / "line"


@pytest.mark.thorough
def test_a_bundle_and_its_archive_are_reproduced_byte_for_byte(project, bundle, tmp_path):
    archive = tmp_path / "line.zip"
    archive.write_bytes(bundles.archive(bundle))
    assert bundles.archive(bundle) == archive.read_bytes()
    renamed = tmp_path / "under-another-name"
    shutil.copytree(bundle, renamed)
    for given in (bundle, archive, renamed):
        (found,) = verification.verify(given, project.root)
        assert found.reproduced
        assert found.lines == (
            "CSV: the same bytes", "SVG: the same bytes", "PDF: the same bytes", "PNG: the same bytes",
        )  # fmt: skip
    assert bundle.is_dir(), "what was verified is left as it was"


@pytest.mark.thorough
def test_a_crate_at_the_top_of_an_archive_and_that_of_a_book_are_verified(project, bundle, tmp_path):
    flat, book = tmp_path / "flat.zip", tmp_path / "book.zip"
    with zipfile.ZipFile(flat, "w") as top, zipfile.ZipFile(book, "w") as pages:
        pages.writestr("index.html", "a page")
        for file in bundle.iterdir():
            top.write(file, file.name)
            for copy in ("line", "twice"):
                pages.write(file, f"_static/figures/traces/{copy}/{file.name}")
    assert [one.reproduced for one in verification.verify(flat, project.root)] == [True]
    assert [one.reproduced for one in verification.verify(book, project.root)] == [True, True]


@pytest.mark.thorough
def test_a_file_that_is_gone_from_a_bundle_is_named(project, bundle):
    (bundle / "line.pdf").unlink()
    (found,) = verification.verify(bundle, project.root)
    assert found.reproduced
    assert {"line.pdf is not the file that was written", "PDF: gone"} <= set(found.lines)
    (bundle / "line.csv").unlink()
    (found,) = verification.verify(bundle, project.root)
    assert not found.reproduced
    assert "CSV: gone" in found.lines


@pytest.mark.thorough
def test_an_altered_file_is_named_and_other_data_is_not_reproduced(project, bundle):
    assert bundles.altered(bundle) == []
    csv = bundle / "line.csv"
    csv.write_text(csv.read_text().replace("2", "7"))
    assert bundles.altered(bundle) == ["line.csv"]
    (found,) = verification.verify(bundle, project.root)
    assert not found.reproduced
    assert "line.csv is not the file that was written" in found.lines
    assert any("other values" in line for line in found.lines)


@pytest.mark.thorough
def test_a_notebook_that_draws_something_else_is_not_reproduced(project, bundle):
    project.write(SETUP, TAKE, RECORD, DRAW.replace('{"y": [1, 2, 3]}', '{"y": [1, 2, 4]}'))
    (found,) = verification.verify(bundle, project.root)
    assert not found.reproduced
    assert "here the notebook changed" in found.lines
    project.write(SETUP, TAKE, RECORD, DRAW.replace("line", "other"))
    (found,) = verification.verify(bundle, project.root)
    assert not found.reproduced
    assert "it draws other" in found.lines[-1]


def test_rounding_of_another_machine_is_not_another_result(tmp_path):
    for name, value in (("a", "1.0000000000001"), ("b", "1.0000000000002"), ("c", "1.1")):
        (tmp_path / name).write_text(f"x,kind\n{value},word\n")
    assert verification._same_data(tmp_path / "a", tmp_path / "b")[0]
    assert not verification._same_data(tmp_path / "a", tmp_path / "c")[0]


def test_what_is_no_bundle_is_refused(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no figure bundle"):
        list(verification.verify(empty, project.root))
    text = tmp_path / "text.zip"
    text.write_text("no archive")
    with pytest.raises(InputError, match="neither a folder nor its archive"):
        list(verification.verify(text, project.root))
    escaping = tmp_path / "escaping.zip"
    with zipfile.ZipFile(escaping, "w") as archive:
        archive.writestr("line/../../outside", "x")
    with pytest.raises(InputError, match="not the archive of a figure"):
        list(verification.verify(escaping, project.root))
