"""Reason and note codes in plain words: what it means and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from medrec.domain.codes import NoteCode, ReasonCode


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code in words; `action` is what a person can do about it, empty when nothing is needed."""

    title: str
    meaning: str
    action: str = ""


def _e(title: str, meaning: str, action: str = "") -> Explanation:
    return Explanation(title, meaning, action)


_EXPORT_AGAIN = "Export the study again from its source and screen it once more."
_READ_BY_HAND = "Have the study read without medrec."

REASONS: Final[dict[ReasonCode, Explanation]] = {
    ReasonCode.NOT_AN_IMAGE: _e(
        "Not an image",
        "The file claims to be an image, by its name or first bytes, and holds none.",
        "Check which file was meant.",
    ),
    ReasonCode.NOT_DICOM: _e(
        "Not a DICOM file", "The file is named as DICOM and is something else.", _EXPORT_AGAIN
    ),
    ReasonCode.NOT_NIFTI: _e(
        "Not a NIfTI file",
        "The file is named as NIfTI and its header is another one.",
        "Convert the scan again.",
    ),
    ReasonCode.TRUNCATED: _e(
        "Cut short", "The file ends before its pixels do: a transfer broke off.", _EXPORT_AGAIN
    ),
    ReasonCode.TOO_LARGE: _e(
        "Too large",
        "The image would need more memory than medrec grants one image.",
        "Split the series, or screen it on a machine with more memory.",
    ),
    ReasonCode.SIZE_MISMATCH: _e(
        "Sizes disagree",
        "The pixels are not as many as the header says.",
        _EXPORT_AGAIN,
    ),
    ReasonCode.INFLATE_LIMIT: _e(
        "Expands too far",
        "The compressed file grows far beyond any scan when unpacked, as an attack would.",
        "Find out where the file came from before opening it anywhere.",
    ),
    ReasonCode.NESTING: _e(
        "Nested too deeply",
        "The header holds sequences inside sequences beyond any real object.",
        "Find out where the file came from before opening it anywhere.",
    ),
    ReasonCode.BAD_UID: _e(
        "Invalid identifier",
        "A unique identifier of the study, series or image is missing or malformed, so that the "
        "image can't be assigned to a study with certainty.",
        _EXPORT_AGAIN,
    ),
    ReasonCode.MALFORMED: _e(
        "Malformed header", "A field that is needed can't be read.", _EXPORT_AGAIN
    ),
    ReasonCode.DECODE_ERROR: _e(
        "Pixels can't be decoded",
        "The compressed pixels are damaged.",
        _EXPORT_AGAIN,
    ),
    ReasonCode.DECODER_CRASHED: _e(
        "Decoder failed",
        "The decoder of this compression broke down on the file.",
        "Export the study uncompressed (Explicit VR Little Endian) and screen it once more.",
    ),
    ReasonCode.UNSUPPORTED_SYNTAX: _e(
        "Compression not supported",
        "No decoder for the file's transfer syntax is installed.",
        "Export the study uncompressed; `medrec doctor` lists what can be decoded here.",
    ),
    ReasonCode.UNSUPPORTED_DTYPE: _e(
        "Pixel type not supported",
        "The pixels are of a kind that is no grey image (colour, complex numbers).",
        "Choose the original grey series.",
    ),
    ReasonCode.BLANK_IMAGE: _e(
        "Blank image",
        "Nothing is seen in the image, or one grey value alone.",
        "Check the acquisition; " + _READ_BY_HAND.lower(),
    ),
    ReasonCode.BAD_GEOMETRY: _e(
        "Impossible geometry",
        "Position, orientation or spacing in the header can't be true.",
        _EXPORT_AGAIN,
    ),
    ReasonCode.BAD_RESCALE: _e(
        "Impossible rescaling",
        "The header's rescale slope or intercept can't be applied.",
        _EXPORT_AGAIN,
    ),
    ReasonCode.NON_FINITE: _e(
        "Values that are no numbers",
        "Some voxels are infinite or undefined.",
        "Repeat the reconstruction or conversion.",
    ),
    ReasonCode.GAP: _e(
        "Slices are missing",
        "The distance between two slices is larger than elsewhere in the stack. A lesion may lie "
        "in what is missing.",
        "Fetch the complete series and screen it once more.",
    ),
    ReasonCode.DUPLICATE_POSITION: _e(
        "Several slices at one position",
        "The series holds several images of the same place (phases, echoes, a repeated scan) and "
        "nothing says which is meant.",
        "Send one phase or echo as a series of its own.",
    ),
    ReasonCode.VARIABLE_SPACING: _e(
        "Uneven slice distances",
        "The slices don't lie at even distances.",
        _READ_BY_HAND,
    ),
    ReasonCode.TILT: _e(
        "Sheared stack",
        "The slices are shifted against each other (a tilted gantry), so that they form no block.",
        _READ_BY_HAND,
    ),
    ReasonCode.MIXED_ORIENTATION: _e(
        "Mixed orientations",
        "The series holds slices of several orientations.",
        "Send each orientation as a series of its own.",
    ),
    ReasonCode.LOCALIZER: _e(
        "Localizer", "The images are scout images, made to plan a scan, not to be read."
    ),
    ReasonCode.NOT_SELECTED: _e(
        "No eligible series",
        "No series of the study is one that the model was made for.",
        "`medrec inspect` tells what was seen in each series; " + _READ_BY_HAND.lower(),
    ),
    ReasonCode.UID_CONFLICT: _e(
        "Identifiers contradict each other",
        "Two different images carry the same identifier, or one series belongs to two patients.",
        "Have the archive corrected; " + _READ_BY_HAND.lower(),
    ),
    ReasonCode.OUT_OF_SCOPE: _e(
        "Outside the model's scope",
        "The model was not made for this modality, body part, view, sequence or kind of image.",
        "Choose a model made for it, or have the study read without medrec.",
    ),
    ReasonCode.OUT_OF_DISTRIBUTION: _e(
        "Unlike anything the model learned from",
        "The image differs so far from the training images that its probability would mean "
        "nothing.",
        _READ_BY_HAND,
    ),
    ReasonCode.IDENTIFIABLE: _e(
        "A name is left in it",
        "A name or number of the header also stands where it can't be removed.",
        "Don't pass the file on: look for the text in its pixels.",
    ),
    ReasonCode.UNSAFE_ARCHIVE: _e(
        "Unsafe archive",
        "The archive holds names that would be written outside its folder.",
        "Find out where the archive came from.",
    ),
    ReasonCode.ARCHIVE_LIMIT: _e(
        "Archive too large",
        "The archive holds more, or grows larger, than medrec unpacks.",
        "Unpack it yourself and screen the folder.",
    ),
    ReasonCode.IO: _e(
        "File can't be read",
        "The disk, the network or missing rights kept medrec from reading the file.",
        "Check the storage, then run the same command with `--resume`.",
    ),
    ReasonCode.TIMEOUT: _e(
        "Took too long",
        "The case was given up after the time that one case may take.",
        "Run the same command with `--resume`, on a less busy machine.",
    ),
}

NOTES: Final[dict[NoteCode, Explanation]] = {
    NoteCode.NO_PREAMBLE: _e(
        "DICOM without preamble", "The file lacks the usual 128 leading bytes. The image is whole."
    ),
    NoteCode.EXECUTABLE_PREAMBLE: _e(
        "Preamble of a program",
        "The leading bytes could run as a program. medrec reads images and never runs them; other "
        "software on the way might.",
        "Find out where the file came from.",
    ),
    NoteCode.SYNTAX_MISMATCH: _e(
        "Transfer syntax corrected",
        "The header names another encoding than the one found; the one found was used.",
    ),
    NoteCode.CHARSET: _e(
        "Unknown characters", "Text in the header is in an unknown encoding. Pixels are unaffected."
    ),
    NoteCode.NO_ORIENTATION: _e(
        "Orientation unknown",
        "The file doesn't say how it lies in the patient, or says it twice and differently: left "
        "and right can't be told, and no letters stand at the picture's edges.",
    ),
    NoteCode.MODALITY_ASSUMED: _e(
        "Modality assumed",
        "The file names no modality. The one that the model is made for, or that the user gave, "
        "was assumed.",
        "Check that the scan is of that modality: the number means nothing otherwise.",
    ),
    NoteCode.SEQUENCE_ASSUMED: _e(
        "Sequence assumed",
        "The file names no MR sequence. The one that the model is made for was assumed.",
        "Check the sequence on the picture: the number means nothing for another one.",
    ),
    NoteCode.POLARITY_NORMALISED: _e(
        "Polarity turned",
        "The film was stored with bright and dark exchanged and was turned before it was judged.",
    ),
    NoteCode.NO_PHYSICAL_SIZE: _e(
        "No physical size", "The file gives no pixel spacing: nothing can be measured in mm."
    ),
    NoteCode.BURNED_IN_ANNOTATION: _e(
        "Text in the pixels",
        "Letters or marks are part of the image. They may mislead the model and may name a person.",
        "Check the picture before passing it on.",
    ),
    NoteCode.PARTLY_JUDGED: _e(
        "A part of the exam was not judged",
        "Another series of the exam, or another stack of a file, was refused: what is said here "
        "is not about the whole exam.",
        "Look at the part that was refused, or send it again.",
    ),
    NoteCode.DOMAIN_SHIFT: _e(
        "Another domain than the training images",
        "The image differs in kind from those that the model learned from, so its probability is "
        "less certain than its interval says.",
        "Weigh the number accordingly.",
    ),
    NoteCode.EXAM_LEVEL_SURROGATE: _e(
        "Exam probability from stand-in exams",
        "No exams of people without a lesion were at hand: the exam probability was calibrated on "
        "partial stacks of the same patients, with and without lesion slices.",
        "Trust the order of cases more than the number itself.",
    ),
}
