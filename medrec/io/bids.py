"""Facts that lie beside a NIfTI volume: its BIDS name, and the JSON that converters write.

Only known keys of the right type are taken. A sidecar that is broken, too large or a link gives no
facts and does the image no harm.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from medrec.domain.modality import Modality, Sequence, to_modality
from medrec.io.discover import is_regular_file
from medrec.io.sequence import MrTags, names_agent, tell_sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_SIDECAR_BYTES = 1024**2
MAX_TEXT = 256
_MAX_VALUES = 32
_DATASET = "dataset_description.json"
_LEVELS = 4
"""Folders of BIDS above a file: datatype, session, subject, dataset (and `derivatives/NAME`)."""
_NAME = re.compile(
    r"(?P<entities>sub-(?P<subject>[A-Za-z0-9]+)(_[a-z]+-[A-Za-z0-9]+)*)_(?P<suffix>[A-Za-z0-9]+)"
)
_EXTENSION = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_SEQUENCES = {
    "FLAIR": Sequence.FLAIR, "T1w": Sequence.T1, "T2w": Sequence.T2, "dwi": Sequence.DWI,
    "UNIT1": Sequence.OTHER, "MP2RAGE": Sequence.OTHER, "PDw": Sequence.OTHER,
    "PDT2": Sequence.OTHER, "T2star": Sequence.OTHER, "T2starw": Sequence.OTHER,
    "angio": Sequence.OTHER, "bold": Sequence.OTHER, "sbref": Sequence.OTHER,
    "asl": Sequence.OTHER, "inplaneT1": Sequence.OTHER, "inplaneT2": Sequence.OTHER,
}  # fmt: skip
"""Suffixes of BIDS for MR; some sequences of one image are none of those that models are for."""


@dataclass(frozen=True, slots=True)
class BesideFacts:
    """What name and sidecar say; None or empty where they say nothing. Times are in ms.

    `subject` identifies a person within a dataset, as `patient_id` of a header does: it is held
    for grouping alone, and only its keyed hash is written.
    """

    modality: Modality | None = None
    sequence: Sequence | None = None
    body_part: str | None = None
    series_description: str | None = field(default=None, repr=False)
    protocol_name: str | None = field(default=None, repr=False)
    manufacturer: str | None = None
    image_type: tuple[str, ...] = ()
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    has_contrast_agent: bool | None = None
    subject: str | None = field(default=None, repr=False)


def read_beside(path: Path) -> BesideFacts:
    """Read what stands in the name of a NIfTI file and in its JSON sidecars.

    In a BIDS dataset sidecars are inherited: those of the folders above, up to the dataset's root,
    whose name is a beginning of the file's entities and its suffix. The nearest one wins, key by
    key. Elsewhere only the JSON of the same name counts.
    """
    stem = _EXTENSION.sub("", path.name)
    name = _NAME.fullmatch(stem)
    root = _dataset_root(path) if name else None
    values: dict[str, Any] = {}
    for sidecar in _sidecars(path, stem, name, root):
        values = {**values, **_read_json(sidecar)}
    facts = _from_json(values)
    return _with_name(facts, name, root) if name else facts


def _dataset_root(path: Path) -> Path | None:
    folders = list(path.parents)[: _LEVELS + 1]
    return next((folder for folder in folders if _is_file(folder / _DATASET)), None)


def _sidecars(
    path: Path, stem: str, name: re.Match[str] | None, root: Path | None
) -> Iterator[Path]:
    """Candidates, the nearest one last."""
    if name and root:
        entities = name["entities"].split("_")
        beginnings = ["_".join((*entities[:n], name["suffix"])) for n in range(len(entities) + 1)]
        folders = list(path.parents)
        for folder in reversed(folders[: folders.index(root) + 1]):
            yield from (folder / f"{beginning}.json" for beginning in beginnings)
    else:
        yield path.parent / f"{stem}.json"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if not _is_file(path):
            return {}
        data = _read_bounded(path)
        found = json.loads(data) if len(data) <= MAX_SIDECAR_BYTES else {}
    except (OSError, ValueError, RecursionError):  # not there now, no JSON, or a hostile one
        return {}
    return found if isinstance(found, dict) else {}


def _read_bounded(path: Path) -> bytes:
    """At most one byte more than is read as JSON."""
    with path.open("rb") as file:
        return file.read(MAX_SIDECAR_BYTES + 1)


def _is_file(path: Path) -> bool:
    try:
        return is_regular_file(path)
    except (OSError, ValueError):
        return False


def _from_json(values: Mapping[str, Any]) -> BesideFacts:
    modality = to_modality((_text(values, "Modality") or "").upper() or None)
    body_part = _text(values, "BodyPartExamined")
    agent = _text(values, "ContrastBolusIngredient") or _text(values, "ContrastBolusAgent")
    tags = MrTags(
        series_description=_text(values, "SeriesDescription"),
        protocol_name=_text(values, "ProtocolName"),
        contrast_agent=agent,
        scanning_sequence=_texts(values, "ScanningSequence"),
        repetition_time_ms=_milliseconds(values, "RepetitionTime"),
        echo_time_ms=_milliseconds(values, "EchoTime"),
        inversion_time_ms=_milliseconds(values, "InversionTime"),
    )
    return BesideFacts(
        modality=modality,
        sequence=tell_sequence(tags) if modality is Modality.MR else None,
        body_part=body_part.upper() if body_part else None,
        series_description=tags.series_description,
        protocol_name=tags.protocol_name,
        manufacturer=_text(values, "Manufacturer"),
        image_type=tuple(value.upper() for value in _texts(values, "ImageType")),
        repetition_time_ms=tags.repetition_time_ms,
        echo_time_ms=tags.echo_time_ms,
        inversion_time_ms=tags.inversion_time_ms,
        has_contrast_agent=names_agent(agent),
    )


def _with_name(facts: BesideFacts, name: re.Match[str], root: Path | None) -> BesideFacts:
    """The name was given with care: it outranks what the sidecar's words hint at."""
    sequence = _SEQUENCES.get(name["suffix"])
    is_enhanced = "_ce-" in name["entities"] or facts.has_contrast_agent is True
    if sequence is Sequence.T1 and is_enhanced:
        sequence = Sequence.T1C
    modality = Modality.MR if sequence else Modality.PT if name["suffix"] == "pet" else None
    subject = None if root is None else _subject(root, name["subject"])
    return replace(
        facts,
        modality=modality or facts.modality,
        sequence=sequence or facts.sequence,
        has_contrast_agent=True if "_ce-" in name["entities"] else facts.has_contrast_agent,
        subject=subject,
    )


def _subject(root: Path, label: str) -> str | None:
    """A label means a person within its dataset alone, and a dataset is what its description is."""
    try:
        description = _read_bounded(root / _DATASET)
    except OSError:
        return None
    return f"bids/{hashlib.sha256(description).hexdigest()}/{label}"


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    text = value.strip() if isinstance(value, str) else ""
    return text if 0 < len(text) <= MAX_TEXT else None


def _texts(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = values.get(key)
    if isinstance(value, str):
        value = re.split(r"[\\_]", value)  # how converters join DICOM's several values
    if not isinstance(value, list):
        return ()
    texts = (text.strip() for text in value[:_MAX_VALUES] if isinstance(text, str))
    return tuple(text for text in texts if len(text) <= MAX_TEXT)


def _milliseconds(values: Mapping[str, Any], key: str) -> float | None:
    """BIDS has seconds."""
    value = values.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value) * 1000.0
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
