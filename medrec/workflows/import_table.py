"""`medrec dataset import csv`: a table that came with an archive to a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medrec.data.importers_table import ColumnMapping, import_table
from medrec.errors import UsageError
from medrec.workflows.importing import check_free, write_imported


def import_csv(
    source: str | Path,
    *,
    out: str | Path,
    mapping: ColumnMapping,
    root: str | Path | None = None,
    same_patient: Sequence[str] = (),
) -> str:
    """Write a manifest from a table; returns lines that say what is in it.

    `root` is where the table's paths start; None its own folder. `same_patient` holds texts `A=B`.

    Raises:
        ManifestError: Columns, cells or files that are wrong; all are listed.
        OutputError: The manifest exists already.
        UsageError: A `same_patient` without two names.
    """
    source, out = Path(source), check_free(out)
    groups = [text.split("=") for text in same_patient]
    if any(len(names) < 2 or not all(names) for names in groups):  # noqa: PLR2004 (two names)
        message = "--same-patient: wanted A=B, the names of one patient"
        raise UsageError(message)
    start = Path(root) if root else source.parent
    references = import_table(source, mapping, root=start, same_patient=groups)
    return write_imported(references, root=start, out=out)
