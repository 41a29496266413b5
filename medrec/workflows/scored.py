"""Logits beside the truth of their slices: what calibration and the test are computed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medrec.calibration.substacks import Stack, cut_substacks
from medrec.evaluation.samples import Samples
from medrec.models.pooling import pool_exam_logit

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from medrec.config.calibration import SubstackConfig
    from medrec.config.model import PoolingConfig
    from medrec.domain.finding import Label
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import Reference


@dataclass(frozen=True, eq=False)
class ScoredSlices:
    """Logits (N, K) of N images or slices, one column a label; blank slices are left out.

    Rows of one volume share `path` and stand in slice order.
    """

    references: tuple[Reference, ...]
    logits: FloatArray
    labels: tuple[Label, ...]

    def samples(self, label: Label) -> Samples:
        """The rows whose truth is known, each weighing 1."""
        known = [n for n, row in enumerate(self.references) if row.labels.get(label) is not None]
        return Samples.from_logits(
            [bool(self.references[n].labels[label]) for n in known],
            self.logits[known, self.labels.index(label)],
            [self.references[n].resampling_unit for n in known],
        )

    def patients(self, label: Label) -> Samples:
        """Films by patient: the highest logit of the films, positive if any film is.

        A patient is left out where no film is positive and one is unknown.
        """
        column = self.logits[:, self.labels.index(label)]
        films: dict[str, list[int]] = {}
        for number, row in enumerate(self.references):
            films.setdefault(row.resampling_unit, []).append(number)
        truths = {
            unit: [self.references[number].labels.get(label) for number in numbers]
            for unit, numbers in films.items()
        }
        known = [unit for unit in films if True in truths[unit] or None not in truths[unit]]
        return Samples.from_logits(
            [True in truths[unit] for unit in known],
            [column[films[unit]].max() for unit in known],
            known,
        )

    def substacks(
        self,
        label: Label,
        cutting: SubstackConfig,
        pooling: PoolingConfig,
        *,
        rng: np.random.Generator,
    ) -> Samples:
        """Stand-in exams: runs of slices, their logits pooled, each patient weighing 1."""
        rows_of = self._rows_by_volume()
        cuts = cut_substacks(
            [self._stack(rows, label) for rows in rows_of],
            shortest=cutting.shortest,
            longest=cutting.longest,
            per_patient=cutting.per_patient,
            rng=rng,
        )
        column = self.logits[:, self.labels.index(label)]
        pooled = [
            pool_exam_logit(
                column[rows_of[cut.stack][cut.start : cut.stop]],
                positions=pooling.positions,
                top=pooling.top,
            )
            for cut in cuts
        ]
        return Samples.from_logits(
            [cut.truth for cut in cuts],
            pooled,
            [cut.unit for cut in cuts],
            weight=[cut.weight for cut in cuts],
        )

    def volumes(
        self, label: Label, exams: Mapping[str, bool | None], pooling: PoolingConfig
    ) -> Samples:
        """Whole volumes, their logits pooled, each weighing 1; those of unknown truth left out.

        `exams` is what the manifest says of a volume, by path. Where it says nothing, one positive
        slice makes a volume positive; a negative one has slices that are all known as negative.
        """
        column = self.logits[:, self.labels.index(label)]
        rows_of = [
            (truth, rows)
            for rows in self._rows_by_volume()
            if (truth := self._truth(rows, label, exams)) is not None
        ]
        return Samples.from_logits(
            [truth for truth, _ in rows_of],
            [
                pool_exam_logit(column[rows], positions=pooling.positions, top=pooling.top)
                for _, rows in rows_of
            ],
            [self.references[rows[0]].resampling_unit for _, rows in rows_of],
        )

    def _truth(
        self, rows: list[int], label: Label, exams: Mapping[str, bool | None]
    ) -> bool | None:
        stated = exams.get(self.references[rows[0]].path)
        if stated is not None:
            return stated
        slices = [self.references[n].labels.get(label) for n in rows]
        if True in slices:
            return True
        return None if None in slices else False

    def _rows_by_volume(self) -> list[list[int]]:
        rows: dict[str, list[int]] = {}
        for number, reference in enumerate(self.references):
            rows.setdefault(reference.path, []).append(number)
        return list(rows.values())

    def _stack(self, rows: list[int], label: Label) -> Stack:
        unit = self.references[rows[0]].resampling_unit
        return Stack(unit, tuple(self.references[n].labels.get(label) for n in rows))
