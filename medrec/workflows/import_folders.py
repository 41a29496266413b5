"""`medrec dataset import folders`: folders named as classes to a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medrec.data.importers_folders import FolderMeaning
from medrec.data.importers_folders import import_folders as read_folders
from medrec.data.patients import PatientOfScan, patient_of_case, patient_of_header
from medrec.domain.reference import Split
from medrec.errors import UsageError
from medrec.io.patient_key import load_key
from medrec.workflows.importing import check_free, to_patient_of_path, write_imported

_NOBODY = (
    "patients are unknown: each DICOM study or file counts as one, and two scans of a person may "
    "fall into training and test; figures measured on them can be too good"
)


def import_folders(
    source: str | Path,
    *,
    out: str | Path,
    patient: PatientOfScan,
    labels: Mapping[str, str] | None = None,
    splits: Mapping[str, str] | None = None,
) -> str:
    """Write a manifest of class folders; returns lines that say what is in it.

    Args:
        source: The folder above the classes, or above the folders of splits.
        out: The manifest (CSV).
        patient: Tells the patient of a scan: `to_patient` makes one.
        labels: By name, `CLASS,CLASS` or `CLASS,CLASS/CLASS,CLASS` (positive / negative); without
            any, each class is a label.
        splits: Folders above the classes, by split.

    Raises:
        ManifestError: Files, classes or patients that are wrong; all are listed.
        InputError: No such folder.
        OutputError: The manifest exists already, or can't be written.
        UsageError: No such split.
    """
    source, out = Path(source), check_free(out)
    meaning = FolderMeaning(labels=labels or {}, splits=_to_splits(splits or {}))
    imported = read_folders(source, meaning=meaning, patient=patient)
    notes = [*imported.notes, *notes_on(patient)]
    return write_imported(imported.references, root=source, out=out, notes=notes)


def to_patient(pattern: str | None, *, by_id: bool, is_unknown: bool) -> PatientOfScan:
    """Make what tells patients: by path, by the PatientID of DICOM, or each scan for itself.

    Raises:
        UsageError: Not one way was asked for, or the pattern is no regular expression.
        InputError: The user's key, with which a PatientID is hashed, can't be read.
    """
    if (pattern is not None) + by_id + is_unknown != 1:
        message = (
            "say once how patients are told, or scans of one person end up in training and test: "
            "--patient REGEX on the path, --patient-id (of DICOM), or --patient-unknown"
        )
        raise UsageError(message)
    if pattern is not None:
        of_path = to_patient_of_path(pattern)
        return lambda scan: of_path(scan.source)
    return patient_of_header(load_key()) if by_id else patient_of_case


def notes_on(patient: PatientOfScan) -> list[str]:
    """What its owner should know of a manifest whose patients were told so."""
    return [_NOBODY] if patient is patient_of_case else []


def _to_splits(splits: Mapping[str, str]) -> dict[str, Split]:
    found: dict[str, Split] = {}
    for name, folders in splits.items():
        wanted = {folder.strip() for folder in folders.split(",")}
        if name not in set(Split) or "" in wanted or wanted & set(found):
            message = (
                f"--split {name}={folders}: wanted SPLIT=FOLDER, each folder once; splits are "
            )
            message += ", ".join(Split)
            raise UsageError(message)
        found |= dict.fromkeys(sorted(wanted), Split(name))
    return found
