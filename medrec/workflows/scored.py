"""Logits beside the truth of their slices: what calibration and the test are computed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medrec.calibration.substacks import Stack, cut_substacks
from medrec.calibration.weighting import weights_to_prevalence
from medrec.domain.finding import Label
from medrec.evaluation.samples import Samples
from medrec.models.exclusive import scale_to_one_array
from medrec.models.pooling import pool_exam_logit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from medrec.calibration.boxes import PictureBoxes
    from medrec.config.calibration import SubstackConfig
    from medrec.config.model import PoolingConfig
    from medrec.domain.geometry import FloatArray
    from medrec.domain.reference import Reference


Groups = tuple[tuple[Label, ...], ...]
"""Labels that exclude each other, group by group."""


def _has_any(row: Reference, values: Mapping[str, Sequence[str]]) -> bool:
    """Whether a row has one of the `values` of a column."""
    return any(row.attributes.get(column) in own for column, own in values.items())


def to_groups(exclusive: Sequence[Sequence[str]] | None) -> Groups:
    """The groups of a config or a package."""
    return tuple(tuple(map(Label, group)) for group in exclusive or ())


def pool(logits: FloatArray, pooling: PoolingConfig) -> float:
    """The logit of an exam from those of its slices (N,)."""
    if pooling.highest:
        return float(logits.max())
    return pool_exam_logit(logits, positions=pooling.positions, top=pooling.top)


def group_of(label: Label, groups: Groups) -> tuple[Label, ...]:
    """The labels that exclude each other with this one, itself among them; or it alone."""
    return next((group for group in groups if label in group), (label,))


@dataclass(frozen=True, slots=True)
class Weighting:
    """To which share of positives rows are weighted, in each value of a column or all together."""

    prevalence: float
    within: str | None = None

    def weights(self, truth: Sequence[bool], rows: Sequence[Reference]) -> FloatArray:
        """Of each row (N,), by its truth (N,).

        Raises:
            CalibrationError: A value of the column without a row of either class.
        """
        strata = [row.attributes.get(self.within, "") if self.within else "all" for row in rows]
        known = np.asarray(truth, dtype=bool)
        return weights_to_prevalence(known, strata, prevalence=self.prevalence)


@dataclass(frozen=True, eq=False)
class ScoredSlices:
    """Logits (N, K) of N images or slices, one column a label; blank slices are left out.

    Rows of one volume share `path` and stand in slice order. Labels of an `exclusive` group have
    the same samples, those of which the class is known.
    """

    references: tuple[Reference, ...]
    logits: FloatArray
    labels: tuple[Label, ...]
    exclusive: Groups = ()
    found: tuple[PictureBoxes, ...] = ()
    """What a detector found in each row; empty of classifiers."""
    weighting: Weighting | None = None
    """What samples are weighted to; None: each row weighs 1."""

    def without(self, values: Mapping[str, Sequence[str]]) -> ScoredSlices:
        """The rows that have none of these `values` in the column that each belongs to."""
        rows = [n for n, row in enumerate(self.references) if not _has_any(row, values)]
        return replace(
            self,
            references=tuple(self.references[n] for n in rows),
            logits=self.logits[rows],
            found=tuple(self.found[n] for n in rows) if self.found else (),
        )

    def without_boxes(self, values: Mapping[str, Sequence[str]]) -> ScoredSlices:
        """The same, but what is there is unknown of rows with one of these `values`."""
        found = tuple(
            replace(own, is_known=False) if _has_any(row, values) else own
            for row, own in zip(self.references, self.found, strict=True)
        )
        return replace(self, found=found)

    def known_rows(self, label: Label) -> list[int]:
        """The rows whose truth is known."""
        group = group_of(label, self.exclusive)
        return [
            n
            for n, row in enumerate(self.references)
            if all(row.labels.get(one) is not None for one in group)
        ]

    def samples(self, label: Label) -> Samples:
        """The rows whose truth is known, by `weighting`."""
        known = self.known_rows(label)
        truth = [bool(self.references[n].labels[label]) for n in known]
        return Samples.from_logits(
            truth,
            self.logits[known, self.labels.index(label)],
            [self.references[n].resampling_unit for n in known],
            weight=self._weights(truth, known),
        )

    def _weights(self, truth: Sequence[bool], rows: Sequence[int]) -> FloatArray | None:
        if self.weighting is None or not rows:
            return None
        return self.weighting.weights(truth, [self.references[n] for n in rows])

    def patients(self, label: Label, *, primary: Label) -> Samples:
        """Films by patient: the highest logit of the films, positive if any film is.

        A patient is left out where no film is positive and one is unknown. Labels that exclude each
        other take the logits of one film, that with the highest logit of `primary`, as a study's
        exam does; a patient whose films differ in class is of the primary one, or left out. A
        patient is weighted by what the manifest says of that film.
        """
        group = group_of(label, self.exclusive)
        column = self.labels.index(primary if len(group) > 1 else label)
        samples = [
            (self._class_of(numbers, group, primary), unit, max(numbers, key=self._rank(column)))
            for unit, numbers in self._films().items()
        ]
        known = [one for one in samples if one[0] is not None]
        truth = [label in (present or ()) for present, _, _ in known]
        films = [film for _, _, film in known]
        return Samples.from_logits(
            truth,
            [self.logits[film, self.labels.index(label)] for film in films],
            [unit for _, unit, _ in known],
            weight=self._weights(truth, films),
        )

    def _films(self) -> dict[str, list[int]]:
        films: dict[str, list[int]] = {}
        for number, row in enumerate(self.references):
            films.setdefault(row.resampling_unit, []).append(number)
        return films

    def _rank(self, column: int) -> Callable[[int], float]:
        return lambda number: float(self.logits[number, column])

    def _class_of(
        self, numbers: list[int], group: Sequence[Label], primary: Label
    ) -> set[Label] | None:
        """Which labels of a group are true of a patient's films; None where that is unknown."""
        truths = {one: [self.references[n].labels.get(one) for n in numbers] for one in group}
        present = {one for one, found in truths.items() if True in found}
        if len(group) > 1 and primary in present:
            return {primary}
        is_known = (present and len(group) == 1) or not any(None in f for f in truths.values())
        return present if is_known and len(present) <= 1 else None

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
        pooled = [pool(column[rows_of[cut.stack][cut.start : cut.stop]], pooling) for cut in cuts]
        return Samples.from_logits(
            [cut.truth for cut in cuts],
            pooled,
            [cut.unit for cut in cuts],
            weight=[cut.weight for cut in cuts],
        )

    def volumes(
        self,
        label: Label,
        exams: Mapping[str, Mapping[Label, bool | None]],
        pooling: PoolingConfig,
    ) -> Samples:
        """Whole volumes, their logits pooled, by `weighting`; those of unknown truth left out.

        `exams` is what the manifest says of a volume, by path. Where it says nothing, one positive
        slice makes a volume positive; a negative one has slices that are all known as negative. Of
        labels that exclude each other, one alone must be true of a volume.
        """
        group = group_of(label, self.exclusive)
        truths = [
            (rows, [self._truth(rows, one, exams) for one in group])
            for rows in self._rows_by_volume()
        ]
        known = [
            (rows, found)
            for rows, found in truths
            if None not in found and (len(group) == 1 or sum(map(bool, found)) == 1)
        ]
        own = group.index(label)
        truth = [bool(found[own]) for _, found in known]
        return Samples.from_logits(
            truth,
            [self._pooled(rows, group, pooling)[own] for rows, _ in known],
            [self.references[rows[0]].resampling_unit for rows, _ in known],
            weight=self._weights(truth, [rows[0] for rows, _ in known]),
        )

    def _pooled(
        self, rows: list[int], group: Sequence[Label], pooling: PoolingConfig
    ) -> FloatArray:
        """The logits (C,) of a volume for labels that exclude each other, or for one."""
        columns = [self.labels.index(label) for label in group]
        pooled = [pool(column, pooling) for column in self.logits[np.ix_(rows, columns)].T]
        groups = [range(len(group))] if len(group) > 1 else []
        return scale_to_one_array(np.array(pooled), groups)

    def _truth(
        self, rows: list[int], label: Label, exams: Mapping[str, Mapping[Label, bool | None]]
    ) -> bool | None:
        stated = exams.get(self.references[rows[0]].path, {}).get(label)
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
