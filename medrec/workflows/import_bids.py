"""`medrec dataset import bids`: a BIDS dataset to a manifest."""

from __future__ import annotations

from pathlib import Path

from medrec.data.importers_bids import BidsQuestion
from medrec.data.importers_bids import import_bids as read_bids
from medrec.workflows.importing import check_free, write_imported


def import_bids(source: str | Path, *, out: str | Path, question: BidsQuestion) -> str:
    """Write a manifest of a BIDS dataset; returns lines that say what is in it.

    Raises:
        ManifestError: Participants, columns, cells or files that are wrong; all are listed.
        InputError: No such folder.
        OutputError: The manifest exists already, or can't be written.
    """
    source, out = Path(source), check_free(out)
    imported = read_bids(source, question)
    return write_imported(imported.references, root=source, out=out, notes=imported.notes)
