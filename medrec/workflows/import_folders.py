"""`medrec dataset import folders`: a folder for each class to a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medrec.data.importers_folders import PositiveFolders
from medrec.data.importers_folders import import_folders as read_folders
from medrec.data.patients import patient_pattern
from medrec.domain.ids import PatientKey, to_patient_key
from medrec.errors import UsageError
from medrec.io.index import open_index
from medrec.io.patient_key import load_key
from medrec.workflows.importing import refuse_existing, write_imported


def import_folders(
    source: str | Path,
    *,
    out: str | Path,
    label: str | None = None,
    positive: Sequence[str] = (),
    patient: str | None = None,
) -> list[str]:
    """Write a manifest with one row a scan; returns lines that say what is in it.

    `label` and the folders that are `positive` for it go together; without them each folder is a
    label. `patient` is a regular expression whose one group is the patient in a path.

    Raises:
        ManifestError: Scans or folders that can't be used; all are listed.
        OutputError: The manifest exists already.
        UsageError: Options that don't go together, or no regular expression.
    """
    source, out = Path(source), Path(out)
    if bool(label) != bool(positive):
        message = "--label and --positive go together: the label, and the folders that have it"
        raise UsageError(message)
    find = patient_pattern(patient) if patient else None
    refuse_existing(out)
    positives = PositiveFolders(label, frozenset(positive)) if label else None
    key = load_key()

    def patient_key(name: str) -> PatientKey:
        return to_patient_key(name, key=key)

    with open_index(source, patient_key=patient_key) as index:
        found = read_folders(index, where=str(source), positives=positives, patient=find)
    lines = [write_imported(found.references, root=source, out=out)]
    if found.without_patient:
        lines.append(
            f"{found.without_patient} scans don't say whose they are, and count as a patient each: "
            "scans of one person may then stand on both sides of a split. Give --patient PATTERN"
        )
    return lines
