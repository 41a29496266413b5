"""Fit networks so that everyone who calibrates is judged by a network that never saw them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medrec.config.training import TrainConfig
from medrec.data.dataset import SliceDataset
from medrec.data.splits import SplitPlan
from medrec.domain.reference import Split
from medrec.io.tables import write_rows
from medrec.models.weights import round_to_half
from medrec.package.build import save_weights
from medrec.package.package import WEIGHTS
from medrec.preprocess.augment_batch import BATCHED
from medrec.preprocess.build import build_augmenter, build_batch_augmenter
from medrec.training.build import build_network, build_settings
from medrec.training.fit import FitData, fit_network
from medrec.training.predict import predict_logits
from medrec.workflows.scored import ScoredSlices

if TYPE_CHECKING:
    from medrec.domain.geometry import FloatArray
    from medrec.models.classifiers import TimmClassifier
    from medrec.training.modules import EpochRecord

Say = Callable[[str], None]
_LOGITS = "logits.csv"


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits the networks of one run; what an earlier run of the same folder finished is kept."""

    config: TrainConfig
    slices: SliceDataset
    plan: SplitPlan
    out: Path
    device: str
    resume: bool
    say: Say

    def fit(self) -> ScoredSlices:
        """Write the final weights to `model/`; return logits of patients who had no part in them.

        Few patients: cross-fitting, nothing is chosen by the fold that is held out, and the final
        network is fitted on all that is not test with the same fixed schedule. Many: fitted on
        `train`, the best epoch chosen on `tune`, judged on `calibrate`.
        """
        match self.plan.mode:
            case "cross_fit":
                scored = self._cross_fit()
                self._final(self._rows(Split.TRAIN), tune=None)
            case "held_out":
                network = self._final(self._rows(Split.TRAIN), tune=self._rows(Split.TUNE))
                scored = self._judge(network, self._rows(Split.CALIBRATE))
        self._write_logits(scored)
        return scored

    def _rows(self, split: Split) -> list[int]:
        return self.plan.rows_of(self.slices.references, split)

    def _cross_fit(self) -> ScoredSlices:
        rows = self._rows(Split.TRAIN)
        fold_of = {n: self.plan.place_of(self.slices.references[n]).fold for n in rows}
        logits: FloatArray = np.full((len(self.slices), len(self.slices.labels)), np.nan)
        for fold in self.plan.folds:
            held_out = [n for n in rows if fold_of[n] == fold]
            learned = [n for n in rows if fold_of[n] != fold]
            network = self._fit_one(f"folds/{fold}", learned, watched=held_out, number=fold)
            logits[held_out] = self._judge(network, held_out).logits
        return self._scored(rows, logits[rows])

    def _final(self, rows: list[int], *, tune: list[int] | None) -> TimmClassifier:
        network = self._fit_one("final", rows, watched=tune, number=len(self.plan.folds))
        model = self.out / "model"
        model.mkdir(exist_ok=True)
        save_weights(model / WEIGHTS, network.state_dict())
        return network

    def _fit_one(
        self, name: str, rows: list[int], *, watched: list[int] | None, number: int
    ) -> TimmClassifier:
        """Fit one network, or take it up where an earlier run left it; weights come out halved."""
        config, folder = self.config, self.out / name
        seed, size_px = config.seed * 1000 + number, config.preprocess.size_px
        batched = BATCHED if config.fit.augment_on == "device" else ()
        network = build_network(
            config.model,
            label_count=len(config.labels),
            size_px=size_px,
            seed=seed,
        )
        self.say(f"{name}: fitting on {len(rows)} slices")
        result = fit_network(
            network,
            FitData(
                train=self.slices.subset(rows),
                watched=self.slices.subset(watched) if watched else None,
                choose_best=self.plan.mode == "held_out",
                augment=build_augmenter(config.augment, size_px=size_px, without=batched),
                augment_batch=build_batch_augmenter(config.augment, size_px=size_px),
            ),
            settings=build_settings(config.fit, seed=seed),
            folder=folder,
            device=self.device,
            resume=self.resume,
        )
        history = json.dumps([asdict(record) for record in result.history], indent=2)
        (folder / "history.json").write_text(history + "\n", encoding="utf-8")
        self.say(f"{name}: {_last(result.history)}")
        # Weights ship in half precision, so they are rounded before anything is calibrated on them.
        result.network.load_state_dict(round_to_half(result.network.state_dict()))
        return result.network

    def _judge(self, network: TimmClassifier, rows: list[int]) -> ScoredSlices:
        return self._scored(
            rows, predict_logits(network, self.slices.subset(rows), device=self.device)
        )

    def _scored(self, rows: Sequence[int], logits: FloatArray) -> ScoredSlices:
        references = tuple(self.slices.references[n] for n in rows)
        return ScoredSlices(references, logits, self.slices.labels)

    def _write_logits(self, scored: ScoredSlices) -> None:
        """What calibrators are fitted on, for anyone who wants to fit them again."""
        names = [f"{label}_logit" for label in scored.labels]
        rows = (
            {"path": row.path, "slice": row.slice, **dict(zip(names, values, strict=True))}
            for row, values in zip(scored.references, scored.logits.round(6), strict=True)
        )
        write_rows(self.out / _LOGITS, ["path", "slice", *names], rows)


def _last(history: Sequence[EpochRecord]) -> str:
    if not history:
        return "nothing was fitted"
    last = history[-1]
    watched = {"log-loss": last.watched_loss, "AUROC": last.watched_auroc}
    found = "".join(f", watched {name} {x:.3f}" for name, x in watched.items() if x is not None)
    return f"epoch {last.epoch + 1}: loss {last.loss:.3f}{found}"
