"""De-identify one DICOM file: a new header, the old pixels bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

import medrec
from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.domain.modality import Sequence as MrSequence
from medrec.errors import RefusedScanError
from medrec.io.deidentify_dataset import DatasetCleaner
from medrec.io.deidentify_profile import EDITION
from medrec.io.dicom import read_dicom_header
from medrec.io.dicom_file import dicom_errors, guessed_syntax, read_whole
from medrec.io.dicom_values import text_of
from medrec.io.discover import FoundFile
from medrec.io.identifiers import Identifiers, identifiers_of, values_of

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom.dataset import FileDataset

    from medrec.domain.series import ImageHeader
    from medrec.io.pseudonyms import Pseudonyms

_METHOD_CODES: Final = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
)
"""Of context group CID 7050."""
_METHOD: Final = f"medrec {medrec.__version__}, PS3.15 {EDITION} Basic Profile"
_PROTOCOLS = {
    MrSequence.FLAIR: "FLAIR",
    MrSequence.T1: "T1",
    MrSequence.T1C: "T1 CONTRAST",
    MrSequence.T2: "T2",
    MrSequence.DWI: "DWI",
    MrSequence.OTHER: "OTHER SEQUENCE",
}
_TEXT_IN_PIXELS = {"US", "IVUS", "ES", "OT", "SC", "XC", "GM", "SM", "OP", "DOC", "BI"}
"""Modalities whose images are mostly screens or photographs."""
_FILMS = {"CR", "DX", "MG", "RG", "XA", "RF", "PX", "IO"}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_OVERLAYS = range(0x6000, 0x6100, 2)
_OVERLAY_DATA = 0x3000


@dataclass(frozen=True, slots=True)
class Deidentified:
    """A copy that was written: its study's new UID, and what is to be feared."""

    identity: str
    note: Note | None = None


def deidentify_dicom(file: FoundFile, target: Path, pseudonyms: Pseudonyms) -> Deidentified:
    """Write a copy of an image without names; transfer syntax and pixels are those of the file.

    Raises:
        RefusedScanError: The image can't be read, or an identifier is left in it (`identifiable`).
        SkippedFileError: An object that shows no patient.
        OSError: A file can't be read or written.
    """
    header = read_dicom_header(file)
    source = read_whole(file.path)
    with dicom_errors():
        identifiers = identifiers_of(source)
        patient_id = (text_of(source, "PatientID") or "").strip()
        cleaner = DatasetCleaner(
            pseudonyms=pseudonyms,
            patient_id=patient_id,
            identifiers=identifiers,
            shift=pseudonyms.shift(patient_id or header.identity),
        )
        copy = cleaner.clean(source)
        _say_what_it_is(copy, header)
        _say_how(copy)
        note = burned_in_note(source)
        _write(copy, source, target)
    _check(target, source, identifiers)
    return Deidentified(identity=str(copy.StudyInstanceUID), note=note)


def burned_in_note(dataset: Dataset) -> Note | None:
    """What is to be feared of an image's pixels, which are never changed; None if nothing is."""
    stated = (text_of(dataset, "BurnedInAnnotation") or "").upper()
    modality = text_of(dataset, "Modality") or ""
    if stated == "YES":
        return _burned_in("the header says that text is part of the pixels")
    if str(dataset.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE):
        return _burned_in("a secondary capture: text is likely to be part of the pixels")
    if modality in _TEXT_IN_PIXELS:
        return _burned_in(f"modality {modality}: text is likely to be part of the pixels")
    if _has_embedded_overlay(dataset):
        return _burned_in("an overlay is stored in unused bits of the pixels")
    if modality in _FILMS and stated != "NO":
        return _burned_in(f"modality {modality}, and the header doesn't say that no text is in it")
    return None


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """Whether an overlay has no data of its own (retired, PS3.5 8.1.2)."""
    tags = set(dataset.keys())
    groups = {tag.group for tag in tags if tag.group in _OVERLAYS}
    return any((group, _OVERLAY_DATA) not in tags for group in groups)


def _burned_in(why: str) -> Note:
    return Note(NoteCode.BURNED_IN_ANNOTATION, f"{why}: look at it before you pass it on")


def _say_what_it_is(copy: Dataset, header: ImageHeader) -> None:
    """Keep in fixed words what the removed descriptions said of the kind of image."""
    if header.sequence is not None:
        copy.ProtocolName = _PROTOCOLS[header.sequence]
    if header.is_localizer:
        kinds = values_of(copy.get("ImageType"))
        kinds += ["ORIGINAL", "PRIMARY", "OTHER"][len(kinds) :]
        if "LOCALIZER" not in kinds:
            copy.ImageType = [*kinds, "LOCALIZER"]


def _say_how(copy: Dataset) -> None:
    copy.PatientIdentityRemoved = "YES"
    copy.LongitudinalTemporalInformationModified = "MODIFIED"
    copy.DeidentificationMethod = _METHOD
    codes = []
    for value, meaning in _METHOD_CODES:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
        codes.append(code)
    copy.DeidentificationMethodCodeSequence = DicomSequence(codes)


def _write(copy: Dataset, source: FileDataset, target: Path) -> None:
    """Write with a preamble of zeros and a meta group that names nobody's program but ours."""
    is_implicit, is_little_endian = source.original_encoding
    syntax = UID(str(source.file_meta.TransferSyntaxUID))
    if syntax.is_implicit_VR != is_implicit or syntax.is_little_endian != is_little_endian:
        syntax = guessed_syntax(source)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = copy.SOPClassUID
    meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    meta.ImplementationVersionName = f"MEDREC {medrec.__version__}"[:16]
    copy.file_meta = meta
    copy.preamble = bytes(128)
    dcmwrite(
        target,
        copy,
        implicit_vr=is_implicit,
        little_endian=is_little_endian,
        enforce_file_format=True,
    )


def _check(target: Path, source: FileDataset, identifiers: Identifiers) -> None:
    """Hold the written file against what was promised of it."""
    read_dicom_header(FoundFile(path=target, source=target.name))
    if read_whole(target).PixelData != source.PixelData:
        raise RefusedScanError(ReasonCode.MALFORMED, "the pixels can't be copied as they are")
    content = target.read_bytes()
    for text in (_METHOD, *(meaning for _, meaning in _METHOD_CODES)):
        content = content.replace(text.encode(), b"")  # a patient may be called Basic
    if identifiers.are_left_in(content):
        detail = "a name or number of the header also stands among the bytes of the pixels"
        raise RefusedScanError(ReasonCode.IDENTIFIABLE, detail)
