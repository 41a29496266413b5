"""Fit networks so that everyone who calibrates is judged by a network that never saw them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medrec.config.ensemble import FoldsEnsemble, SeedsEnsemble
from medrec.config.exclusive import columns_of
from medrec.config.model import SlicesConfig, is_of_exams, label_columns
from medrec.config.training import TrainConfig
from medrec.data.dataset import SliceDataset
from medrec.data.detection import DetectionSlices, DetectionVolumes
from medrec.data.splits import Place, SplitPlan, deal_folds
from medrec.data.volumes import VolumeDataset
from medrec.domain.counting import counted
from medrec.domain.modality import PROJECTIONS
from medrec.domain.reference import Split
from medrec.errors import DataSplitError
from medrec.io.tables import write_rows
from medrec.models.ensemble import Ensemble
from medrec.models.weights import round_to_half
from medrec.package.build import save_weights
from medrec.package.package import WEIGHTS
from medrec.preprocess.augment_batch import BATCHED
from medrec.preprocess.build import build_any_augmenter, build_batch_augmenter
from medrec.training.build import build_detection, build_network, build_settings
from medrec.training.estimate import measure_fit
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits, predict_volumes
from medrec.training.ranks import Ranks
from medrec.workflows.anchoring import with_anchors
from medrec.workflows.box_levels import find_boxes
from medrec.workflows.forecast import plan_work, say_forecast
from medrec.workflows.scored import ScoredSlices, to_groups

if TYPE_CHECKING:
    from torch import nn

    from medrec.calibration.boxes import PictureBoxes
    from medrec.config.model import NetworkConfig
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import Reference
    from medrec.models.exclusive import Columns
    from medrec.training.modules import EpochRecord

Say = Callable[[str], None]
_LOGITS = "logits.csv"


@dataclass(frozen=True, slots=True)
class _Part:
    """What one network learns from and is watched on, its folder, and what makes its seed.

    Anchors that the config doesn't name are those of the boxes of the training split, which the
    package holds. A detector that is thrown away when it has judged a fold may have its own
    (`has_own_anchors`), of the rows it learns from: the fold's boxes then had no part in it.
    """

    name: str
    rows: list[int]
    watched: list[int] | None
    number: int
    has_own_anchors: bool = False


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits the networks of one run; what an earlier run of the same folder finished is kept."""

    config: TrainConfig
    slices: SliceDataset | VolumeDataset
    plan: SplitPlan
    out: Path
    device: str
    resume: bool
    say: Say
    ranks: Ranks = field(default_factory=Ranks)
    """Of several processes, all fit and only the first one writes."""

    def fit(self) -> ScoredSlices:
        """Write the final weights to `model/`; return logits of patients who had no part in them.

        Few patients: cross-fitting, nothing is chosen by the fold that is held out, and the final
        network is fitted on all that is not test with the same fixed schedule. Many: fitted on
        `train`, the best epoch chosen on `tune`, judged on `calibrate`; or on both for a fixed time
        where `fit.tune` says so. An ensemble takes the place of the network: see
        medrec.config.ensemble.
        """
        self._forecast()
        match self.plan.mode:
            case "cross_fit":
                scored, networks = self._cross_fit()
                rows = self._rows(Split.TRAIN)
                is_refitted = not isinstance(self.config.ensemble, FoldsEnsemble)
                self._ship(self._fit_final(rows) if is_refitted else self._join(networks))
            case "held_out":
                network = self._held_out()
                self._ship(network)
                scored = self._judge(network, self._rows(Split.CALIBRATE))
        if self.ranks.is_main:
            _write_logits(self.out, scored)
        return scored

    def _forecast(self) -> None:
        """Say how long it will take, from a few steps of a network that is thrown away."""
        rows = {split: self._rows(split) for split in Split}
        data = self._learned(rows[Split.TRAIN])
        if not data.train.known_rows():
            return  # the first fit says so
        settings = build_settings(self.config.fit, seed=self.config.seed)
        cost = measure_fit(
            self._build(settings.seed, rows[Split.TRAIN]), data, settings, device=self.device
        )
        counts = {split: len(some) for split, some in rows.items()}
        work = plan_work(self.config, self.plan, counts, folds=_fold_count(self.config))
        said = say_forecast(cost, work, self.config, self.plan, out=self.out, device=self.device)
        self.say(said)

    def _rows(self, *splits: Split) -> list[int]:
        return [n for n in range(len(self.slices)) if self._place(n).split in splits]

    def _place(self, row: int) -> Place:
        return self.plan.place_of(self.slices.references[row])

    def _cross_fit(self) -> tuple[ScoredSlices, list[nn.Module]]:
        """Logits of each fold from the network that left it out, and those networks."""
        rows = self._rows(Split.TRAIN)
        fold_of = {n: self._place(n).fold for n in rows}
        logits: FloatArray = np.full((len(self.slices), len(self.slices.labels)), np.nan)
        boxes: dict[int, PictureBoxes] = {}
        networks: list[nn.Module] = []
        for fold in self.plan.folds:
            held_out = [n for n in rows if fold_of[n] == fold]
            learned = [n for n in rows if fold_of[n] != fold]
            is_shipped = isinstance(self.config.ensemble, FoldsEnsemble)
            part = _Part(f"folds/{fold}", learned, held_out, fold, has_own_anchors=not is_shipped)
            networks.append(self._fit_seeds(part))
            judged = self._judge(networks[-1], held_out)
            logits[held_out] = judged.logits
            boxes |= dict(zip(held_out, judged.found, strict=False))
        scored = self._scored(rows, logits[rows])
        return replace(scored, found=tuple(boxes[n] for n in rows if n in boxes)), networks

    def _held_out(self) -> nn.Module:
        """The network, or the ensemble, of many patients: epochs chosen by who didn't train it."""
        if not isinstance(self.config.ensemble, FoldsEnsemble):
            return self._fit_final(*self._learn_and_watch())
        rows = self._rows(Split.TRAIN, Split.TUNE)
        fold_of = _deal({n: self.slices.references[n] for n in rows}, self.config)
        return self._join(
            self._fit_one(
                _Part(
                    f"members/{fold}",
                    [n for n in rows if fold_of[n] != fold],
                    [n for n in rows if fold_of[n] == fold],
                    number=fold,
                )
            )
            for fold in sorted(set(fold_of.values()))
        )

    def _learn_and_watch(self) -> tuple[list[int], list[int] | None]:
        if self.config.fit.tune == "learn":
            return self._rows(Split.TRAIN, Split.TUNE), None
        return self._rows(Split.TRAIN), self._rows(Split.TUNE)

    def _fit_final(self, rows: list[int], tune: list[int] | None = None) -> nn.Module:
        name = "members" if self.config.ensemble else "final"
        return self._fit_seeds(_Part(name, rows, tune, number=len(self.plan.folds)))

    def _fit_seeds(self, part: _Part) -> nn.Module:
        """One network, or as many as an ensemble of seeds has: the first one is that network."""
        if not isinstance(self.config.ensemble, SeedsEnsemble):
            return self._fit_one(part)
        apart = len(self.plan.folds) + 1  # so that no two networks of a run share a seed
        name = part.name if part.name == "members" else f"{part.name}/members"
        return self._join(
            self._fit_one(
                replace(part, name=f"{name}/{member}", number=part.number + member * apart)
            )
            for member in range(self.config.ensemble.members)
        )

    def _join(self, networks: Iterable[nn.Module]) -> Ensemble:
        return Ensemble(networks, exclusive=_exclusive(self.config))

    def _ship(self, network: nn.Module) -> None:
        if not self.ranks.is_main:
            return
        model = self.out / "model"
        model.mkdir(exist_ok=True)
        save_weights(model / WEIGHTS, network.state_dict())

    def _fit_one(self, part: _Part) -> nn.Module:
        """Fit one network, or take it up where an earlier run left it; weights come out halved."""
        config, folder = self.config, self.out / part.name
        seed = config.seed * 1000 + part.number
        boxed = part.rows if part.has_own_anchors else self._rows(Split.TRAIN)
        network = self._build(seed, boxed)
        kind = rows_are(config)
        self.say(f"{part.name}: fitting on {counted(len(part.rows), kind[:-1], kind)}")
        result = fit_network(
            network,
            self._learned(part.rows, part.watched),
            settings=build_settings(config.fit, seed=seed),
            folder=folder,
            device=self.device,
            resume=self.resume,
        )
        if self.ranks.is_main:
            history = json.dumps([asdict(record) for record in result.history], indent=2)
            (folder / "history.json").write_text(history + "\n", encoding="utf-8")
        self.say(f"{part.name}: {_last(result.history)}")
        # Weights ship in half precision, so they are rounded before anything is calibrated on them.
        result.network.load_state_dict(round_to_half(result.network.state_dict()))
        return result.network

    def _build(self, seed: int, boxed: Sequence[int]) -> nn.Module:
        """A network with first weights; a detector's anchors are for the boxes of some rows."""
        return build_network(
            with_anchors(self.config, self.slices, boxed).model,
            label_count=len(self.config.labels),
            label_of=label_columns(self.config.model, self.config.labels),
            size_px=self.config.preprocess.size_px,
            seed=seed,
            exclusive=_exclusive(self.config),
        )

    def _learned(self, rows: list[int], watched: list[int] | None = None) -> FitData:
        config, size_px = self.config, self.config.preprocess.size_px
        batched = BATCHED if config.fit.augment_on == "device" else ()
        return FitData(
            train=self.slices.subset(rows),
            watched=_to_watch(self.slices.subset(watched), config.model) if watched else None,
            choose_best=self.plan.mode == "held_out" and config.fit.chooses_epoch,
            augment=build_any_augmenter(
                config.augment,
                config.preprocess,
                config.model,
                without=batched,
                label_of=label_columns(config.model, config.labels),
            ),
            augment_batch=build_batch_augmenter(config.augment, size_px=size_px),
            exclusive=_exclusive(self.config),
            detection=build_detection(config.model),
        )

    def _judge(self, network: nn.Module, rows: list[int]) -> ScoredSlices:
        chosen = self.slices.subset(rows)
        if isinstance(chosen, DetectionSlices | DetectionVolumes):
            found = find_boxes(network, chosen, self.config, device=self.device)
            logits = np.array([own.joint((), len(self.config.labels)) for own in found])
            return replace(self._scored(rows, logits), found=found)
        if isinstance(chosen, VolumeDataset):
            return self._scored(rows, predict_volumes(network, chosen, device=self.device))
        return self._scored(rows, predict_logits(network, chosen, device=self.device))

    def _scored(self, rows: Sequence[int], logits: FloatArray) -> ScoredSlices:
        references = tuple(self.slices.references[n] for n in rows)
        groups = to_groups(self.config.exclusive)
        return ScoredSlices(references, logits, self.slices.labels, groups)


def _deal(rows: Mapping[int, Reference], config: TrainConfig) -> dict[int, int]:
    """The fold of each row, by patient."""
    splits = config.splits
    fold_of = deal_folds(
        list(rows.values()),
        folds=_fold_count(config),
        stratify_by=splits.stratify_by,
        seed=splits.seed,
    )
    return {n: fold_of[row.patient] for n, row in rows.items()}


def _to_watch(
    chosen: SliceDataset | VolumeDataset, model: NetworkConfig
) -> SliceDataset | VolumeDataset:
    if isinstance(chosen, VolumeDataset) and isinstance(model, SlicesConfig):
        return chosen.evenly(model.slices)
    return chosen


def _exclusive(config: TrainConfig) -> Columns:
    return columns_of(config.labels, config.exclusive)


def _write_logits(out: Path, scored: ScoredSlices) -> None:
    """What calibrators are fitted on, for anyone who wants to fit them again."""
    names = [f"{label}_logit" for label in scored.labels]
    rows = (
        {"path": row.path, "slice": row.slice, **dict(zip(names, values, strict=True))}
        for row, values in zip(scored.references, scored.logits.round(6), strict=True)
    )
    write_rows(out / _LOGITS, ["path", "slice", *names], rows)


def rows_are(config: TrainConfig) -> str:
    """What a network of this kind learns from, in a word: by its scope, images may be films."""
    if is_of_exams(config.model):
        return "volumes"
    if config.scope.dimensionality == "volume":
        return "slices"
    modalities = set(config.scope.modality)
    return "films" if modalities and modalities <= PROJECTIONS else "images"


def check_ensemble(config: TrainConfig, plan: SplitPlan) -> None:
    """Refuse an ensemble that these patients can't give, before anything is prepared.

    Raises:
        DataSplitError: Another number of folds than the splits have, or too few patients for them.
    """
    if not isinstance(config.ensemble, FoldsEnsemble):
        return
    count = _fold_count(config)
    learning = [p for p in plan.assignment.values() if p.split in (Split.TRAIN, Split.TUNE)]
    if plan.mode == "cross_fit" and count != len(plan.folds):
        message = (
            f"ensemble: {count} folds are asked for, but the patients are few and cross-fitted in "
            f"{len(plan.folds)}, whose networks ship: leave ensemble.folds out, or set "
            f"splits.folds={count} where the splits aren't frozen in a file"
        )
        raise DataSplitError(message)
    if len(learning) < count:
        message = (
            f"ensemble: the {len(learning)} patients of train and tune can't fill {count} folds: "
            "ask for fewer folds"
        )
        raise DataSplitError(message)


def _fold_count(config: TrainConfig) -> int:
    asked = config.ensemble.folds if isinstance(config.ensemble, FoldsEnsemble) else None
    return asked or config.splits.folds


def _last(history: Sequence[EpochRecord]) -> str:
    if not history:
        return "nothing was fitted"
    last = history[-1]
    is_detector = last.watched_ap is not None
    watched = {
        "loss" if is_detector else "log-loss": last.watched_loss,
        "AUROC": last.watched_auroc,
        "AP": last.watched_ap,
    }
    found = "".join(f", watched {name} {x:.3f}" for name, x in watched.items() if x is not None)
    return f"epoch {last.epoch + 1}: loss {last.loss:.3f}{found}"
