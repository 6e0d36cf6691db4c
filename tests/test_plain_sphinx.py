"""The book by plain Sphinx: its configuration says what Jupyter Book's says, and a difference is found and named."""

import importlib.util

import pytest
import yaml


@pytest.fixture(scope="module")
def tool(root):
    spec = importlib.util.spec_from_file_location("plain_sphinx", root / "tools" / "plain_sphinx.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def books(tmp_path):
    """Two equal books of one page, a redirect and a page of a number."""
    page = (
        "<html><head>{head}</head><body><article><h1 id='top'>A</h1><p>It is "
        "<span class='rs-num'><a href='n/x/index.html'>12 s</a></span> long.</p></article></body></html>"
    )
    for name, head in (("usual", "<meta name='x'>"), ("plain", "")):
        (tmp_path / name / "n" / "x").mkdir(parents=True)
        (tmp_path / name / "a.html").write_text(page.format(head=head))
        (tmp_path / name / "index.html").write_text('<meta http-equiv="Refresh" content="0">')
    (tmp_path / "usual" / "n" / "x" / "index.html").write_text("<article>only here</article>")
    return tmp_path / "usual", tmp_path / "plain"


def test_equal_pages_are_equal_whatever_their_heads(tool, books):
    usual, plain = (tool.told(folder) for folder in books)
    assert list(usual) == ["a.html"]
    assert tool.differences(usual, plain) == []


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ("12 s", "13 s", {"text", "numbers"}),
        ("n/x/index.html", "n/y/index.html", {"links"}),
        ("id='top'", "id='other'", {"anchors"}),
        ("long", "short", {"text"}),
    ],
)
def test_what_differs_is_named(tool, books, before, after, kinds):
    usual, plain = books
    text = (plain / "a.html").read_text()
    assert before in text
    (plain / "a.html").write_text(text.replace(before, after))
    found = tool.differences(tool.told(usual), tool.told(plain))
    assert {line.split()[1] for line in found} == kinds
    assert all(line.startswith("a.html: ") for line in found)


def test_a_page_that_one_build_lacks_is_named(tool, books):
    usual, plain = books
    (plain / "a.html").rename(plain / "b.html")
    found = tool.differences(tool.told(usual), tool.told(plain))
    assert found == ["a.html: only in the usual build", "b.html: only in the plain build"]


def test_the_configuration_has_all_that_the_book_sets(tool, root, tmp_path):
    config = yaml.safe_load((root / "_config.yml").read_text())
    (tmp_path / "_toc.yml").write_text((root / "_toc.yml").read_text())
    (tmp_path / "book").mkdir()
    for name in ("index.md", "stray.md"):
        (tmp_path / "book" / name).write_text("# A page")
    values = tool.configuration(config, tmp_path)
    assert set(config["sphinx"]["local_extensions"]) <= set(values["extensions"])
    assert set(config["sphinx"]["config"]) <= set(values)
    assert "jupyter_book" not in values["extensions"]
    assert values["exclude_patterns"] == ["book/stray.md"]
