"""Who trains, who tunes, who calibrates and who is tested: by patient, decided once."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple

from medrec.data.quality import say_torn
from medrec.domain.counting import counted
from medrec.domain.reference import Reference, Split
from medrec.errors import DataSplitError, ManifestError
from medrec.io.tables import write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Mode = Literal["held_out", "cross_fit"]

FEW_PATIENTS = 200
FEW_OF_A_CLASS = 50
FEWEST_TESTED = 10
FEWEST_FOLDS = 2

# Of eight patients who are not tested, six train, one tunes, one calibrates: 60, 10 and 10 % beside
# a test of 20 %.
_TURNS = (
    Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.TUNE,
    Split.TRAIN, Split.TRAIN, Split.TRAIN, Split.CALIBRATE,
)  # fmt: skip

_COLUMNS = ("patient", "split", "fold")
_OF_THE_MANIFEST = "patient of the manifest is", "patients of the manifest are"


class Place(NamedTuple):
    """Where a patient belongs; `fold` is None outside cross-fitting."""

    split: Split
    fold: int | None = None


@dataclass(frozen=True, eq=False)
class SplitPlan:
    """The place of each patient.

    `held_out`: train, tune, calibrate and test are four groups of patients. `cross_fit`: all that
    is not test has a fold; the network that judges a fold has not seen it.
    """

    mode: Mode
    assignment: Mapping[str, Place]

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of who belongs where, whatever the order of the patients."""
        lines = (f"{n},{p.split},{p.fold}" for n, p in sorted(self.assignment.items()))
        return f"sha256:{hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}"

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds, in order; none in the mode `held_out`."""
        return tuple(sorted({p.fold for p in self.assignment.values() if p.fold is not None}))

    def place_of(self, reference: Reference) -> Place:
        """Where a row's patient belongs."""
        return self.assignment[reference.patient]

    def rows_of(self, references: Sequence[Reference], split: Split) -> list[int]:
        """Numbers of the rows whose patients belong to a split."""
        return [n for n, row in enumerate(references) if self.place_of(row).split is split]


def plan_splits(
    references: Sequence[Reference],
    *,
    test_fraction: float = 0.2,
    folds: int = 5,
    stratify_by: Sequence[str] = (),
    seed: int = 1,
) -> SplitPlan:
    """Split patients, in each stratum (attributes of `stratify_by`, then the labels) alike.

    Under 200 patients, or under 50 of either class of a label: a test group of `test_fraction`, at
    least 10 patients, and folds for the rest; else four groups. In each stratum patients stand in
    the order of the SHA-256 of `medrec-splits-<seed>:<patient>`: the first
    ceil(test_fraction * n) are the test, the others get folds (or groups) in turn, which goes on
    from stratum to stratum in alphabetical order. So a later patient moves few others, and the same
    patients are always split alike. Where every row has a `split`, that is kept.

    Raises:
        DataSplitError: Too few patients, or rows of which only some have a `split`.
    """
    patients = _by_patient(references)
    given, problems = _given_splits(patients)
    problems = [*say_torn(references), *problems]
    if given or problems:
        mode = mode_of(references)
        return _keep(given, problems=problems, mode=mode, folds=folds, seed=seed)
    mode = mode_of(references)
    count = len(patients)
    fraction = max(test_fraction, FEWEST_TESTED / count) if count else 1.0
    strata = _strata(patients, stratify_by)
    groups = [_shuffled(names, seed) for _, names in sorted(strata.items())]
    tested = [ceil(fraction * len(names) - 1e-9) for names in groups]
    if count - sum(tested) < folds:
        message = (
            f"{counted(count, 'patient is', 'patients are')} too few: {FEWEST_TESTED} or more are "
            f"held out for the test, and {folds} folds need as many patients besides"
        )
        raise DataSplitError(message)
    turns = _turns(mode, folds)
    assignment: dict[str, Place] = {}
    for names, first in zip(groups, tested, strict=True):
        assignment |= dict.fromkeys(names[:first], Place(Split.TEST))
        assignment |= {name: next(turns) for name in names[first:]}
    return SplitPlan(mode=mode, assignment=assignment)


def deal_folds(
    references: Sequence[Reference],
    *,
    folds: int,
    stratify_by: Sequence[str] = (),
    seed: int = 1,
) -> dict[str, int]:
    """Deal the patients of some rows to folds as `plan_splits` does, in each stratum alike.

    Raises:
        DataSplitError: Fewer patients than folds.
    """
    patients = _by_patient(references)
    if len(patients) < folds:
        few = counted(len(patients), "patient", "patients")
        message = f"{few} can't fill {folds} folds: ask for fewer folds"
        raise DataSplitError(message)
    strata = _strata(patients, stratify_by)
    dealt = [name for _, names in sorted(strata.items()) for name in _shuffled(names, seed)]
    return {name: number % folds for number, name in enumerate(dealt)}


def mode_of(references: Sequence[Reference]) -> Mode:
    """Apply the rule for few patients.

    A patient with any positive row counts as positive, one with known rows but no positive as
    negative.
    """
    patients = _by_patient(references)
    if len(patients) < FEW_PATIENTS:
        return "cross_fit"
    labels = {label for row in references for label in row.labels}
    for label in labels:
        states = [_state(rows, label) for rows in patients.values()]
        if min(states.count("1"), states.count("0")) < FEW_OF_A_CLASS:
            return "cross_fit"
    return "held_out"


def write_splits(path: Path, plan: SplitPlan) -> None:
    """Freeze a plan as CSV (patient, split, fold), patients in alphabetical order.

    Raises:
        OSError: The folder can't be written.
    """
    write_rows(
        path,
        _COLUMNS,
        [
            {"patient": patient, "split": place.split.value, "fold": place.fold}
            for patient, place in sorted(plan.assignment.items())
        ],
    )


def read_splits(path: Path, references: Iterable[Reference]) -> SplitPlan:
    """Read a frozen plan and check that it places every patient of the references.

    Raises:
        ManifestError: Wrong rows, all listed by line; or patients that it doesn't place.
    """
    plan, problems = _read_plan(path)
    present = {row.patient for row in references}
    absent = present - set(plan.assignment)
    if absent:
        problems.append(
            f"{counted(len(absent), *_OF_THE_MANIFEST)} not in it: move the file away to plan "
            "anew, or add them; never let a patient of the test train"
        )
    # Only the patients at hand count: a frozen file may place more.
    problems += _unusable(plan, present) if plan.assignment else []
    if problems:
        raise ManifestError(str(path), problems)
    return plan


def read_places(path: Path) -> Mapping[str, Place]:
    """Read where a frozen plan puts whom, whoever is at hand.

    Raises:
        ManifestError: Wrong rows, all listed by line.
    """
    plan, problems = _read_plan(path)
    if problems:
        raise ManifestError(str(path), problems)
    return plan.assignment


def _read_plan(path: Path) -> tuple[SplitPlan, list[str]]:
    """The plan and what is wrong with it; an empty one where a row is wrong.

    Raises:
        ManifestError: It is no CSV, or one of other columns.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
            columns = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(str(path), [f"can't be read as CSV: {error}"]) from error
    if columns != _COLUMNS:
        raise ManifestError(str(path), [f"wanted the columns {', '.join(_COLUMNS)}"])
    problems = [problem for line, row in rows for problem in _wrong_row(line, row)]
    plan = _to_plan([] if problems else [row for _, row in rows])
    names = [row["patient"] for _, row in rows]
    if len(set(names)) < len(names):
        twice = counted(len(names) - len(set(names)), "patient is", "patients are")
        problems.append(f"{twice} named twice")
    return plan, problems


def _to_plan(rows: Iterable[Mapping[str, str]]) -> SplitPlan:
    assignment = {
        row["patient"]: Place(Split(row["split"]), int(row["fold"]) if row["fold"] else None)
        for row in rows
    }
    folded = any(place.fold is not None for place in assignment.values())
    return SplitPlan(mode="cross_fit" if folded else "held_out", assignment=assignment)


def _unusable(plan: SplitPlan, present: set[str]) -> list[str]:
    """What would end a run only after its fits: groups without patients, patients without folds."""
    places = [place for name, place in plan.assignment.items() if name in present]
    held = {place.split for place in places}
    wanted = (Split.TRAIN, Split.TEST) if plan.mode == "cross_fit" else tuple(Split)
    problems = [f"no patient of the manifest has the split {s}" for s in wanted if s not in held]
    if plan.mode == "held_out":
        return problems
    rest = [place for place in places if place.split is not Split.TEST]
    unfolded = sum(place.fold is None for place in rest)
    if unfolded:
        bare = counted(unfolded, "patient has", "patients have")
        problems.append(f"{bare} neither a fold nor the split test: give folds")
    other = sum(place.split is not Split.TRAIN for place in rest)
    if other:
        apart = counted(other, "patient is", "patients are")
        problems.append(f"{apart} to tune or calibrate: with folds all others train")
    if len({place.fold for place in rest} - {None}) < FEWEST_FOLDS:
        problems.append("fewer than two folds hold patients: cross-fitting needs two or more")
    return problems


def _wrong_row(line: int, row: Mapping[str, str | None]) -> Iterator[str]:
    split, fold = row["split"] or "", row["fold"] or ""
    if not row["patient"]:
        yield f"line {line}, column patient: empty, but required"
    if split not in set(Split):
        yield f"line {line}, column split: {split!r}; wanted {', '.join(Split)}"
    if fold and not (fold.isascii() and fold.isdigit()):
        yield f"line {line}, column fold: {fold!r}; wanted a number, or nothing"
    if fold and split == Split.TEST:
        yield f"line {line}, column fold: {fold!r}; a patient of the test has none"


def _by_patient(references: Sequence[Reference]) -> dict[str, list[Reference]]:
    patients: dict[str, list[Reference]] = defaultdict(list)
    for row in references:
        patients[row.patient].append(row)
    return dict(patients)


def _given_splits(
    patients: Mapping[str, Sequence[Reference]],
) -> tuple[dict[str, Split], list[str]]:
    """The split that the rows write down for each patient, and what they lack; nothing if none.

    A patient of several splits counts for the first: so few may be too few all the same.
    """
    found = {name: {row.split for row in rows} for name, rows in patients.items()}
    known = {name: [one for one in splits if one] for name, splits in found.items()}
    given = {name: min(splits) for name, splits in known.items() if splits}
    absent = sum(None in splits for splits in found.values())
    if not given or not absent:
        return given, []
    rows = counted(absent, "patient has rows", "patients have rows")
    return given, [f"{rows} without a split, though others have one: give all rows one, or none"]


def _keep(
    given: Mapping[str, Split], *, problems: list[str], mode: Mode, folds: int, seed: int
) -> SplitPlan:
    """Keep the user's splits; of few patients only the test is kept, and the rest cross-fitted.

    The same where many patients come without a group to tune or to calibrate on.

    Raises:
        DataSplitError: What `problems` holds already; nobody trains, too few are tested, or fewer
            than one patient a fold.
    """
    tested = sum(split is Split.TEST for split in given.values())
    problems = list(problems)
    if Split.TRAIN not in given.values():
        problems.append("no patient has the split train")
    if tested < FEWEST_TESTED:
        problems.append(
            f"{counted(tested, 'patient has', 'patients have')} the split test, where "
            f"{FEWEST_TESTED} or more are needed: give more of them the split test, or leave the "
            "column split out to have it planned"
        )
    is_whole = {Split.TUNE, Split.CALIBRATE} <= set(given.values())
    is_folded = mode == "cross_fit" or not is_whole
    if is_folded and len(given) - tested < folds:
        rest = counted(len(given) - tested, "patient", "patients")
        problems.append(f"{rest} beside the test can't fill {folds} folds")
    if problems:
        raise DataSplitError(*problems)
    if not is_folded:
        return SplitPlan("held_out", {name: Place(split) for name, split in given.items()})
    turns = _turns("cross_fit", folds)
    assignment = {
        name: Place(Split.TEST) if given[name] is Split.TEST else next(turns)
        for name in _shuffled(given, seed)
    }
    return SplitPlan("cross_fit", assignment)


def _turns(mode: Mode, folds: int) -> Iterator[Place]:
    while True:
        if mode == "cross_fit":
            yield from (Place(Split.TRAIN, fold) for fold in range(folds))
        else:
            yield from (Place(split) for split in _TURNS)


def _strata(
    patients: Mapping[str, Sequence[Reference]], stratify_by: Sequence[str]
) -> dict[tuple[str, ...], list[str]]:
    strata: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, rows in patients.items():
        attributes = (rows[0].attributes.get(attribute, "") for attribute in stratify_by)
        states = (_state(rows, label) for label in sorted({k for row in rows for k in row.labels}))
        strata[(*attributes, *states)].append(name)
    return dict(strata)


def _state(rows: Sequence[Reference], label: str) -> str:
    known = [truth for row in rows for key, truth in row.labels.items() if key == label]
    if any(known):
        return "1"
    return "0" if False in known else ""


def _shuffled(names: Iterable[str], seed: int) -> list[str]:
    def place(name: str) -> str:
        return hashlib.sha256(f"medrec-splits-{seed}:{name}".encode()).hexdigest()

    return sorted(names, key=place)
