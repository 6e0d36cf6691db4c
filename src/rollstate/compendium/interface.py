"""The package as its source declares it: public names with their lines, and which of them a chapter calls.

Everything is read from the syntax tree, so that a page says what the source says without running it.
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager

from rollstate.compendium.provenance import PACKAGE

ROOT = PACKAGE.name
TOP = "modules"
"""Page of the modules that belong to no subpackage."""
_NOT_SHOWN = ("chapters", "data")
_COMMAND = frozenset({"command", "group"})
_TYPES = frozenset({"class", "data"})
_PROPERTY = frozenset({"property", "cached_property"})


@dataclass(frozen=True)
class Name:
    """One public name of a module.

    Attributes
    ----------
    kind : {"function", "class", "data", "method", "property"}
        What it is.
    signature : str
        What follows the name: arguments and what is returned, as the source has them; the type of a property.
    doc : str
        Its docstring, without the indentation.
    lines : tuple of int
        First and last line of its source.
    """

    kind: str
    signature: str
    doc: str
    lines: tuple[int, int]


@dataclass(frozen=True)
class Module:
    """One module of the package.

    Attributes
    ----------
    name : str
        Its full name.
    path : Path
        Its file.
    doc : str
        Its docstring.
    names : dict
        `Name` by what the module itself defines, in the order of the source; members of classes are ``Class.member``.
    exported : dict
        Full name by the name under which the module passes on what another module defines.
    """

    name: str
    path: Path
    doc: str
    names: dict[str, Name]
    exported: dict[str, str]

    def top(self) -> dict[str, Name]:
        """Return the names without the members of classes."""
        return {name: one for name, one in self.names.items() if "." not in name}


@functools.cache
def module(name: str) -> Module | None:
    """Return a module of the package by its full name; None if there is no such module."""
    first, *rest = name.split(".")
    base = PACKAGE.joinpath(*rest)
    found = [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
    if first != ROOT or not found:
        return None
    tree = ast.parse(found[0].read_text(encoding="utf-8"))
    names = {qualified: one for qualified, one in _defined(tree.body) if _is_public(qualified)}
    return Module(name, found[0], ast.get_docstring(tree) or "", names, _imports(tree))


@functools.cache
def pages() -> dict[str, list[Module]]:
    """Return the modules that the reference shows, by page: one for each subpackage, one for the rest."""
    shown: dict[str, list[Module]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        inner = parts[:-1] if parts[-1] == "__init__" else parts
        if not inner or inner[0] in _NOT_SHOWN or not all(_is_public(part) for part in inner):
            continue
        own = module(".".join((ROOT, *inner)))
        page = inner[0] if (PACKAGE / inner[0]).is_dir() else TOP
        if inner[0] == "compendium" and len(inner) > 1 and not _is_a_tool(".".join((ROOT, *inner))):
            continue
        if own is not None and (own.top() or len(inner) == 1):
            shown.setdefault(page, []).append(own)
    return dict(sorted(shown.items(), key=lambda item: (item[0] == TOP, item[0])))


def _is_a_tool(name: str) -> bool:
    """Return whether chapters are written with a module of the machinery; the rest of that serves the command line."""
    return name == f"{ROOT}.compendium.chapter" or any(
        f"{full}.".startswith(f"{name}.") for full in _chapters_import()
    )


@functools.cache
def _chapters_import() -> set[str]:
    files = sorted((PACKAGE / "chapters").rglob("*.py"))
    return {full for path in files for full in _imports(ast.parse(path.read_text(encoding="utf-8"))).values()}


def called(chapter: str, notebook: Path) -> list[str]:
    """Return the full names of functions and classes that a chapter uses, its own and the science's, sorted.

    What draws, records and stores (`rollstate.compendium`) is the same for all chapters and left out.

    Parameters
    ----------
    chapter : str
        Name of the chapter: the modules of ``rollstate.chapters.<chapter>`` are read.
    notebook : Path
        Its notebook. Of the chapter's own functions only those that the notebook uses are listed.
    """
    home = f"{ROOT}.chapters.{chapter}"
    told = _used(_code(notebook), "")
    studied: set[str] = set()
    for path in sorted((PACKAGE / "chapters" / chapter).glob("*.py")):
        studied |= _used(path.read_text(encoding="utf-8"), f"{home}.{path.stem}")
    names = told | {name for name in studied if not name.startswith(f"{home}.")}
    return sorted(name for name in names if not name.startswith(f"{ROOT}.compendium."))


def shown_name(target: str, inside: str, in_class: str = "", *, types: bool = False) -> str:
    """Return the full name on a page of the reference that some source means by a name; empty if it means none.

    Parameters
    ----------
    target : str
        The name as a docstring or an annotation has it: ``Trace``, ``costs.Prices``, ``Chapter.figure``, or in full.
    inside : str
        Full name of the module that says it.
    in_class : str, optional
        The class whose description says it: its members go by their own name there.
    types : bool
        Whether the name stands for a type, which no function or property is: the words of a type, as in "sequence of
        int", may be the names of some.
    """
    own = module(inside)
    first, *rest = target.split(".")
    passed = own.exported.get(first) if own else None
    imported = ".".join((passed, *rest)) if passed else ""
    # What a package passes on stands where it is defined.
    meant = (target, f"{inside}.{target}", f"{inside}.{in_class}.{target}", imported, _resolved(imported))
    shown = _shown()
    return next((name for name in meant if name in shown and (not types or shown[name] in _TYPES)), "")


@functools.cache
def _shown() -> dict[str, str]:
    """Return what each full name of the reference is."""
    modules = [one for page in pages().values() for one in page]
    kinds = {f"{one.name}.{name}": what.kind for one in modules for name, what in one.names.items()}
    return kinds | {one.name: "module" for one in modules}


def where(name: str) -> tuple[str, tuple[int, int]] | None:
    """Return the file, relative to the package, and the lines of a full name; None if the source does not define it."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        own = module(".".join(parts[:cut]))
        if own is not None:
            found = own.names.get(".".join(parts[cut:]))
            return (own.path.relative_to(PACKAGE).as_posix(), found.lines) if found else None
    return None


def _defined(body: list[ast.stmt], inside: ast.ClassDef | None = None) -> Iterator[tuple[str, Name]]:
    """Yield what some statements define and say a word about."""
    prefix = f"{inside.name}." if inside else ""
    for node, after in zip(body, [*body[1:], None], strict=True):
        lines = (node.lineno, node.end_lineno or node.lineno)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = {_last(decorator) for decorator in node.decorator_list}
            doc = ast.get_docstring(node)
            if doc is None or marks & _COMMAND:
                continue
            if marks & _PROPERTY:
                yield prefix + node.name, Name("property", _returned(node), doc, lines)
            else:
                bound = inside is not None and "staticmethod" not in marks
                signature = f"({_arguments(node.args, bound)})" + (
                    f" -> {_returned(node)}" if node.returns else ""
                )
                yield prefix + node.name, Name("method" if inside else "function", signature, doc, lines)
        elif isinstance(node, ast.ClassDef) and (doc := ast.get_docstring(node)) is not None and not inside:
            yield node.name, Name("class", _constructor(node), doc, lines)
            yield from _defined(node.body, node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and (said := _text(after)) and not inside:
            # A string after an assignment says what it is.
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, Name("data", "", said, lines)


def _arguments(arguments: ast.arguments, bound: bool) -> str:
    """Return arguments as the source has them, without the one that a method is bound to."""
    if bound:
        first = "posonlyargs" if arguments.posonlyargs else "args"
        values = {**dict(ast.iter_fields(arguments)), first: getattr(arguments, first)[1:]}
        arguments = ast.arguments(**values)
    return ast.unparse(arguments)


def _returned(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return ast.unparse(node.returns) if node.returns else ""


def _constructor(node: ast.ClassDef) -> str:
    """Return the arguments of a class: those of ``__init__``, or the fields of a data class or a named tuple."""
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return f"({_arguments(inner.args, True)})"
    kinds = {_last(decorator) for decorator in node.decorator_list} | {_last(base) for base in node.bases}
    if not kinds & {"dataclass", "NamedTuple", "Parameters"}:
        return ""
    fields = []
    for inner in node.body:
        if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
            text = f"{inner.target.id}: {ast.unparse(inner.annotation)}"
            # A call makes the default anew each time; what it is stands in the source.
            default = "..." if isinstance(inner.value, ast.Call) else inner.value and ast.unparse(inner.value)
            fields.append(f"{text} = {default}" if default else text)
    return f"({', '.join(fields)})"


def _last(decorator: ast.expr) -> str:
    while isinstance(decorator, ast.Call):
        decorator = decorator.func
    return decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")


def _text(node: ast.stmt | None) -> str:
    """Return the text of a statement that is nothing but a string."""
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return inspect.cleandoc(node.value.value)
    return ""


def _is_public(name: str) -> bool:
    return not any(part.startswith("_") for part in name.split("."))


def _imports(tree: ast.AST) -> dict[str, str]:
    """Return the full name of everything of the package that is imported, by the name it has here."""
    out: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            out |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Import):
            out |= {one.asname or one.name.split(".")[0]: (one.asname and one.name) or ROOT for one in node.names
                    if one.name.split(".")[0] == ROOT}  # fmt: skip
    return {name: full for name, full in out.items() if full.split(".")[0] == ROOT}


def _code(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    transform = TransformerManager().transform_cell
    return "\n".join(transform(cell.source) for cell in cells if cell.cell_type == "code")


def _used(source: str, own: str) -> set[str]:
    """Return the full names of functions and classes of other modules that some source uses; `own` is its name."""
    tree = ast.parse(source)
    known = _imports(tree)
    out = set()
    for node in ast.walk(tree):
        chain = _chain(node)
        if chain and chain[0] in known:
            full = _resolved(".".join((known[chain[0]], *chain[1:])))
            if full and not full.startswith(f"{own}." if own else "\0"):
                out.add(full)
    return out


def _chain(node: ast.AST) -> list[str]:
    """Return the words of ``a.b.c``; nothing for any other expression."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.insert(0, node.attr)
        node = node.value
    return [node.id, *words] if isinstance(node, ast.Name) else []


def _resolved(name: str, depth: int = 4) -> str:
    """Return the full name of the public function or class that `name` leads to; empty if it leads to none."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        own = module(".".join(parts[:cut]))
        if own is None:
            continue
        rest = parts[cut:]
        if rest and rest[0] in own.names:
            return f"{own.name}.{rest[0]}" if own.names[rest[0]].kind != "data" else ""
        if rest and rest[0] in own.exported and depth:
            return _resolved(".".join((own.exported[rest[0]], *rest[1:])), depth - 1)
        return ""
    return ""
