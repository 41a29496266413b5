"""Which series are judged: rules in YAML, the same for training, screening and `inspect`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

import re2
from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from medrec.config.base import Schema, read_config
from medrec.domain.modality import Modality, Sequence

Text = Annotated[str, Field(min_length=1, max_length=64)]
"""As long as DICOM's longest short text (LO)."""
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _check_pattern(pattern: str) -> str:
    # RE2 reads a text once, whatever the pattern: none can make it run for ever, as `re` can.
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args else "unknown"
        message = f"is no regular expression of RE2: {reason}"
        raise ValueError(message) from error
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_pattern)]


class TimeRange(Schema):
    """Milliseconds, both ends included; one end may be left out."""

    at_least: Milliseconds | None = None
    at_most: Milliseconds | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> TimeRange:
        _check_ends(self.at_least, self.at_most)
        return self


class CountRange(Schema):
    """Numbers of slices, both ends included; one end may be left out."""

    at_least: Annotated[int, Field(ge=1)] | None = None
    at_most: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> CountRange:
        _check_ends(self.at_least, self.at_most)
        return self


def _check_ends(low: float | None, high: float | None) -> None:
    if low is None and high is None:
        message = "wanted at_least, at_most or both"
        raise ValueError(message)
    if low is not None and high is not None and low > high:
        message = f"at_least {low:g} is above at_most {high:g}"
        raise ValueError(message)


class ImageTypeCondition(Schema):
    """Values of ImageType (0008,0008), such as ORIGINAL, DERIVED, ADC, MPR; case doesn't matter."""

    include: list[Text] = []
    """At least one of these is there."""
    exclude: list[Text] = []
    """None of these is there."""

    @model_validator(mode="after")
    def _asks_something(self) -> ImageTypeCondition:
        if not self.include and not self.exclude:
            message = "wanted include, exclude or both"
            raise ValueError(message)
        return self


class RuleConfig(Schema):
    """One rule: what must hold of a series, and what is then done with it.

    All conditions must hold; one that is left out asks nothing. Of a list, one value must fit.

    A fact that a file doesn't say is unknown, never a mismatch. So a condition on an unknown fact
    holds in a rule that takes, and doesn't in a rule that leaves out: a series is left out for what
    is known of it. `known_only: true` makes a rule that takes as strict.
    """

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9 _.-]{0,63}$")]
    """Stands in `files.csv`, reports and `inspect`: lower case, and nobody's name."""
    action: Literal["take", "leave_out"]
    modality: list[Modality] = []
    body_part: list[Text] = []
    """BodyPartExamined; case doesn't matter."""
    sequence: list[Sequence] = []
    """The MR contrast that medrec tells from words, contrast agent and times."""
    description: Pattern | None = None
    """RE2 expression searched for in SeriesDescription and ProtocolName; case doesn't matter."""
    repetition_time_ms: TimeRange | None = None
    echo_time_ms: TimeRange | None = None
    inversion_time_ms: TimeRange | None = None
    contrast: Literal["given", "not_given"] | None = None
    """By ContrastBolusAgent, else by a description that says post-contrast; else unknown."""
    orientation: list[Literal["axial", "coronal", "sagittal", "oblique"]] = []
    """By ImageOrientationPatient; oblique is over 30 degrees from all three planes."""
    slices: CountRange | None = None
    image_type: ImageTypeCondition | None = None
    laterality: list[Literal["L", "R", "B", "U"]] = []
    view_position: list[Text] = []
    """PA, AP, LL, CC, MLO and so on; case doesn't matter."""
    manufacturer: list[Text] = []
    """Part of the name is enough; case doesn't matter."""
    known_only: bool = False
    """In a rule that takes: a condition on an unknown fact doesn't hold."""


class RulesConfig(Schema):
    """Rules for choosing the series of a study; the first one whose conditions hold decides.

    Localizers are set aside before any rule is asked.
    """

    kind: Literal["rules"] = "rules"
    rules: Annotated[list[RuleConfig], Field(max_length=100)] = []
    default: Literal["take", "leave_out"] = "leave_out"
    """What is done with a series for which no rule's conditions hold."""
    most_series: Annotated[int, Field(ge=1)] | None = None
    """Of a study, take so many series at most; left out, all that fit."""
    prefer: Annotated[
        list[Literal["first_rule", "most_slices", "thinnest", "largest_matrix"]],
        Field(min_length=1),
    ] = ["first_rule", "most_slices"]
    """Which series are kept where more than `most_series` fit: the next word breaks a tie.

    `first_rule`: taken by the rule that stands higher. `thinnest`: the smallest distance between
    slices; an unknown one comes last.
    """

    @model_validator(mode="after")
    def _names_differ(self) -> RulesConfig:
        counts = Counter(rule.name for rule in self.rules)
        repeated = [name for name, count in counts.items() if count > 1]
        if repeated:
            message = f"rules must have different names; used twice: {', '.join(repeated)}"
            raise ValueError(message)
        return self


def _kind_of_source(value: Any) -> str:  # noqa: ANN401 (what stands in the YAML)
    return "file" if isinstance(value, str | Path) else "rules"


RulesSource = Annotated[
    Annotated[Path, Tag("file")] | Annotated[RulesConfig, Tag("rules")],
    Discriminator(_kind_of_source),
]
"""A file of `kind: rules`, or the same written in place."""


def resolve_rules(source: Path | RulesConfig | None, *, folder: Path) -> RulesConfig | None:
    """Read rules that are named as a file; a relative path starts at `folder`.

    Raises:
        ConfigError: The file can't be read, or its rules are wrong.
    """
    return read_config(folder / source, RulesConfig) if isinstance(source, Path) else source
