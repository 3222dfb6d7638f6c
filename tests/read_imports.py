"""What a file imports, read from its syntax tree: also inside functions and under TYPE_CHECKING, and never by running it."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

IMPORTERS = {"import_module", "__import__", "find_spec", "spec_from_file_location", "run_module", "run_path", "from_clone"}
"""Functions that import, or look for, a module that is named by a string."""


class Import(NamedTuple):
    """One imported name.

    Attributes:
        line: of the file, counted from 1.
        module: absolute and as long as it is written: "a.b.c" for ``import a.b.c`` and for ``from a.b import c``.
        level: dots that it began with; 0 for an absolute import.
        function: the outermost function that it stands in, or None.
    """

    line: int
    module: str
    level: int
    function: str | None


def tree_of(file: Path) -> ast.Module:
    """The syntax tree of a file, which nobody may change: who asks for the same text again gets the same tree."""
    return _parsed(file.read_text(encoding="utf-8"), str(file))


@functools.cache
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, filename=name)


def module_of(file: Path, root: Path) -> str:
    """Dotted name of a file below ``root``; of an ``__init__.py`` that of its folder."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path, root: Path) -> list[Import]:
    """Every import of a file below ``root``, in the order of their lines."""
    package = module_of(file, root).split(".")
    if file.name != "__init__.py":
        package = package[:-1]
    found = []
    for node, function in nodes_of(file):
        if isinstance(node, ast.Import):
            found += [Import(node.lineno, name.name, 0, function) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            base = [*start, *([node.module] if node.module else [])]
            found += [Import(node.lineno, ".".join([*base, name.name]), node.level, function) for name in node.names]
    return sorted(found)


def nodes_of(file: Path) -> list[tuple[ast.AST, str | None]]:
    """All nodes of a file's syntax tree, in no order that is promised, with the outermost function that each stands in."""
    return _nodes(file.read_text(encoding="utf-8"), str(file))


@functools.cache
def _nodes(text: str, name: str) -> list[tuple[ast.AST, str | None]]:
    return list(with_function(_parsed(text, name)))


def with_function(tree: ast.AST) -> Iterator[tuple[ast.AST, str | None]]:
    """Every node below ``tree`` with the name of the outermost function that it stands in."""
    waiting = [(tree, None)]
    while waiting:
        node, function = waiting.pop()
        for child in ast.iter_child_nodes(node):
            is_outermost = function is None and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            waiting.append((child, child.name if is_outermost else function))
            yield waiting[-1]


def imports_by_string(file: Path) -> list[tuple[int, str | None]]:
    """(line, what is named or None where that is no plain string) of each call that imports by a string."""
    found = []
    for node, _ in nodes_of(file):
        if isinstance(node, ast.Call) and node.args and name_of(node.func).rpartition(".")[2] in IMPORTERS:
            named = node.args[0]
            plain = isinstance(named, ast.Constant) and isinstance(named.value, str)
            found.append((node.lineno, named.value if plain else None))
    return found


def changes_of_the_path(file: Path) -> list[int]:
    """Lines that mention ``sys.path`` or add a folder of modules through ``site``."""
    found = []
    for node, _ in nodes_of(file):
        if isinstance(node, ast.Attribute) and name_of(node) in ("sys.path", "site.addsitedir"):
            found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "sys" and any(name.name == "path" for name in node.names):
            found.append(node.lineno)
    return found


def name_of(node: ast.AST) -> str:
    """Dotted name of an expression, "" for what has none."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
