"""Read the header of a DICOM image."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydicom.charset import python_encoding
from pydicom.tag import Tag
from pydicom.uid import UID

from medrec.domain.codes import Note, NoteCode, ReasonCode
from medrec.domain.modality import FileFormat, Modality, to_modality
from medrec.domain.series import ImageHeader
from medrec.errors import RefusedScanError, SkippedFileError
from medrec.io.dicom_decoders import decoder_of
from medrec.io.dicom_file import DicomHead, dicom_errors, read_head
from medrec.io.dicom_pixels import (
    PixelSpec,
    check_pixel_size,
    read_pixel_spec,
    read_window,
)
from medrec.io.dicom_values import integer_of, number_of, numbers_of, text_of, texts_of
from medrec.io.diffusion import PRIVATE_TAGS, read_b_value
from medrec.io.frames import FRAME_KEYWORDS, read_stacks
from medrec.io.neighbours import Neighbours
from medrec.io.plain_dicom import read_plain_head
from medrec.io.sequence import MrTags, names_agent, tell_sequence
from medrec.io.xray import (
    XRAY_KEYWORDS,
    is_for_processing,
    read_body_part,
    read_laterality,
    read_spacing,
    read_view,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from medrec.domain.spacing import PixelSpacing
    from medrec.io.discover import FoundFile

_KEYWORDS = (
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality",
    "Manufacturer", "SeriesDescription", "PatientID", "BodyPartExamined", "ContrastBolusAgent",
    "ScanningSequence", "RepetitionTime", "EchoTime", "InversionTime", "EchoNumbers",
    "ProtocolName", "ViewPosition", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "Laterality", "ImageLaterality",
    "TemporalPositionIdentifier", "SamplesPerPixel", "PhotometricInterpretation",
    "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "ImagerPixelSpacing", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "BurnedInAnnotation", "WindowCenter",
    "WindowWidth", "PresentationLUTShape", "AcquisitionNumber", "DiffusionBValue",
    "DiffusionGradientOrientation", *XRAY_KEYWORDS, *FRAME_KEYWORDS,
)  # fmt: skip
_TAGS = frozenset(int(Tag(keyword)) for keyword in (*_KEYWORDS, *PRIVATE_TAGS))
_UID = re.compile(r"[0-9.]{1,64}")
_LOCALIZER = re.compile(
    r"\b(locali[sz]ers?|scouts?|survey|surview|topogram|(3|three) ?plane|aahead)\b"
)
_NOT_PICTURES = {"SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "RTIMAGE", "PR", "KO", "SR", "REG"}
_NOT_PICTURE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.481.2": "a radiotherapy dose",
    "1.2.840.10008.5.1.4.1.1.30": "a parametric map",
}
_PROGRAMS = (b"MZ", b"\x7fELF", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")


def read_dicom_header(file: FoundFile) -> ImageHeader:
    """Read one image's header; not a pixel is decoded.

    Raises:
        RefusedScanError: `truncated`, `malformed`, `bad_uid`, `size_mismatch`, `too_large`,
            `unsupported_syntax`, `unsupported_dtype`, `nesting` or `inflate_limit`.
        SkippedFileError: An object that shows no patient (a report, a plan, a segmentation).
        OSError: The file can't be opened.
    """
    return _from_head(file, read_head(file.path, (*_KEYWORDS, *PRIVATE_TAGS)))


def read_plain_dicom_header(
    file: FoundFile, *, stamp: tuple[int, int] | None = None
) -> ImageHeader | None:
    """Read one ordinary image's header in one go; None for any file that isn't plain DICOM.

    The header takes the file's stamp with it.

    Raises:
        ScanError: As `read_dicom_header`.
        OSError: The file can't be opened.
    """
    head = read_plain_head(file.path, _TAGS)
    if head is None:
        return None
    key = _NEIGHBOURS.key(head)
    neighbour = _NEIGHBOURS.get(key)
    if neighbour is not None:
        with dicom_errors():
            own = _own(head.dataset)
        return replace(neighbour, path=file.path, source=file.source, stamp=stamp, **own)
    header = replace(_from_head(file, head), stamp=stamp)
    _NEIGHBOURS.keep(key, header)
    return header


def _own(dataset: Dataset) -> dict[str, Any]:
    """The fields in which the slices of a series differ; they hang on `_OWN_KEYWORDS` alone."""
    return {
        "sop_uid": _uid(dataset, "SOPInstanceUID"),
        "position_lps_mm": _triple(numbers_of(dataset, "ImagePositionPatient", 3)),
        "instance_number": integer_of(dataset, "InstanceNumber"),
        "window": read_window(dataset),
    }


_OWN_KEYWORDS = (
    "SOPInstanceUID", "ImagePositionPatient", "InstanceNumber", "WindowCenter", "WindowWidth",
)  # fmt: skip
_NEIGHBOURS: Neighbours[ImageHeader] = Neighbours(_OWN_KEYWORDS)


def _from_head(file: FoundFile, head: DicomHead) -> ImageHeader:
    with dicom_errors():
        _check_picture(head)
        uids = {keyword: _uid(head.dataset, keyword) for keyword in _UIDS}
        spec = read_pixel_spec(head.dataset)
        _check_pixels(head, spec)
        return _to_header(file, head, spec, uids)


_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def _to_header(
    file: FoundFile, head: DicomHead, spec: PixelSpec, uids: dict[str, str]
) -> ImageHeader:
    dataset = head.dataset
    modality = to_modality(text_of(dataset, "Modality"))
    spacing = read_spacing(dataset, modality)
    return ImageHeader(
        path=file.path,
        source=file.source,
        format=FileFormat.DICOM,
        identity=uids["StudyInstanceUID"],
        shape=(spec.columns, spec.rows, spec.frames),
        modality=modality,
        sequence=tell_sequence(_mr_tags(dataset)) if modality is Modality.MR else None,
        body_part=read_body_part(dataset),
        view_position=read_view(dataset),
        laterality=read_laterality(dataset),
        study_uid=uids["StudyInstanceUID"],
        series_uid=uids["SeriesInstanceUID"],
        sop_uid=uids["SOPInstanceUID"],
        patient_id=text_of(dataset, "PatientID"),
        series_description=text_of(dataset, "SeriesDescription"),
        is_localizer=_is_localizer(dataset),
        position_lps_mm=_triple(numbers_of(dataset, "ImagePositionPatient", 3)),
        orientation=_sextuple(numbers_of(dataset, "ImageOrientationPatient", 6)),
        instance_number=integer_of(dataset, "InstanceNumber"),
        manufacturer=text_of(dataset, "Manufacturer"),
        photometric_interpretation=spec.photometric,
        window=read_window(dataset),
        notes=tuple(_notes(head, spec, spacing)),
        echo_number=integer_of(dataset, "EchoNumbers"),
        echo_time_ms=number_of(dataset, "EchoTime"),
        temporal_position=integer_of(dataset, "TemporalPositionIdentifier"),
        acquisition_number=integer_of(dataset, "AcquisitionNumber"),
        image_type=texts_of(dataset, "ImageType"),
        b_value=read_b_value(dataset),
        gradient_direction=_triple(numbers_of(dataset, "DiffusionGradientOrientation", 3)),
        spacing=spacing,
        patient_orientation=texts_of(dataset, "PatientOrientation"),
        is_for_processing=is_for_processing(dataset),
        stacks=read_stacks(dataset, spec.frames),
        protocol_name=text_of(dataset, "ProtocolName"),
        repetition_time_ms=number_of(dataset, "RepetitionTime"),
        inversion_time_ms=number_of(dataset, "InversionTime"),
        has_contrast_agent=names_agent(text_of(dataset, "ContrastBolusAgent")),
    )


def _check_picture(head: DicomHead) -> None:
    """Skip what shows no patient; refuse an image that ends before its pixels."""
    sop_class = UID(str(head.dataset.SOPClassUID))
    kind = _NOT_PICTURE_CLASSES.get(sop_class)
    if kind or text_of(head.dataset, "Modality") in _NOT_PICTURES:
        raise SkippedFileError(ReasonCode.NOT_AN_IMAGE, f"{kind or 'a DICOM object'}, no image")
    if head.pixels is not None:
        return
    if "Image Storage" in sop_class.name or "Rows" in head.dataset:
        where = "amid its header" if head.is_cut else "before its pixel data"
        raise RefusedScanError(ReasonCode.TRUNCATED, f"the image ends {where}")
    raise SkippedFileError(ReasonCode.NOT_AN_IMAGE, "a DICOM object without pixels")


def _check_pixels(head: DicomHead, spec: PixelSpec) -> None:
    if head.pixels is None or head.pixels.keyword != "PixelData":
        raise RefusedScanError(ReasonCode.UNSUPPORTED_DTYPE, "floating-point pixel data")
    syntax = head.dataset.file_meta.get("TransferSyntaxUID")
    if syntax is not None:
        decoder_of(syntax)
    check_pixel_size(spec, head.pixels)


def _uid(dataset: Dataset, keyword: str) -> str:
    value = str(dataset.get(keyword) or "")
    if not _UID.fullmatch(value):
        # The value is not repeated: it may be anything, even a path or a name.
        detail = f"{keyword} is no UID: 1 to 64 digits and dots are wanted"
        raise RefusedScanError(ReasonCode.BAD_UID, detail)
    return value


def _is_localizer(dataset: Dataset) -> bool:
    if any("LOCALIZER" in value for value in texts_of(dataset, "ImageType")):
        return True
    description = text_of(dataset, "SeriesDescription") or ""
    return _LOCALIZER.search(re.sub(r"[^a-z0-9]+", " ", description.lower())) is not None


def _mr_tags(dataset: Dataset) -> MrTags:
    sequence = dataset.get("ScanningSequence") or ()
    return MrTags(
        series_description=text_of(dataset, "SeriesDescription"),
        protocol_name=text_of(dataset, "ProtocolName"),
        contrast_agent=text_of(dataset, "ContrastBolusAgent"),
        scanning_sequence=(sequence,) if isinstance(sequence, str) else tuple(sequence),
        repetition_time_ms=number_of(dataset, "RepetitionTime"),
        echo_time_ms=number_of(dataset, "EchoTime"),
        inversion_time_ms=number_of(dataset, "InversionTime"),
    )


def _notes(head: DicomHead, spec: PixelSpec, spacing: PixelSpacing | None) -> list[Note]:
    dataset = head.dataset
    found = {
        NoteCode.NO_PREAMBLE: (not head.has_preamble, "the file has no DICOM preamble"),
        NoteCode.EXECUTABLE_PREAMBLE: (
            (dataset.preamble or b"").startswith(_PROGRAMS),
            "the preamble starts like a program: don't run this file or pass it on",
        ),
        NoteCode.SYNTAX_MISMATCH: (
            head.is_mislabelled,
            "the dataset is encoded in another way than the file says",
        ),
        NoteCode.CHARSET: (_has_unknown_charset(dataset), "unknown character set: text may be off"),
        NoteCode.POLARITY_NORMALISED: (
            spec.is_inverse and spec.is_grey,
            "stored bright to dark (MONOCHROME1): inverted to dark to bright",
        ),
        NoteCode.NO_PHYSICAL_SIZE: (spacing is None, "no usable pixel spacing"),
        NoteCode.BURNED_IN_ANNOTATION: (
            text_of(dataset, "BurnedInAnnotation") == "YES",
            "text is part of the pixels",
        ),
    }
    return [Note(code, detail) for code, (is_so, detail) in found.items() if is_so]


def _has_unknown_charset(dataset: Dataset) -> bool:
    value = dataset.get("SpecificCharacterSet") or ()
    values = [value] if isinstance(value, str) else value
    return any(str(name) not in python_encoding for name in values)


def _triple(values: tuple[float, ...] | None) -> tuple[float, float, float] | None:
    return None if values is None else (values[0], values[1], values[2])


def _sextuple(
    values: tuple[float, ...] | None,
) -> tuple[float, float, float, float, float, float] | None:
    if values is None:
        return None
    return values[0], values[1], values[2], values[3], values[4], values[5]
