"""The project's own files agree with each other."""

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import rollstate
from rollstate.compendium import by_name, runner


@pytest.fixture(scope="module")
def pyproject(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def locked(root):
    """Versions of the lock by name; a name may be locked twice, for different Pythons."""
    versions = {}
    for line in (root / "requirements.lock").read_text().splitlines():
        if match := re.match(r"([\w.-]+)==([^\s;\\]+)", line):
            versions.setdefault(canonicalize_name(match[1]), set()).add(Version(match[2]))
    return versions


def test_lock_satisfies_every_declared_dependency(pyproject, locked):
    declared = pyproject["project"]["dependencies"] + pyproject["dependency-groups"]["dev"]
    for text in declared:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{text} is not locked: run `make lock`"
        assert all(requirement.specifier.contains(v, prereleases=True) for v in versions), text


def test_lock_pins_by_hash_and_names_no_host(root):
    text = (root / "requirements.lock").read_text()
    entries = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    assert text.count("--hash=sha256:") >= len(entries)
    assert "://" not in text


def test_conda_environment_takes_its_libraries_from_the_lock(root, pyproject):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert {re.split("[<>=]", name)[0] for name in conda} == {"python", "make", "pip"}
    # Conda takes the newest Python, and for one library later ones need a compiler.
    assert f"python{pyproject['project']['requires-python']},<3.13" in conda
    assert pip == {"pip": ["-r requirements.lock"]}


def test_the_image_has_what_makes_the_environment_before_it_has_the_rest(root, pyproject):
    makefile = (root / "Makefile").read_text()
    before = (root / "Dockerfile").read_text().partition("RUN make")[0]
    scripts = re.findall(r"^\t@?\$\(PYTHON\) (\S+\.py)", makefile, re.MULTILINE)
    # The editable package takes its data along, too.
    included = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert [name for name in (*scripts, *included) if f"COPY {name} " not in before] == []


@pytest.mark.parametrize(
    ("version", "rust", "said"),
    [
        ((3, 10), True, "needs Python 3.11 or newer, found 3.10"),
        ((3, 11), False, None),
        ((3, 12), False, None),
        ((3, 13), False, "no wheel for Python 3.13"),
        ((3, 14), True, None),
    ],
)
def test_a_python_that_cannot_make_the_environment_is_refused_first(root, version, rust, said):
    complaint = runpy.run_path(str(root / "tools" / "check_python.py"))["complaint"](version, rust)
    assert (said in complaint and "make PYTHON=" in complaint) if said else complaint == ""


def test_version_is_the_same_everywhere(root, pyproject):
    cff = yaml.safe_load((root / "CITATION.cff").read_text())
    assert rollstate.__version__ == pyproject["project"]["version"] == cff["version"]


def test_notebooks_are_committed_without_outputs_and_begin_with_their_parameters(root):
    for path in (root / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code), path
        assert code[0]["metadata"].get("tags") == ["parameters"], path
        assert "Chapter(" in "".join(code[0]["source"]), path


def test_every_notebook_is_in_the_book(root):
    assert sorted(runner.chapters(root)) == sorted(path.stem for path in (root / "notebooks").glob("*.ipynb"))


def test_every_chapter_names_parameters_with_a_meaning(root):
    for chapter in runner.chapters(root):
        cls = by_name.parameter_class(chapter)
        assert cls.chapter() == chapter
        assert cls.__doc__
        assert all(len(row["meaning"]) > 5 for row in cls.describe()), chapter


def test_floors_import_only_what_lies_below(root):
    lint_imports = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*lint_imports, "--no-cache"], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_run_what_ci_runs(root):
    for name in ("ci", "nightly", "canary"):
        workflow = (root / ".github" / "workflows" / f"{name}.yml").read_text()
        assert "bash .ci/run" in workflow


def test_every_import_of_the_package_is_declared(root, pyproject):
    declared = {
        canonicalize_name(Requirement(text).name) for text in pyproject["project"]["dependencies"]
    } | {"rollstate"}
    provides = metadata.packages_distributions()
    extensions = {file.stem for file in (root / "book" / "_ext").glob("*.py")}
    missing = set()
    for file in [*(root / "src").rglob("*.py"), *(root / "book").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - extensions:
                owners = {canonicalize_name(owner) for owner in provides.get(top, [top])}
                # Sphinx and docutils come with the book's renderer, which the extension belongs to.
                if not owners & (declared | {"sphinx", "docutils"}):
                    missing.add(f"{file.relative_to(root)}: {top}")
    assert not missing


def test_workflows_pin_their_actions_and_say_what_they_may_do(root):
    for file in (root / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(file.read_text())
        assert "permissions" in workflow, file.name
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"x@{'0' * 40}")), step


def test_releases_name_no_folder_of_the_machine_that_made_them(root):
    personal = re.compile(rb"(?<![\w.:/])/(home|root|Users|tmp|private|opt|mnt)/[\w.-]+/")
    for file in (root / "releases").rglob("*"):
        if file.is_file():
            found = personal.search(file.read_bytes())
            assert found is None, f"{file.relative_to(root)} names {found[0].decode()}"


def test_coverage_is_measured_of_packages_and_by_tests_that_exist(root, pyproject):
    settings = pyproject["tool"]["coverage"]
    for name in settings["run"]["source_pkgs"]:
        place = root / "src" / name.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), name
    assert settings["report"]["fail_under"] > 90
    named = re.findall(r"tests/[\w./]+", (root / ".ci" / "coverage").read_text())
    assert len(named) > 5
    assert all((root / test).exists() for test in named), named
    nightly = yaml.safe_load((root / ".github" / "workflows" / "nightly.yml").read_text())["jobs"]
    assert {"locked", "coverage", "mutants"} == set(nightly["alarm"]["needs"]) == set(nightly) - {"alarm"}


def test_the_release_compares_its_speed_with_the_one_before(root):
    release = yaml.safe_load((root / ".github" / "workflows" / "release.yml").read_text())
    commands = " ".join(step.get("run", "") for step in release["jobs"]["release"]["steps"])
    assert "benchmarks/run.py --compare" in commands
