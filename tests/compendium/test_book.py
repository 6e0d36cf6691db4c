"""The book is made again when anything it is made from changes, and says what it is told as it is."""

import nbformat
import pytest
import yaml

from rollstate.compendium import book, cleaning
from rollstate.compendium.marks import MIME


@pytest.mark.parametrize("changed", ["source/index.md", "package/book.py", "requirements.lock"])
def test_a_change_of_pages_of_code_or_of_the_lock_makes_the_book_again(tmp_path, monkeypatch, changed):
    for name in ("source/index.md", "package/book.py", "requirements.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("before")
    monkeypatch.setattr(book, "_PACKAGE", tmp_path / "package")
    before = book.inputs(tmp_path / "source", tmp_path)
    assert book.inputs(tmp_path / "source", tmp_path) == before
    (tmp_path / changed).write_text("after")
    assert book.inputs(tmp_path / "source", tmp_path) != before


def test_a_built_book_that_was_harmed_is_made_again(tmp_path, monkeypatch):
    def render(source, temporary, builder):
        html = temporary / "html"
        (html / "_static").mkdir(parents=True)
        (html / "page.html").write_text("page")
        return html

    for name in ("mark", "front"):
        monkeypatch.setattr(book.machine, name, lambda *given, **named: "front")
    monkeypatch.setattr(book.addresses, "write", lambda *given, **named: [])
    monkeypatch.setattr(book.addresses, "described", lambda *given: [])
    monkeypatch.setattr(book.addresses, "current", lambda *given: {})
    monkeypatch.setattr(book.inventory, "complete", lambda *given: None)
    monkeypatch.setattr(book.citation, "summary", lambda root: {"version": "1"})
    monkeypatch.setattr(book.crate, "of_book", lambda *given: "{}")
    monkeypatch.setattr(book.cleaning, "clean", lambda html: None)
    monkeypatch.setattr(book, "stage", lambda works, root, folder, **named: (folder / "a").write_text("a"))
    monkeypatch.setattr(book, "_render", render)
    (tmp_path / "requirements.lock").write_text("")
    html = tmp_path / "html"
    assert book.build([], tmp_path, html)
    assert not book.build([], tmp_path, html)
    for harm in (lambda: (html / "page.html").unlink(), lambda: (html / "index.html").write_text("other")):
        harm()
        assert book.build([], tmp_path, html)
        assert not book.build([], tmp_path, html)


@pytest.mark.parametrize(("banner", "said"), [("", "remove-warn"), ("Not the published results", "remove")])
def test_a_warning_of_a_library_is_a_fault_of_the_published_book_alone(root, tmp_path, banner, said):
    book._configure(root, tmp_path, [], banner, [])
    config = yaml.safe_load((tmp_path / "_config.yml").read_text(encoding="utf-8"))
    assert config["sphinx"]["config"]["nb_output_stderr"] == said


def test_code_is_folded_and_what_differs_from_run_to_run_is_dropped():
    cell = nbformat.v4.new_code_cell("1 + 1", metadata={"papermill": {"duration": 3.2}})
    cell.execution_count = 7
    spec = {"name": "python3", "display_name": "Python 3"}
    executed = nbformat.v4.new_notebook(
        cells=[cell], metadata={"papermill": {"start_time": "now"}, "kernelspec": spec}
    )
    shown = book.page(executed, "traces", set())
    assert "duration" not in nbformat.writes(shown)
    assert "start_time" not in nbformat.writes(shown)


def test_cells_that_were_not_executed_have_no_anchor_and_show_what_was_published():
    cells = [nbformat.v4.new_code_cell("draw()", id=f"cell-{number}") for number in range(2)]
    for number, cell in enumerate(cells):
        cell.outputs = [nbformat.v4.new_output("display_data", data={MIME: {"figure": f"line-{number}"}})]
    spec = {"name": "python3", "display_name": "Python 3"}
    executed = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    sources = [cell.source for cell in book.page(executed, "traces", set()).cells]
    assert not any("cell-traces-" in source for source in sources)
    assert "```{result-figure} traces/line-1\n```" in sources


def test_a_page_names_each_fold_and_has_each_tag_once():
    viewport = '<meta name="viewport" content="width=device-width"/>'
    fold = '<summary aria-label="Toggle hidden content">code</summary>'
    page = cleaning.clean_page(f"<head>{viewport}<title>t</title>{viewport}</head>{fold}{fold}")
    assert page.count("viewport") == 1
    assert "<title>t</title></head>" in page
    assert [f'aria-label="code, part {n}"' in page for n in (1, 2)] == [True, True]
    assert "Toggle hidden" not in page
    assert cleaning.clean_page("<head></head>") == "<head></head>"


def test_the_page_of_results_alone_loads_the_search_index():
    head = "<script>DOCUMENTATION_OPTIONS.pagename = '{}';</script><script src=\"{}searchindex.js\"></script>"
    assert "searchindex" not in cleaning.clean_page(head.format("notebooks/eda", "../"))
    assert "searchindex" not in cleaning.clean_page(head.format("genindex", ""))
    assert "searchindex" in cleaning.clean_page(head.format("search", ""))
