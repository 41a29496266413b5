"""A table that came with an archive to rows of a manifest: which column says what."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from medrec.data.expressions import Expression, Words, parse_expression
from medrec.data.manifest import FIXED
from medrec.data.table import read_table
from medrec.domain.finding import Label
from medrec.domain.reference import Reference, Split
from medrec.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medrec.data.table import Row, Table


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column says what; `labels` and `attributes` are expressions by name."""

    path: str
    patient: str
    labels: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    mask: str | None = None
    split: str | None = None


def import_table(
    table: Path,
    mapping: ColumnMapping,
    *,
    root: Path,
    same_patient: Sequence[Sequence[str]] = (),
) -> list[Reference]:
    """Make one row a line of a table; paths are relative to `root`.

    Args:
        table: CSV or TSV; cells stand apart by comma, semicolon or tab.
        mapping: Which column says what.
        root: The folder that the table's paths start from; none may lead out of it.
        same_patient: Groups of names of one patient: each row gets the first of its group.

    Raises:
        ManifestError: Columns that aren't there, cells that say nothing known, files that are
            missing or outside `root`, repeats; all are listed.
    """
    read = read_table(table, delimiters=",;\t")
    return import_rows(read, mapping, root=root, where=table, same_patient=same_patient)


def import_rows(
    read: Table,
    mapping: ColumnMapping,
    *,
    root: Path,
    where: Path,
    same_patient: Sequence[Sequence[str]] = (),
) -> list[Reference]:
    """The same for a table that was read; `where` is what to call it in messages.

    Raises:
        ManifestError: As `import_table`.
    """
    problems: list[str] = []
    parser = _Parser.of(mapping, problems)
    problems += _absent_columns(read, mapping, parser)
    if problems:
        raise ManifestError(str(where), problems)
    reader = _LineReader(mapping, parser, root, to_names(same_patient), problems)
    references = [reader.read(row) for row in read.rows]
    problems += read.uneven
    problems += unknown_names(same_patient, {row.cells[mapping.patient] for row in read.rows})
    if not read.rows and not problems:
        problems.append("holds no rows")
    if problems:
        raise ManifestError(str(where), problems)
    return references


def to_names(same_patient: Sequence[Sequence[str]]) -> dict[str, str]:
    """The name that stands for each name of a group; groups that share one are one group."""
    names: dict[str, str] = {}
    for group in same_patient:
        chosen = min(names.get(name, name) for name in group)
        merged = {names.get(name, name) for name in group}
        names |= {name: chosen for name, old in names.items() if old in merged}
        names |= dict.fromkeys(group, chosen)
    return names


def unknown_names(same_patient: Sequence[Sequence[str]], patients: set[str]) -> list[str]:
    """What is wrong with groups that name patients whom nobody has seen."""
    absent = sum(name not in patients for group in same_patient for name in group)
    if not absent:
        return []
    return [f"same patient: {absent} of the names are no patient here: write them as the rows do"]


def outside(path: str) -> str | None:
    """What is wrong with a path that must lead to something below a folder, if anything."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        return f"{path!r} leads out of the archive's folder: wanted a path relative to it"
    return None


@dataclass(frozen=True, slots=True)
class _Parser:
    """The expressions of a mapping."""

    labels: Mapping[str, Expression]
    attributes: Mapping[str, Expression]

    @classmethod
    def of(cls, mapping: ColumnMapping, problems: list[str]) -> _Parser:
        """Parse them, noting what is wrong in `problems`."""

        def parsed(kind: str, texts: Mapping[str, str]) -> dict[str, Expression]:
            found: dict[str, Expression] = {}
            for name, text in texts.items():
                if name in FIXED:
                    problems.append(f"{kind} {name}: means something else in a manifest; rename it")
                try:
                    found[name] = parse_expression(text)
                except ValueError as error:
                    problems.append(f"{kind} {name}: {error}")
            return found

        twice = sorted(set(mapping.labels) & set(mapping.attributes))
        problems += [f"attribute {name}: is a label already; rename it" for name in twice]
        return cls(parsed("label", mapping.labels), parsed("attribute", mapping.attributes))


def _absent_columns(read: Table, mapping: ColumnMapping, parser: _Parser) -> list[str]:
    expressions = [*parser.labels.values(), *parser.attributes.values()]
    asked = [mapping.path, mapping.patient, mapping.mask, mapping.split]
    wanted = dict.fromkeys([*asked, *(expression.column for expression in expressions)])
    there = ", ".join(read.columns)
    absent = [f"column {name}: missing; there are {there}" for name in wanted if name not in
              {None, *read.columns}]  # fmt: skip
    repeated = sorted({name for name in read.columns if read.columns.count(name) > 1})
    return absent + [f"column {name}: named twice" for name in repeated if name in wanted]


@dataclass(frozen=True, slots=True)
class _LineReader:
    """Read lines, noting all that is wrong with them in `problems`."""

    mapping: ColumnMapping
    parser: _Parser
    root: Path
    names: Mapping[str, str]
    problems: list[str]
    first: dict[str, int] = field(default_factory=dict)

    def read(self, row: Row) -> Reference:
        path = self._file(row, self.mapping.path)
        line = self.first.setdefault(path, row.line)
        if path and line != row.line:
            self.problems.append(f"line {row.line}: the same path as line {line}")
        patient = row.cells[self.mapping.patient]
        if not patient:
            self.problems.append(f"line {row.line}, column {self.mapping.patient}: empty; wanted "
                                 "whose scan it is")  # fmt: skip
        mask = self.mapping.mask
        return Reference(
            path=path,
            patient=self.names.get(patient, patient),
            labels={
                Label(name): self._truth(row, asked) for name, asked in self.parser.labels.items()
            },
            split=self._split(row),
            mask=self._file(row, mask) if mask and row.cells[mask] else None,
            attributes={
                name: value
                for name, asked in self.parser.attributes.items()
                if (value := self._attribute(row, asked))
            },
        )

    def _file(self, row: Row, column: str) -> str:
        path = row.cells[column]
        where = f"line {row.line}, column {column}"
        if not path:
            self.problems.append(f"{where}: empty; wanted a path")
        elif wrong := outside(path):
            self.problems.append(f"{where}: {wrong}")
        elif not _exists(self.root, path):
            self.problems.append(f"{where}: {path!r} is not below the archive's folder")
        return path

    def _truth(self, row: Row, asked: Expression) -> bool | None:
        try:
            return asked(row.cells[asked.column])
        except ValueError as error:
            self.problems.append(f"line {row.line}, column {asked.column}: {error}")
            return None

    def _attribute(self, row: Row, asked: Expression) -> str:
        """The cell itself, or yes and no: 1 and 0 would make a label of it in a manifest."""
        if isinstance(asked, Words):
            return row.cells[asked.column]
        return {True: "yes", False: "no", None: ""}[self._truth(row, asked)]

    def _split(self, row: Row) -> Split | None:
        value = row.cells[self.mapping.split].casefold() if self.mapping.split else ""
        if not value:
            return None
        if value not in set(Split):
            self.problems.append(
                f"line {row.line}, column {self.mapping.split}: {value!r}; wanted "
                f"{', '.join(Split)}, or nothing"
            )
            return None
        return Split(value)


def _exists(root: Path, path: str) -> bool:
    try:
        return (root / path).exists()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False
