"""`medrec dataset import bids`: participants of a BIDS dataset to a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medrec.data.importers_bids import import_bids as read_bids
from medrec.workflows.importing import refuse_existing, write_imported


def import_bids(
    source: str | Path,
    *,
    out: str | Path,
    suffix: str,
    labels: Mapping[str, str],
    attributes: Mapping[str, str] | None = None,
) -> list[str]:
    """Write a manifest with one row a scan; returns lines that say what is in it.

    Raises:
        ManifestError: Participants, columns, cells or scans that are wrong; all are listed.
        OutputError: The manifest exists already.
    """
    source, out = Path(source), Path(out)
    refuse_existing(out)
    found = read_bids(source, suffix=suffix, labels=labels, attributes=attributes)
    lines = [write_imported(found.references, root=source, out=out)]
    if found.without_scan:
        lines.append(f"{found.without_scan} participants have no {suffix} and are left out")
    return lines
