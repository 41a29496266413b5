"""Small modules, functions and classes, measured: a limit is where a thing is split, not an aim."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "medrec").rglob("*.py"))

LINES_OF_A_MODULE = 400
LINES_OF_A_FUNCTION = 60
LINES_OF_A_CLASS = 200
PARAMETERS = 6
BY_PLACE = 4
BY_PLACE_IF_CROWDED = 2
METHOD_RECEIVERS = {"self", "cls"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Definition:
    """A function or class, and where it stands."""

    where: str
    node: Function | ast.ClassDef

    @property
    def line_count(self) -> int:
        return self.node.end_lineno - self.node.lineno + 1 - docstring_line_count(self.node)


def docstring_line_count(node: Function | ast.ClassDef) -> int:
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return first.end_lineno - first.lineno + 1 if is_docstring else 0


def definitions(kinds: tuple[type, ...]) -> Iterator[Definition]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kinds):
                yield Definition(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node)


def functions() -> list[Definition]:
    found = list(definitions((ast.FunctionDef, ast.AsyncFunctionDef)))
    assert len(found) >= 20
    return found


def parameters(node: Function) -> list[ast.arg]:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument for argument in every if argument.arg not in METHOD_RECEIVERS]


def positional_parameters(node: Function) -> list[ast.arg]:
    by_name = set(node.args.kwonlyargs)
    return [argument for argument in parameters(node) if argument not in by_name]


def test_no_module_is_longer_than_the_limit():
    assert len(MODULES) >= 20

    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}

    assert [] == [str(path) for path, lines in lengths.items() if lines > LINES_OF_A_MODULE]


def test_no_function_is_longer_than_the_limit():
    assert [] == [one.where for one in functions() if one.line_count > LINES_OF_A_FUNCTION]


def test_no_class_is_longer_than_the_limit():
    classes = list(definitions((ast.ClassDef,)))

    assert len(classes) >= 20
    assert [] == [one.where for one in classes if one.line_count > LINES_OF_A_CLASS]


def test_no_function_takes_more_parameters_than_the_limit():
    crowded = [one for one in functions() if len(parameters(one.node)) > PARAMETERS]

    # What takes the fields of a config flat (a transform, a verb) takes them all by name.
    # Typer makes each option of a verb a parameter, so the command line can't.
    placed = [(one.where, len(positional_parameters(one.node))) for one in crowded]
    too_many = [where for where, count in placed if count > BY_PLACE_IF_CROWDED]

    assert [] == [where for where in too_many if not where.startswith("medrec/cli/")]


def test_a_public_function_takes_all_but_its_first_parameters_by_name():
    public = [one for one in functions() if not one.node.name.startswith("_")]

    many = [one for one in public if len(positional_parameters(one.node)) > BY_PLACE]

    assert [] == [one.where for one in many if not one.where.startswith("medrec/cli/")]


def test_no_module_is_a_drawer_for_odds_and_ends():
    drawers = {"utils", "util", "helpers", "misc", "common", "tools", "base_utils"}

    assert [] == [str(path) for path in MODULES if {path.stem, path.parent.name} & drawers]
