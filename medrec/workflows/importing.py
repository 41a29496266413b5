"""What every `medrec dataset import` ends with: a manifest, and a line that says what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medrec.data.manifest import write_manifest
from medrec.domain.reference import Reference
from medrec.errors import OutputError
from medrec.workflows.relocating import relocate


def refuse_existing(out: Path) -> None:
    """Refuse to write over a manifest, before an archive is read.

    Raises:
        OutputError: It exists already.
    """
    if out.exists():
        message = f"--out {out} exists: name another file, or remove it"
        raise OutputError(message)


def write_imported(references: Sequence[Reference], *, root: Path, out: Path) -> str:
    """Write rows whose paths start from `root`; returns a line that says what is in them.

    Raises:
        OutputError: The folder can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_manifest(out, relocate(references, root=root, folder=out.parent))
    except OSError as error:
        message = f"--out {out} can't be written: {error.strerror}"
        raise OutputError(message) from error
    return f"{out}: {_count(references)}"


def _count(references: Sequence[Reference]) -> str:
    labels = dict.fromkeys(label for row in references for label in row.labels)
    of_each = (f"{sum(row.labels[one] is True for row in references)} with {one}" for one in labels)
    kind = "slices" if any(row.slice is not None for row in references) else "scans"
    patients = len({row.patient for row in references})
    return ", ".join([f"{len(references)} {kind} of {patients} patients", *of_each])
