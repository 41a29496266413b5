"""`medrec dataset import masks`: images and their masks to a manifest of labelled slices."""

from __future__ import annotations

from pathlib import Path

from medrec.data.importers import MaskReading
from medrec.data.importers import import_masks as read_masks
from medrec.workflows.importing import refuse_existing, write_imported


def import_masks(
    source: str | Path,
    *,
    out: str | Path,
    reading: MaskReading,
    cases: str | Path | None = None,
) -> str:
    """Write a manifest with one row a slice or a case; returns a line that says what is in it.

    Raises:
        ManifestError: Images without a mask, masks of another grid; all are listed.
        OutputError: The manifest exists already.
    """
    source, out = Path(source), Path(out)
    refuse_existing(out)
    references = read_masks(source, reading, cases=Path(cases) if cases else None)
    return write_imported(references, root=source, out=out)
