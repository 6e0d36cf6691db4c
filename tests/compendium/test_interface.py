"""The reference to the package says what the source says, and names lead to what they mean."""

import ast
import inspect
import json

import nbformat
import pytest
from docutils import nodes
from docutils.utils import Reporter
from sphinx.util.inventory import InventoryFile

from rollstate.compendium import addresses, interface, interface_pages, inventory
from rollstate.errors import InputError


def test_every_public_function_of_the_science_is_on_a_page():
    shown = {
        f"{one.name}.{name}" for page in interface.pages().values() for one in page for name in one.names
    }
    for path in sorted(interface.PACKAGE.rglob("*.py")):
        inner = path.relative_to(interface.PACKAGE).with_suffix("").parts
        if inner[0] in ("chapters", "compendium", "__init__") or any(
            part.startswith("_") for part in inner[:-1]
        ):
            continue
        module = ".".join(("rollstate", *(part for part in inner if part != "__init__")))
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert f"{module}.{node.name}" in shown, node.name


def test_signature_docstring_and_lines_are_those_of_the_running_code():
    from rollstate.estimate import Estimate
    from rollstate.tails import estimators

    shown = interface.module("rollstate.tails.estimators").names["hill"]
    assert shown.doc == inspect.getdoc(estimators.hill)
    source, first = inspect.getsourcelines(estimators.hill)
    assert shown.lines[1] == first + len(source) - 1
    names = [
        text.split(":")[0].strip() for text in shown.signature.partition("->")[0].strip(" ()").split(", ")
    ]
    assert [name for name in names if name != "*"] == list(inspect.signature(estimators.hill).parameters)
    fields = interface.module("rollstate.estimate").names["Estimate"].signature
    assert all(f"{name}: " in fields for name in inspect.signature(Estimate).parameters)
    assert interface.where("rollstate.tails.estimators.hill") == ("tails/estimators.py", shown.lines)
    assert interface.where("rollstate.tails.estimators.nothing") is None


def test_functions_of_a_chapter_are_those_its_code_names(tmp_path):
    """By alias, through a module, through a package that passes it on; no constant, no machinery, no mere mention."""
    cells = [
        "from rollstate import tails as heavy, intervals\nfrom rollstate.estimate import Estimate as E",
        "from rollstate.traces import schema\nfrom rollstate.compendium.chapter import Chapter",
        "from rollstate.chapters.observability import study\nimport numpy as np",
        "heavy.hill(1); E(1, 2, 3); study.coverage_of; intervals.ACTIVITY; Chapter('x', {})",
        "'intervals.build'; np.sum(1)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "toy.ipynb")
    called = interface.called("no_such_chapter", tmp_path / "toy.ipynb")
    assert called == ["rollstate.estimate.Estimate", "rollstate.tails.estimators.hill"]


def test_every_chapter_names_functions_and_all_of_the_science_s_are_shown(root):
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        called = interface.called(notebook.stem, notebook)
        assert any(name.startswith(f"rollstate.chapters.{notebook.stem}.") for name in called), notebook.stem
        for name in called:
            if not name.startswith("rollstate.chapters."):
                assert interface.shown_name(name, "rollstate") == name
            else:
                assert interface.where(name) is not None


@pytest.mark.parametrize(
    ("target", "inside", "in_class", "meant"),
    [
        ("Path", "rollstate.traces.datasets", "", ""),
        ("Trace", "rollstate.intervals", "", "rollstate.traces.schema.Trace"),
        ("build", "rollstate.intervals", "", "rollstate.intervals.build"),
        ("Profile", "rollstate.horizons.rules", "", "rollstate.profile.tables.Profile"),
        ("figure", "rollstate.compendium.chapter", "Chapter", "rollstate.compendium.chapter.Chapter.figure"),
        ("trace", "rollstate.intervals", "", ""),
    ],
)
def test_a_name_leads_to_what_its_module_means(target, inside, in_class, meant):
    assert interface.shown_name(target, inside, in_class) == meant


def test_the_words_of_a_type_are_no_functions():
    """In "sequence of int" the first word is none of ours, though a module has a function of that name."""
    assert interface.shown_name("sequence", "rollstate.traces.json_values").endswith(".sequence")
    assert interface.shown_name("sequence", "rollstate.traces.json_values", types=True) == ""
    assert interface.shown_name("Trace", "rollstate.intervals", types=True) == "rollstate.traces.schema.Trace"


def test_pages_are_the_same_each_time_and_name_their_chapters(tmp_path):
    callers = {"eda": ["rollstate.tails.estimators.hill"], "proving": ["rollstate.estimate.Estimate"]}
    for name in ("1", "2"):
        pages = interface_pages.write(tmp_path / name, callers)
    for page in pages:
        assert (tmp_path / "1" / f"{page}.rst").read_bytes() == (tmp_path / "2" / f"{page}.rst").read_bytes()
    assert ":doc:`/notebooks/eda`" in (tmp_path / "1" / "api" / "tails.rst").read_text()
    assert ":doc:`/notebooks/proving`" in (tmp_path / "1" / "api" / "modules.rst").read_text()
    assert "Chapters that call it" not in (tmp_path / "1" / "api" / "riscv.rst").read_text()


@pytest.fixture(scope="module")
def marked_up():
    """Every docstring that is shown, as reStructuredText."""
    return {
        f"{one.name}.{name}": interface_pages.markup(name, what)
        for page in interface.pages().values()
        for one in page
        for name, what in one.names.items()
    }


@pytest.mark.thorough
def test_docstrings_are_valid_markup(marked_up):
    """A page with a warning does not build; here it is named without building the book."""
    from docutils.core import publish_doctree
    from docutils.parsers.rst import roles

    roles.register_local_role("", roles.generic_custom_role)
    bad = []
    for name, text in marked_up.items():
        tree = publish_doctree(text, settings_overrides={"report_level": Reporter.SEVERE_LEVEL + 1})
        # Roles of Sphinx are not known here.
        bad += [
            f"{name}: {message.astext()}"
            for message in tree.findall(nodes.system_message)
            if message["level"] >= Reporter.WARNING_LEVEL and "role" not in message.astext()
        ]
    assert bad == []


def test_the_inventory_names_numbers_and_figures(tmp_path):
    body = b"rollstate.tails.hill py:function 1 api/tails.html#$ -\n"
    head = b"# Sphinx inventory version 2\n# Project: Project name not set\n# Version: \n"
    import zlib

    path = tmp_path / "objects.inv"
    path.write_bytes(head + b"# The remainder of this file is compressed using zlib.\n" + zlib.compress(body))
    pages = ["n/reuse.days/index.html", "f/reuse/hot-set/index.html"]
    inventory.complete(path, "rollstate", "0.4.0", pages)
    once = path.read_bytes()
    with path.open("rb") as file:
        known = InventoryFile.load(file, "https://book.example", lambda base, uri: f"{base}/{uri}")
    project, version, address, shown = known["std:label"]["n/reuse.days"]
    assert (project, version, shown) == ("rollstate", "0.4.0", "reuse.days")
    assert address == "https://book.example/n/reuse.days/index.html"
    assert known["std:label"]["f/reuse/hot-set"][2].endswith("/f/reuse/hot-set/index.html")
    assert known["py:function"]["rollstate.tails.hill"][2].endswith("api/tails.html#rollstate.tails.hill")
    path.write_bytes(head + b"# The remainder of this file is compressed using zlib.\n" + zlib.compress(body))
    inventory.complete(path, "rollstate", "0.4.0", reversed(pages))
    assert path.read_bytes() == once
    path.write_text("nothing")
    with pytest.raises(InputError, match="no Sphinx inventory"):
        inventory.complete(path, "rollstate", "0.4.0", pages)


def test_the_data_of_an_address_is_described_and_its_references_are_not(tmp_path):
    folder = tmp_path / "n" / "reuse.days"
    folder.mkdir(parents=True)
    for name in ("index.html", "number.csv", "number.json", "cite.bib", "cite.json", "cite.ris"):
        (folder / name).write_text(json.dumps(name))
    assert addresses.described(tmp_path, ["n/reuse.days/index.html"]) == [
        f"n/reuse.days/{name}" for name in ("index.html", "number.csv", "number.json")
    ]
