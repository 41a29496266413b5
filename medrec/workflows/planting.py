"""Planted lesions of a training run: what the data must hold, and which rows they go into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medrec.config.base import read_config
from medrec.config.lesions import LesionsConfig
from medrec.config.model import classes_of, is_detector
from medrec.config.planting import planted_class, recipe_misfits, resolve_recipe
from medrec.config.training import TrainConfig
from medrec.data.build import build_grey_cache
from medrec.data.detection import NOTHING, DetectionSlices
from medrec.data.grounds import prepare_grounds
from medrec.data.planting import Planting, PlantingRule
from medrec.domain.counting import counted
from medrec.domain.reference import Split
from medrec.errors import ConfigError, ManifestError
from medrec.io.build import build_rules
from medrec.lesions.build import build_recipe
from medrec.lesions.keeping import is_of_chests
from medrec.lesions.recipe import FilmRecipe
from medrec.package.contract import PlantedFacts
from medrec.preprocess.build import build_preprocessor
from medrec.preprocess.greys import GreyPreprocessor
from medrec.workflows.auditing import namer
from medrec.workflows.packaging import rules_of, with_rules
from medrec.workflows.versions import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medrec.data.cache import PictureCache
    from medrec.data.dataset import SliceDataset
    from medrec.data.grounds import Grounds
    from medrec.data.splits import SplitPlan
    from medrec.data.volumes import VolumeDataset
    from medrec.domain.reference import Reference
    from medrec.package.contract import PackageManifest

    Say = Callable[[str], None]

_MOST_REFUSED = 0.5
_SHOWN = 10
_FILES = "`medrec dataset plant` writes films with planted lesions to files"


def read_asked(path: Path, overrides: Sequence[str]) -> TrainConfig:
    """A training config with the rules and the recipe that it names as files read into it.

    Digest, run and package hold what they say.

    Raises:
        ConfigError: What is wrong with the config or with a file that it names; or a recipe that is
            for other scans.
    """
    config = with_rules(read_config(path, TrainConfig, overrides=overrides), path.parent)
    if config.plant is None:
        return config
    recipe = resolve_recipe(config.plant.recipe, folder=path.parent)
    if problems := list(recipe_misfits(recipe, config.scope.modality, config.scope.body_part)):
        raise ConfigError(str(path), problems)
    return config.model_copy(update={"plant": config.plant.model_copy(update={"recipe": recipe})})


@dataclass(frozen=True, slots=True)
class PlantingRun:
    """What a run needs to plant lesions; its config has gone through `read_asked`."""

    config: TrainConfig
    root: Path
    cache: Path
    say: Say

    def check(self, references: Sequence[Reference], plan: SplitPlan) -> list[str]:
        """What of the rows, the splits or the disk doesn't go with planted lesions."""
        if self.config.plant is None:
            return []
        label = self.config.planted_label
        free = [row for row in self._training(references, plan) if self._may_be_free(row, label)]
        problems = []
        if not free:
            problems.append(
                f"plant: no row of the patients who train is known to be without {label}: lesions "
                "go into rows whose label is 0, or whose boxes file has no box of them"
            )
        problems += self._unjudged(references, plan, label)
        problems += self._unstated(references, plan, label)
        paths = [row.path for row in free]
        if too_little := self._grey_cache().disk_problem(paths, root=self.root):
            problems.append(too_little)
        return problems

    def into(
        self, slices: SliceDataset, references: Sequence[Reference], plan: SplitPlan
    ) -> SliceDataset:
        """The dataset with what plants lesions into its lesion-free rows of training.

        `references` are the rows of the manifest, by whose numbers films are called.

        Raises:
            ManifestError: No such row; or no chest (or breast) was found in most of their films.
            OutputError: The cache's disk is too small, or can't be written.
        """
        if self.config.plant is None:
            return slices
        rows = self._free_rows(slices, plan)
        if not rows:
            problem = "plant: no row of the patients who train is known to be without a lesion"
            raise ManifestError(str(self.root), [problem])
        grounds = prepare_grounds(
            [slices.references[row].path for row in rows],
            root=self.root,
            prepare=self._prepare(),
            recipe=self._recipe(),
            rules=build_rules(rules_of(self.config)),
            cache=self._grey_cache(),
        )
        name = namer(references)
        self._tell(
            [(name(slices.references[row]), slices.references[row].path) for row in rows], grounds
        )
        chosen = set(rows)
        assert grounds.greys is not None  # noqa: S101 (most films were found)
        planting = Planting(
            self._rule(),
            self._prepare(),
            grounds.greys,
            tuple(
                grounds.found.get(reference.path) if row in chosen else None
                for row, reference in enumerate(slices.references)
            ),
        )
        return replace(slices, planting=planting)

    def _rule(self) -> PlantingRule:
        plant = self.config.plant
        assert plant is not None  # noqa: S101 (asked where there is one)
        label, classes = (
            self.config.planted_label,
            classes_of(self.config.model, self.config.labels),
        )
        return PlantingRule(
            recipe=self._recipe(),
            share=plant.share,
            lesions=plant.lesions,
            column=self.config.labels.index(label),
            box_class=planted_class(plant, label, classes) if is_detector(self.config.model) else 0,
        )

    def _recipe(self) -> FilmRecipe:
        assert self.config.plant is not None  # noqa: S101
        recipe = build_recipe(resolve_recipe(self.config.plant.recipe, folder=self.root))
        assert isinstance(recipe, FilmRecipe)  # noqa: S101 (`read_asked` refused others)
        return recipe

    def _prepare(self) -> GreyPreprocessor:
        return GreyPreprocessor(build_preprocessor(self.config.preprocess))

    def _grey_cache(self) -> PictureCache:
        return build_grey_cache(
            self._prepare(),
            anatomy="chest" if is_of_chests(self._recipe()) else "breast",
            folder=self.cache,
            rules=rules_of(self.config),
            say=self.say,
            workers=self.config.fit.workers,
        )

    def _training(self, references: Sequence[Reference], plan: SplitPlan) -> list[Reference]:
        return [references[row] for row in plan.rows_of(references, Split.TRAIN)]

    def _may_be_free(self, row: Reference, label: str) -> bool:
        """Labelled so; or, for a detector, with boxes that may say so once they are read."""
        known = _truth(row, label)
        return known is False or (
            known is None and is_detector(self.config.model) and row.boxes is not None
        )

    def _unjudged(self, references: Sequence[Reference], plan: SplitPlan, label: str) -> list[str]:
        """Splits that are judged and hold no positive: lesions are planted into training alone."""
        judged = {"test": [Split.TEST], "calibration": [Split.CALIBRATE]}
        if plan.mode == "cross_fit":
            judged = {"test": [Split.TEST], "cross-fitting": [Split.TRAIN]}
        problems = []
        for name, splits in judged.items():
            rows = [references[n] for split in splits for n in plan.rows_of(references, split)]
            if not any(_truth(row, label) is not False for row in rows):
                problems.append(
                    f"plant: the rows of {name} hold no {label}, and lesions are planted into rows "
                    f"that train alone: add positive ones there; {_FILES}"
                )
        return problems

    def _unstated(self, references: Sequence[Reference], plan: SplitPlan, label: str) -> list[str]:
        """A model that learned from planted lesions alone says so in its package."""
        learned = self._training(references, plan)
        if self.config.scope.lesions == "planted" or any(_truth(row, label) for row in learned):
            return []
        if is_detector(self.config.model) and any(
            _truth(row, label) is None and row.boxes for row in learned
        ):
            return []  # boxes may hold real ones
        problem = (
            f"scope.lesions: no row that trains has {label}, so that all it learns from are "
            "planted: set it to planted, as the package must say so"
        )
        return [problem]

    def _free_rows(self, slices: SliceDataset, plan: SplitPlan) -> list[int]:
        """Rows of training that are known to hold no lesion."""
        rule = self._rule()
        free = slices.targets[:, rule.column] == 0
        if isinstance(slices, DetectionSlices):
            free &= (slices.objects[..., -1] == NOTHING).all(dim=1)
        found: list[int] = free.nonzero()[:, 0].tolist()
        return [n for n in found if plan.place_of(slices.references[n]).split is Split.TRAIN]

    def _tell(self, films: Sequence[tuple[str, str]], grounds: Grounds) -> None:
        """Say what will be planted into how many films, and which ones stay as they are.

        Raises:
            ManifestError: Those are most of them.
        """
        plant, recipe = self.config.plant, self._recipe()
        assert plant is not None  # noqa: S101
        where = "chest" if is_of_chests(recipe) else "breast"
        lost = [(name, path) for name, path in films if path in grounds.refused]
        if len(lost) > _MOST_REFUSED * len(films):
            problem = (
                f"plant: no {where} was found in {len(lost)} of {len(films)} films, into which "
                f"{recipe.name} plants: give a recipe for such films, correct scope and labels, or "
                "leave them out"
            )
            told = [f"row {name}: {grounds.refused[path]}" for name, path in lost[:_SHOWN]]
            raise ManifestError(str(self.root), [problem, *told])
        low, high = plant.lesions
        self.say(
            f"plant: {low} to {high} lesions of {recipe.name} into {plant.share:.0%} of "
            f"{counted(len(films) - len(lost), 'film', 'films')} without one, new ones each epoch"
        )
        if lost:
            shown = ", ".join(name for name, _ in lost[:_SHOWN])
            more = ", ..." if len(lost) > _SHOWN else ""
            self.say(
                f"WARNING: {counted(len(lost), 'film is', 'films are')} shown without lesions, as "
                f"no {where} was found: rows {shown}{more}"
            )


def with_planted(
    manifest: PackageManifest, config: TrainConfig, prepared: SliceDataset | VolumeDataset
) -> PackageManifest:
    """The facts of a package with what was planted into the scans that trained it."""
    plant = config.plant
    if plant is None or prepared.planting is None:
        return manifest
    recipe = plant.recipe
    assert isinstance(recipe, LesionsConfig)  # noqa: S101 (`read_asked` read it)
    facts = PlantedFacts(
        recipe=recipe.name,
        recipe_digest=digest_of(recipe),
        share=plant.share,
        lesions=plant.lesions,
        label=config.planted_label,
        scans=len(prepared.planting.rows),
    )
    training = manifest.training.model_copy(update={"planted": facts})
    return manifest.model_copy(update={"training": training})


def _truth(row: Reference, label: str) -> bool | None:
    return next((known for name, known in row.labels.items() if name == label), None)
