"""What `package.yaml` holds: the model's facts, and what it may be asked about."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from medrec.config.base import Schema
from medrec.config.calibration import SubstackConfig
from medrec.config.exclusive import Groups, check_groups
from medrec.config.model import NetworkConfig
from medrec.config.preprocess import PreprocessConfig
from medrec.config.selection import RulesConfig
from medrec.domain.modality import Modality, Sequence

FORMAT: Final = "medrec.package/1"
SHA256 = "^sha256:[0-9a-f]{64}$"


class InputContract(Schema):
    """What an image must be for the model to judge it; only known facts are held against it."""

    modality: Annotated[list[Modality], Field(min_length=1)]
    body_part: list[str] = []
    """Accepted values of BodyPartExamined, upper case; empty accepts any."""
    view_position: list[str] = []
    """Accepted views of a film (PA, AP, LL, CC, MLO ...), upper case; empty accepts any."""
    for_processing: Literal["refuse", "accept"] = "refuse"
    """Raw detector values (PresentationIntentType FOR PROCESSING) look unlike what is displayed."""
    sequence: list[Sequence] = []
    dimensionality: Literal["image", "volume"] = "volume"
    minimum_slices: Annotated[int, Field(ge=1)] = 1
    accepted_spacing_mm: tuple[float, float] | None = None
    """Accepted in-plane spacing. None where the training headers were nominal."""
    intensity_range: tuple[float, float] | None = None
    """Accepted values after rescale. None for MRI, whose units are arbitrary."""
    minimum_grey_levels: Annotated[int, Field(ge=2)] = 16
    """An image with fewer distinct values is a mask or a drawing."""


class PlantedFacts(Schema):
    """Lesions that were planted into scans without one while the weights were fitted."""

    recipe: str
    """The name of what they were drawn from."""
    recipe_digest: Annotated[str, Field(pattern=SHA256)]
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the scans without a lesion that an epoch showed."""
    lesions: tuple[int, int]
    """How many each of them got, the least and the most."""
    label: str
    scans: Annotated[int, Field(ge=1)]
    """Scans that lesions went into."""


class TrainingFacts(Schema):
    """What the weights were fitted on."""

    data: str
    data_digest: Annotated[str, Field(pattern=SHA256)]
    config_digest: Annotated[str, Field(pattern=SHA256)]
    patients: Annotated[int, Field(ge=1)]
    test_patients: Annotated[int, Field(ge=0)]
    design: Literal["cross_fit", "held_out"]
    device: str
    versions: dict[str, str]
    ensemble: Literal["seeds", "folds"] | None = None
    """How the members differ: their seeds, or the fold that each left out. None: one network."""
    splits_digest: Annotated[str, Field(pattern=SHA256)] | None = None
    """Of which patient belonged where: two packages with the same one share their test."""
    planted: PlantedFacts | None = None
    """What was planted into the training's scans. None: nothing."""


class Card(Schema):
    """Words for people, and the limits that every report repeats."""

    summary: str
    intended_use: str
    limits: list[str]
    training_data: str
    scored_before: list[str] | None = None
    """Earlier scorings of the test patients, in words; None where there was none."""


class PackageManifest(Schema):
    """`package.yaml`."""

    format: Literal["medrec.package/1"] = FORMAT
    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$")]
    version: str
    task: Literal["classification", "detection"] = "classification"
    labels: Annotated[list[str], Field(min_length=1)]
    primary_label: str
    exclusive: Groups | None = None
    """Groups of labels that exclude each other: the probabilities of a group sum to 1."""
    input: InputContract
    domain: Literal["clinical", "surrogate"]
    lesions: Literal["real", "planted"]
    exam_level_surrogate: bool = False
    """The exam calibrator was fitted on stand-ins for exams, such as runs of slices."""
    rules: RulesConfig | None = None
    """Which series the training took, and screening takes where the user names no other rules."""
    substacks: SubstackConfig | None = None
    """How those runs were cut; None where there were none, or in older packages."""
    preprocess: PreprocessConfig
    model: NetworkConfig
    members: Annotated[int, Field(ge=2, le=32)] | None = None
    """Networks of this kind, whose mean logit is the answer. None: one."""
    probability_levels: list[Literal["image", "exam"]]
    """Levels for which the package claims probabilities: each needs a calibrator a label."""
    prevalence: dict[Literal["image", "exam"], Annotated[float, Field(gt=0, lt=1)]] = {}
    """Share of positives where each level was calibrated."""
    training: TrainingFacts
    license: str
    card: Card

    @model_validator(mode="after")
    def _primary_label_is_a_label(self) -> PackageManifest:
        if self.primary_label not in self.labels:
            message = f"primary_label {self.primary_label!r} is none of the labels {self.labels}"
            raise ValueError(message)
        check_groups(self.labels, self.exclusive)
        if self.exclusive and self.exam_level_surrogate:
            message = "exam_level_surrogate: exclusive classes have no stand-ins for exams"
            raise ValueError(message)
        return self

    def group_of(self, label: str) -> tuple[str, ...]:
        """The labels that exclude each other with this one, itself among them; or it alone."""
        found = (tuple(group) for group in self.exclusive or () if label in group)
        return next(found, (label,))
