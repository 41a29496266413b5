"""Tell the contrast of an MR series from its description, or from its tags where clear."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from medrec.domain.modality import Sequence

_DIFFUSION = re.compile(r"\b(dwi|adc|diff|diffusion|dti|trace|tracew|resolve)\b|\bb ?1000\b")
_OTHER = re.compile(
    r"t2 ?\*|\bt2 ?star|\b(swi|swan|suscept\w*|gre|pd|pdw|proton|tof|mra|mrv|angio|perf\w*|dsc|dce"
    r"|asl|pcasl|bold|fmri|spectro\w*|svs|csi|stir|other sequence)\b"
)
_FLAIR = re.compile(r"flair|dark ?fluid")
_T1 = re.compile(r"\bt1|\b(mprage|mp rage|spgr|fspgr|bravo)\b")
_T2 = re.compile(r"\bt2")
_BEFORE_CONTRAST = re.compile(
    r"\b(pre|native|nativ|unenhanced)\b|\b(without|no|non|w o) (contrast|gd|gad\w*|c)\b|\bc-"
)
_AFTER_CONTRAST = re.compile(
    r"\b(post|gd|gad\w*|ce|contrast|enhanced|km|dotarem|t1c|t1ce|t1gd|t1\+c)\b|\+ ?(c|gd)\b|\bc\+"
)
_NO_AGENT = {"no", "none", "n/a", "without"}


@dataclass(frozen=True, slots=True)
class MrTags:
    """What the header of an MR image says of how it was made; times in ms, None if unknown."""

    series_description: str | None = None
    protocol_name: str | None = None
    contrast_agent: str | None = None
    scanning_sequence: tuple[str, ...] = ()
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None

    @property
    def has_contrast(self) -> bool:
        """Whether a contrast agent is named."""
        return bool(names_agent(self.contrast_agent))


def names_agent(text: str | None) -> bool | None:
    """Whether a value of ContrastBolusAgent names an agent; None (unknown) where it is absent.

    >>> names_agent("Gadovist"), names_agent("NONE"), names_agent(None)
    (True, False, None)
    """
    word = (text or "").strip().lower()
    return word not in _NO_AGENT if word else None


@lru_cache(maxsize=1024)  # the slices of a series ask the same
def tell_sequence(tags: MrTags) -> Sequence | None:
    """Tell the sequence; None where neither words nor times are clear.

    >>> tell_sequence(MrTags(series_description="AX T1 POST GD"))
    <Sequence.T1C: 't1c'>
    >>> tell_sequence(MrTags(series_description="Ax T2 FLAIR"))
    <Sequence.FLAIR: 'flair'>
    >>> tell_sequence(MrTags(series_description="brain")) is None
    True
    """
    for text in (tags.series_description, tags.protocol_name):
        sequence = _from_words(text or "", has_contrast=tags.has_contrast)
        if sequence is not None:
            return sequence
    return _from_times(tags)


def _from_words(text: str, *, has_contrast: bool) -> Sequence | None:
    words = re.sub(r"[^a-z0-9+*-]+|-(?=\w)", " ", text.lower())
    if _DIFFUSION.search(words):
        return Sequence.DWI
    is_t1, is_t2 = bool(_T1.search(words)), bool(_T2.search(words))
    # "T1 FLAIR" is a T1 contrast with a short inversion time, not a FLAIR.
    if _FLAIR.search(words) and not is_t1:
        return Sequence.FLAIR
    if _OTHER.search(words):
        return Sequence.OTHER
    if is_t1 and is_t2:
        return None
    if is_t1:
        return _t1(words, has_contrast=has_contrast)
    return Sequence.T2 if is_t2 else None


def _t1(words: str, *, has_contrast: bool) -> Sequence:
    if _BEFORE_CONTRAST.search(words):
        return Sequence.T1
    return Sequence.T1C if has_contrast or _AFTER_CONTRAST.search(words) else Sequence.T1


def _from_times(tags: MrTags) -> Sequence | None:
    """Spin echoes with textbook times only: FLAIR's long inversion nulls fluid at 1.5 T and 3 T."""
    repetition, echo = tags.repetition_time_ms, tags.echo_time_ms
    if repetition is None or echo is None or "EP" in tags.scanning_sequence:
        return None
    is_late = echo >= 70 and repetition >= 2000  # noqa: PLR2004
    if "IR" in tags.scanning_sequence:
        inversion = tags.inversion_time_ms or 0.0
        return Sequence.FLAIR if is_late and inversion >= 1500 else None  # noqa: PLR2004
    if tags.scanning_sequence != ("SE",):
        return None
    if 0 < echo <= 30 and 0 < repetition <= 900:  # noqa: PLR2004
        return Sequence.T1C if tags.has_contrast else Sequence.T1
    return Sequence.T2 if is_late else None
