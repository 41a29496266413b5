"""One case in, one prediction out; the one place where a scan's error becomes a result."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

import medrec
from medrec.domain.codes import Note, NoteCode, Reason, ReasonCode
from medrec.domain.finding import (
    CasePrediction,
    CaseStatus,
    ImageFindings,
    JudgedSeries,
    Provenance,
)
from medrec.domain.modality import FileFormat
from medrec.domain.series import FileRecord, FileStatus
from medrec.domain.terms import BODY_PARTS, LATERALITIES, VIEWS, known, maker_of
from medrec.errors import FailedScanError, ScanError
from medrec.inference.findings import decide, to_findings
from medrec.inference.gate import check_header, check_volume
from medrec.inference.key_slice import Explainer, KeySlice
from medrec.inference.regions import highest, to_regions
from medrec.io.loading import load_volume
from medrec.io.selection import describe_none, left_out_status, select
from medrec.preprocess.volumes import VolumeInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medrec.domain.finding import Finding, RawFinding, RawRegion, Region
    from medrec.domain.geometry import FloatArray
    from medrec.domain.modality import Modality
    from medrec.domain.series import Case, ImageHeader, Series
    from medrec.domain.volume import Volume
    from medrec.inference.predictor import VolumeLogits
    from medrec.inference.volumes import AnyPredictor
    from medrec.io.selection import Rules
    from medrec.package.package import Level, ModelPackage


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    """What a user may choose; see `medrec.config.screening` for the meaning of each."""

    operating_point: str
    modality: Modality | None = None
    prevalence: float | None = None
    heatmap: bool = True
    for_processing: str | None = None
    config_digest: str = ""
    rules: Rules | None = None


@dataclass(frozen=True, eq=False)
class CaseOutcome:
    """All that came of one case. `facts` are case facts without identity, for the report."""

    prediction: CasePrediction
    records: tuple[FileRecord, ...]
    key_slice: KeySlice | None = None
    facts: dict[str, str] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = field(default=(), repr=False)
    """The scored series, where regions were found in them."""


@dataclass(frozen=True, eq=False)
class _Scored:
    """One series that went all the way."""

    series: Series
    volume: Volume
    logits: VolumeLogits
    notes: tuple[Note, ...]


_WEIGHT = (FileStatus.SCORED, FileStatus.FAILED, FileStatus.REFUSED, FileStatus.SKIPPED)


class Screener:
    """Judges cases one after the other with one model."""

    def __init__(
        self, package: ModelPackage, predictor: AnyPredictor, settings: ScreenSettings
    ) -> None:
        self._package = package
        self._predictor = predictor
        self._settings = settings
        self._primary = package.manifest.labels.index(package.manifest.primary_label)

    @property
    def device(self) -> str:
        """Where the network computes."""
        return self._predictor.device

    def __call__(self, case: Case) -> CaseOutcome:
        """Screen a case; whatever is wrong with its scans ends in the outcome, not in an error."""
        started, clock = datetime.now(UTC), time.perf_counter()
        case = select(case, self._settings.rules)
        scored: list[_Scored] = []
        problems: list[tuple[Series, ScanError]] = []
        for series in case.series:
            try:
                scored.append(self._score(series))
            except ScanError as error:
                problems.append((series, error))
            except MemoryError:
                problems.append((series, FailedScanError(ReasonCode.IO, "out of memory")))
        provenance = self._provenance(started, time.perf_counter() - clock)
        if not scored:
            return _unscored(case, problems, provenance)
        best = max(scored, key=lambda one: float(one.logits.exam[self._primary]))
        prediction = self._prediction(case, scored, best, provenance)
        key_slice = self._key_slice(best)
        return CaseOutcome(
            prediction=replace(
                prediction, notes=(*prediction.notes, *_unjudged_stacks(scored, problems))
            ),
            records=tuple(_records(case, scored, problems)),
            key_slice=key_slice,
            facts=_facts(best, scored, key_slice),
            volumes=tuple(one.volume for one in scored) if prediction.regions else (),
        )

    def _score(self, series: Series) -> _Scored:
        contract = self._package.manifest.input
        settings = self._settings
        assumed = check_header(
            series.first,
            contract,
            modality=settings.modality,
            for_processing=settings.for_processing,
        )
        volume = load_volume(series)
        check_volume(volume, contract)
        logits = self._predictor(volume)
        return _Scored(series, volume, logits, (*assumed, *volume.notes, *_notes_of(logits)))

    def _prediction(
        self, case: Case, scored: Sequence[_Scored], best: _Scored, provenance: Provenance
    ) -> CasePrediction:
        is_lone_film, logits = self._is_lone_film(best.series), self._exam_logits(best, scored)
        findings = self._findings(logits, level="image" if is_lone_film else "exam")
        return CasePrediction(
            case_id=case.id,
            patient_key=case.patient_key,
            source=case.source,
            modality=best.series.first.modality or self._settings.modality,
            status=CaseStatus.SCORED,
            decision=decide(findings),
            findings=findings,
            patient_findings=self._findings(logits, level="exam") if is_lone_film else (),
            series=best.series.first.source if len(scored) > 1 else None,
            judged_series=_judged_series(scored),
            images=tuple(image for one in scored for image in self._images(one)),
            regions=highest(
                [
                    region if len(scored) == 1 else replace(region, series=one.series.first.source)
                    for one in scored
                    for region in self._regions(one)
                ]
            ),
            notes=self._notes(best, scored),
            provenance=provenance,
        )

    def _exam_logits(self, best: _Scored, scored: Sequence[_Scored]) -> FloatArray:
        """Of the series that counts; of a detector, whose regions are of all, the highest of each.

        Its labels stand alone: the likeliest series of one need not be that of another.
        """
        if self._package.manifest.task != "detection":
            return best.logits.exam
        highest: FloatArray = np.max([one.logits.exam for one in scored], axis=0)
        return highest

    def _findings(self, logits: FloatArray, *, level: Level) -> tuple[Finding | RawFinding, ...]:
        return to_findings(
            self._package,
            logits.tolist(),
            level=level,
            operating_point=self._settings.operating_point,
            prevalence=self._settings.prevalence,
        )

    def _is_lone_film(self, series: Series) -> bool:
        """A picture file is one film of an exam, of which the others are files of their own."""
        is_of_films = self._package.manifest.input.dimensionality == "image"
        return is_of_films and series.first.format is FileFormat.RASTER

    def _images(self, scored: _Scored) -> Iterator[ImageFindings]:
        rows = zip(scored.logits.slices, scored.logits.image, strict=True)
        # A detector's slices stay no less likely than the boxes on them.
        is_shifted = self._package.manifest.task == "detection"
        for index, logits in sorted(rows, key=lambda row: row[0]):
            findings = to_findings(
                self._package,
                logits.tolist(),
                level="image",
                operating_point=self._settings.operating_point,
                prevalence=self._settings.prevalence if is_shifted else None,
            )
            yield ImageFindings(scored.volume.slice_sources[index], index, findings)

    def _regions(self, scored: _Scored) -> tuple[Region | RawRegion, ...]:
        return to_regions(
            self._package,
            scored.logits.boxes,
            scored.volume,
            prevalence=self._settings.prevalence,
        )

    def _notes(self, best: _Scored, scored: Sequence[_Scored]) -> tuple[Note, ...]:
        notes = list(dict.fromkeys(note for one in scored for note in one.notes))
        if self._package.manifest.exam_level_surrogate:
            detail = "the exam's probability was calibrated on runs of slices, not on whole exams"
            notes.append(Note(NoteCode.EXAM_LEVEL_SURROGATE, detail))
        return tuple(notes)

    def _key_slice(self, best: _Scored) -> KeySlice:
        predictor = self._predictor
        is_explained = self._settings.heatmap and self._package.manifest.task == "classification"
        explain = Explainer(predictor.network, predictor.device, self._primary, is_explained)
        return explain(best.volume, best.logits)

    def _provenance(self, started: datetime, seconds: float) -> Provenance:
        return Provenance(
            medrec=medrec.__version__,
            model=self._package.manifest.name,
            model_version=self._package.manifest.version,
            model_digest=self._package.digest,
            config_digest=self._settings.config_digest,
            device=self._predictor.device,
            started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=round(seconds, 3),
        )


def _unscored(
    case: Case, problems: Sequence[tuple[Series, ScanError]], provenance: Provenance
) -> CaseOutcome:
    """A case of which no series could be judged: failed if trying again may help, else refused."""
    errors = sorted((error for _, error in problems), key=_weight)
    error = errors[0] if errors else None
    reason = Reason(ReasonCode(error.code), error.detail) if error else _why_nothing_is_left(case)
    prediction = CasePrediction(
        case_id=case.id,
        patient_key=case.patient_key,
        source=case.source,
        modality=next((series.first.modality for series in case.series), None),
        status=CaseStatus.FAILED if isinstance(error, FailedScanError) else CaseStatus.REFUSED,
        reason=reason,
        provenance=provenance,
    )
    return CaseOutcome(prediction, tuple(_records(case, (), problems)))


def _judged_series(scored: Sequence[_Scored]) -> tuple[JudgedSeries, ...]:
    """Which series were judged, where there are several: boxes alone don't tell the empty ones."""
    if len(scored) == 1:
        return ()
    return tuple(JudgedSeries(one.series.first.source, len(one.logits.slices)) for one in scored)


def _unjudged_stacks(
    scored: Sequence[_Scored], problems: Sequence[tuple[Series, ScanError]]
) -> Iterator[Note]:
    """Series that should have been judged and weren't, in a case that was: it isn't the whole."""
    judged = {source for one in scored for source in one.series.sources}
    for series, error in problems:
        if error.code != ReasonCode.OUT_OF_SCOPE:
            what = "stack of a judged file" if judged.intersection(series.sources) else "series"
            detail = f"another {what} was not judged: {error.code}: {error.detail}"
            yield Note(NoteCode.PARTLY_JUDGED, detail)


def _weight(error: ScanError) -> int:
    """What may pass comes first, then what is broken, then what was not meant for the model."""
    if isinstance(error, FailedScanError):
        return 0
    return 2 if error.code == ReasonCode.OUT_OF_SCOPE else 1


def _why_nothing_is_left(case: Case) -> Reason:
    if any(reason.code is ReasonCode.NOT_SELECTED for _, reason in case.left_out):
        return Reason(ReasonCode.NOT_SELECTED, describe_none(case.left_out))
    return Reason(ReasonCode.LOCALIZER, "the study holds localizers alone")


def _records(
    case: Case, scored: Sequence[_Scored], problems: Sequence[tuple[Series, ScanError]]
) -> Iterator[FileRecord]:
    """One row for each file of the case; of a file that holds several stacks the weightiest."""
    rows: dict[str, FileRecord] = {}
    for row in _series_records(case, scored, problems):
        earlier = rows.get(row.path)
        if earlier is None or _WEIGHT.index(row.status) < _WEIGHT.index(earlier.status):
            rows[row.path] = row
    yield from rows.values()


def _series_records(
    case: Case, scored: Sequence[_Scored], problems: Sequence[tuple[Series, ScanError]]
) -> Iterator[FileRecord]:
    for one in scored:
        for source in one.series.sources:
            yield FileRecord(source, FileStatus.SCORED, case.id)
    for series, error in problems:
        status, code = _file_status(error, is_scored_case=bool(scored))
        detail = f"{error.source}: {error.detail}" if error.source else error.detail
        for source in series.sources:
            yield FileRecord(source, status, case.id, code, detail)
    for series, reason in case.left_out:
        for source in series.sources:
            yield FileRecord(source, left_out_status(case), case.id, reason.code, reason.detail)


def _file_status(error: ScanError, *, is_scored_case: bool) -> tuple[FileStatus, str]:
    """A series outside the contract is not selected where another one of the study is in it."""
    if isinstance(error, FailedScanError):
        return FileStatus.FAILED, error.code
    if is_scored_case and error.code == ReasonCode.OUT_OF_SCOPE:
        return FileStatus.SKIPPED, ReasonCode.NOT_SELECTED
    return FileStatus.REFUSED, error.code


def _facts(best: _Scored, scored: Sequence[_Scored], key: KeySlice) -> dict[str, str]:
    """What a reader may know of the images without knowing whose they are."""
    header, volume = best.series.first, best.volume
    columns, rows = volume.slice_px(0).shape[::-1]
    facts = {
        "Modality": header.modality or "",
        "Sequence": header.sequence or "",
        "Series": _series_that_counts(best, scored),
        "Body part": known(header.body_part, BODY_PARTS) or "",
        "View": known(header.view_position, VIEWS) or "",
        "Laterality": known(header.laterality, LATERALITIES) or "",
        "Manufacturer": maker_of(header.manufacturer) or "",
        "Matrix": f"{columns} x {rows}",
        "Slices": str(volume.slice_count) if volume.slice_count > 1 else "",
        "Judged": _judged(best) if volume.slice_count > 1 else "",
        "Spacing": _spacing(header, volume),
        "File format": header.format,
        "Heat map": key.why_no_heat,
    }
    return {name: value for name, value in facts.items() if value}


def _judged(best: _Scored) -> str:
    if isinstance(best.logits.inputs, VolumeInput):
        return "the volume as a whole"
    return f"{len(best.logits.slices)} slices"


def _notes_of(logits: VolumeLogits) -> tuple[Note, ...]:
    return () if isinstance(logits.inputs, VolumeInput) else logits.inputs.notes


def _series_that_counts(best: _Scored, scored: Sequence[_Scored]) -> str:
    if len(scored) == 1:
        return ""
    return f"{scored.index(best) + 1} of {len(scored)}: of those judged, the highest logit counts"


def _spacing(header: ImageHeader, volume: Volume) -> str:
    if volume.geometry is not None:
        return " x ".join(f"{side:.2f}" for side in volume.geometry.spacing_mm) + " mm (header)"
    return str(header.spacing or "no physical size")
