"""`medrec dataset import masks`: volumes and their masks to a manifest of labelled slices."""

from __future__ import annotations

from pathlib import Path

from medrec.data.importers import import_masks as read_masks
from medrec.data.manifest import write_manifest
from medrec.errors import OutputError
from medrec.workflows.relocating import relocate


def import_masks(
    source: str | Path,
    *,
    out: str | Path,
    images: str,
    mask: str,
    label: str = "tumor",
    cases: str | Path | None = None,
) -> str:
    """Write a manifest with one row a slice; returns a line that says what is in it.

    Raises:
        ManifestError: Images without a mask, masks of another grid; all are listed.
        OutputError: The manifest exists already.
    """
    source, out = Path(source), Path(out)
    if out.exists():
        message = f"--out {out} exists: name another file, or remove it"
        raise OutputError(message)
    references = read_masks(
        source, images=images, mask=mask, label=label, cases=Path(cases) if cases else None
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = relocate(references, root=source, folder=out.parent)
    write_manifest(out, rows)
    positive = sum(1 for row in rows if any(row.labels.values()))
    patients = len({row.patient for row in rows})
    return f"{out}: {len(rows)} slices of {patients} patients, {positive} with {label}"
