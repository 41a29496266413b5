"""`medrec dataset import csv`: a table that came with an archive to a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medrec.data.importers_table import ColumnMapping, import_table
from medrec.errors import UsageError
from medrec.workflows.importing import refuse_existing, write_imported


def import_csv(
    source: str | Path,
    *,
    out: str | Path,
    mapping: ColumnMapping,
    root: str | Path | None = None,
    same_patient: Sequence[str] = (),
) -> str:
    """Write a manifest from a table; returns a line that says what is in it.

    `root` is where the table's paths start; None its own folder. `same_patient` holds texts `A=B`.

    Raises:
        ManifestError: Columns, cells or files that are wrong; all are listed.
        OutputError: The manifest exists already.
        UsageError: A `same_patient` without two names.
    """
    source, out = Path(source), Path(out)
    refuse_existing(out)
    groups = [text.split("=") for text in same_patient]
    if any(len(names) < 2 or not all(names) for names in groups):  # noqa: PLR2004 (two names)
        message = "--same-patient: wanted A=B, the names of one patient"
        raise UsageError(message)
    start = Path(root) if root else source.parent
    references = import_table(source, mapping, root=start, same_patient=groups)
    return write_imported(references, root=start, out=out)


def to_pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Split `NAME=EXPRESSION` texts; a bare name is its own column.

    Raises:
        UsageError: A text without a name, or a name given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, expression = text.partition("=")
        if not name or name in pairs or (equals and not expression):
            message = f"{option} {text}: wanted NAME=COLUMN, each name once"
            raise UsageError(message)
        pairs[name] = expression or name
    return pairs
