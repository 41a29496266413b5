"""The elements of a DICOM header that somebody asked for, decoded when they are read."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from pydicom.charset import convert_encodings, default_encoding, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.uid import UID

_CHARSET = 0x00080005
_LONGEST_REMEMBERED_BYTES = 256
_MOST_REMEMBERED = 8192

tag_of = lru_cache(maxsize=1024)(tag_for_keyword)


StoredElement = tuple[str | None, bytes | None]
"""An element as it is stored: its VR (None where the file doesn't say) and its bytes."""


class PickedElements:
    """Reads like the pydicom Dataset that has these elements and no others.

    A value is decoded by pydicom itself when it is asked for. Most values are those of the file
    before, so that decoding is mostly remembering. What hangs on other elements (sequences,
    ambiguous and private VRs), and every attribute that is not known here, is left to a pydicom
    Dataset made of the same bytes. `stored` are the elements as they are in the file, by tag.
    """

    def __init__(
        self,
        elements: dict[int, StoredElement],
        *,
        preamble: bytes,
        syntax: UID,
        encodings: tuple[str, ...],
    ) -> None:
        self.preamble = preamble
        self.syntax = syntax
        self.stored = elements
        self._is_implicit = bool(syntax.is_implicit_VR)
        self._encodings = encodings
        self._known = _values_known(encodings, _is_implicit=self._is_implicit)

    def get(self, key: Any, default: Any = None) -> Any:  # noqa: ANN401 (as pydicom's)
        """A value by its keyword, or an element by its tag, as pydicom's `Dataset.get`."""
        tag = tag_of(key) if isinstance(key, str) else None
        if tag is None:
            return self.whole.get(key, default)
        element = self.stored.get(tag)
        if element is None:
            return default
        try:
            return self._value(tag, element)
        except AttributeError:
            return default

    def __getitem__(self, tag: int) -> DataElement:
        """An element by its tag, as pydicom's Dataset has it."""
        if tag not in self.stored:
            raise KeyError(tag)
        return self.whole[tag]

    def __contains__(self, key: Any) -> bool:  # noqa: ANN401 (as pydicom's)
        if isinstance(key, str):
            return tag_of(key) in self.stored
        return key in self.whole

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (as pydicom's)
        tag = tag_of(name)
        if tag is None:
            return getattr(self.whole, name)
        if tag not in self.stored:
            message = f"no element {name}"
            raise AttributeError(message)
        return self._value(tag, self.stored[tag])

    @cached_property
    def whole(self) -> Dataset:
        """A pydicom Dataset of the same elements."""
        raw: dict[BaseTag, DataElement | RawDataElement] = {
            BaseTag(tag): _to_raw(tag, element, is_implicit=self._is_implicit)
            for tag, element in self.stored.items()
        }
        dataset = Dataset(raw, parent_encoding=default_encoding)
        dataset.set_original_encoding(
            self._is_implicit, is_little_endian=True, character_encoding=list(self._encodings)
        )
        return dataset

    @property
    def file_meta(self) -> FileMetaDataset:
        """The transfer syntax, which is all that is kept of the file meta group."""
        return _file_meta(self.syntax)

    def _value(self, tag: int, element: StoredElement) -> Any:  # noqa: ANN401 (as pydicom's)
        key = tag, element
        if key in self._known:
            return self._known[key]
        vr, stored = element
        if not _stands_alone(tag, vr):
            return self.whole[tag].value
        value = self._decode(tag, element)
        if len(stored or b"") <= _LONGEST_REMEMBERED_BYTES:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = value
        return value

    def _decode(self, tag: int, element: StoredElement) -> Any:  # noqa: ANN401 (as pydicom's)
        raw = _to_raw(tag, element, is_implicit=self._is_implicit)
        encodings = self._encodings if tag != _CHARSET else (default_encoding,)
        return convert_raw_data_element(raw, encoding=list(encodings)).value


@lru_cache(maxsize=16)
def _values_known(
    _encodings: tuple[str, ...], *, _is_implicit: bool
) -> dict[tuple[int, StoredElement], Any]:
    """Values by tag and bytes; what else a value hangs on is what the parameters name."""
    return {}


@lru_cache(maxsize=64)
def encodings_of(charset: bytes) -> tuple[str, ...] | None:
    """Python's codecs for a SpecificCharacterSet as stored; None for one that pydicom must judge.

    That is one of several values, which may switch amid a text, and one that isn't known.
    """
    name = charset.decode("ascii", "replace").rstrip(" \0")
    if not name:
        return (default_encoding,)
    if "\\" in name or name not in python_encoding:
        return None
    return tuple(convert_encodings(name))


@lru_cache(maxsize=1024)
def _stands_alone(tag: int, vr: str | None) -> bool:
    """Whether pydicom decodes an element by nothing but its own tag, VR and bytes."""
    if vr not in (None, "UN"):
        return vr != "SQ" and not BaseTag(tag).is_private
    try:
        known = dictionary_VR(tag)
    except KeyError:
        return False
    return known != "SQ" and " or " not in known


@lru_cache(maxsize=64)
def _file_meta(syntax: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    return meta


def _to_raw(tag: int, element: StoredElement, *, is_implicit: bool) -> RawDataElement:
    vr, value = element
    length = len(value) if value else 0
    return RawDataElement(BaseTag(tag), vr, length, value, 0, is_implicit, is_little_endian=True)
