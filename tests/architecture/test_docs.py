"""What the documentation tells a reader to type exists, and the reference pages are complete."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import medrec
from medrec import errors
from medrec.cli.app import app
from medrec.config.base import validate
from medrec.config.kinds import SCHEMAS
from medrec.domain.codes import NoteCode, ReasonCode
from medrec.io.predictions import from_line

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.M | re.S
)


@dataclass(frozen=True)
class Command:
    """A line that a page tells the reader to type."""

    page: Path
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {' '.join(self.words)}"


def blocks(page: Path, *languages: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [match["text"] for match in FENCE.finditer(text) if match["language"] in languages]


def commands(program: str) -> list[Command]:
    found = []
    for page in PAGES:
        for block in blocks(page, "console", "bash", "sh"):
            lines = block.replace("\\\n", " ").splitlines()
            typed = [line.strip().removeprefix("$ ") for line in lines]
            words = [shlex.split(line, comments=True) for line in typed]
            found += [Command(page, tuple(line)) for line in words if line[:1] == [program]]
    return found


def walk(words: tuple[str, ...]):
    """The command that the words lead to, and the words that are left for it."""
    command, rest = get_command(app), list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    return command, rest


def leaves(command, path: tuple[str, ...] = ()):
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def options_of(command) -> dict[str, bool]:
    """Each option, and whether it takes a value."""
    found = {"--help": False}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            takes_value = not (parameter.is_flag or parameter.count)
            found |= dict.fromkeys([*parameter.opts, *parameter.secondary_opts], takes_value)
    return found


def argument_limits(command) -> tuple[int, float]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    least = sum(one.required for one in arguments)
    most = float("inf") if any(one.nargs == -1 for one in arguments) else len(arguments)
    return least, most


def split_words(words: list[str], options: dict[str, bool]) -> tuple[list[str], list[str]]:
    """The option names and the arguments among the words after a verb."""
    named, placed, words = [], [], list(words)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            placed.append(word)
            continue
        name, equals, _ = word.partition("=")
        named.append(name)
        if options.get(name) and not equals and words:
            words.pop(0)
    return named, placed


@pytest.mark.parametrize("command", commands("medrec"), ids=str)
def test_a_medrec_command_in_the_documentation_exists(command):
    verb, rest = walk(command.words[1:])
    options = options_of(verb)
    named, placed = split_words(rest, options)
    least, most = argument_limits(verb)

    assert [] == [name for name in named if name not in options]
    assert not getattr(verb, "commands", None) or "--help" in named, "stops at a group of verbs"
    assert least <= len(placed) <= most or "--help" in named


@pytest.mark.parametrize("command", commands("make"), ids=str)
def test_a_make_target_in_the_documentation_exists(command):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    wanted = {word for word in command.words[1:] if "=" not in word}

    assert set() == wanted - targets


def test_the_documentation_shows_commands():
    assert len(commands("medrec")) >= 15
    assert len(commands("make")) >= 4


def test_the_command_reference_shows_every_verb_with_all_its_options():
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `medrec ([a-z ]+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    verbs = {" ".join(path): command for path, command in leaves(get_command(app))}

    missing = [
        f"{verb} {option}"
        for verb, command in verbs.items()
        for option in options_of(command)
        if option.startswith("--") and option != "--help" and option not in sections.get(verb, "")
    ]

    assert sorted(verbs) == sorted(sections)
    assert [] == missing


@pytest.mark.parametrize(("heading", "codes"), [("Reasons", ReasonCode), ("Notes", NoteCode)])
def test_the_codes_page_lists_every_code_once(heading, codes):
    text = (REFERENCE / "codes.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]

    listed = re.findall(r"^\| `([a-z_]+)` \|", section, re.M)

    assert sorted(codes) == sorted(listed)


def test_the_codes_page_marks_what_no_check_gives_as_reserved():
    text = (REFERENCE / "codes.md").read_text(encoding="utf-8")
    reserved = set(re.findall(r"^\| `([a-z_]+)` \|.*Reserved", text, re.M))
    # The codes' definition and the words that explain them in reports give none.
    silent = {"codes.py", "explanations.py"}
    sources = [path for path in (ROOT / "medrec").rglob("*.py") if path.name not in silent]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)

    unused = {
        str(one) for one in [*ReasonCode, *NoteCode] if not re.search(rf"Code\.{one.name}\b", code)
    }

    assert unused == reserved


def test_the_error_page_lists_every_error():
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    names = [name for name, value in vars(errors).items() if inspect.isclass(value)]

    assert len(names) >= 10
    assert [] == [name for name in names if name not in text]


def python_calls() -> list[tuple[str, ast.Call]]:
    """Calls of `medrec.NAME(...)` in the Python examples."""
    trees = [
        (str(page.relative_to(ROOT)), ast.parse(block))
        for page in PAGES
        for block in blocks(page, "python")
        if ">>>" not in block
    ]
    nodes = [(page, node) for page, tree in trees for node in ast.walk(tree)]
    return [
        (page, node)
        for page, node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("medrec.")
    ]


def test_python_examples_call_what_exists_with_names_it_knows():
    calls = python_calls()
    wrong = [
        f"{page}: {ast.unparse(call)}"
        for page, call in calls
        if not {word.arg for word in call.keywords}
        <= set(inspect.signature(getattr(medrec, call.func.attr)).parameters)
    ]

    assert len(calls) >= 3
    assert [] == wrong


def test_a_complete_config_in_the_documentation_is_valid():
    texts = [block for page in PAGES for block in blocks(page, "yaml")]
    configs = [data for text in texts if "kind" in (data := yaml.safe_load(text) or {})]

    assert configs
    for data in configs:
        validate(data, SCHEMAS[data["kind"]], where="the documentation")


def test_a_prediction_in_the_documentation_can_be_read():
    texts = [block for page in PAGES for block in blocks(page, "json")]
    lines = [json.dumps(data) for text in texts if "schema" in (data := json.loads(text))]

    assert lines
    for line in lines:
        assert from_line(line, where="the documentation").findings


def test_there_is_a_record_of_each_decision():
    records = sorted((DOCS / "adr").glob("[0-9]*.md"))

    assert [f"{number:04}" for number in range(1, 13)] == [path.name[:4] for path in records[:12]]
    for path in records:
        headings = re.findall(r"^## (.+)$", path.read_text(encoding="utf-8"), re.M)
        assert ["Status", "Context", "Decision", "Consequences"] == headings, path.name


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")]

    assert len(pages) >= 20
    assert [] == [page for page in pages if f" {page}\n" not in navigation]
