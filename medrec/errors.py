"""Every error that medrec raises on purpose.

MedrecError                 exit code 1, one message, no traceback
├── InputError              a file or value from outside is wrong; lists all its problems
│   ├── ConfigError         a YAML config
│   ├── ManifestError       a manifest, boxes or splits file
│   └── PredictionsError    a predictions journal
├── DataSplitError          patients or pixels shared between splits
├── PackageError            a model package that is foreign, changed or incomplete
├── WeightsError            pretrained weights that are missing, changed or of another shape
├── CalibrationError        too little or unfit data to calibrate on
├── PlantingError           a scan into which no lesion can be planted
├── OutputError             the output folder can't be used
├── UsageError              exit code 2: an option's value that means nothing
└── ScanError               one scan can't be judged: becomes a row in files.csv, never stops a run
    ├── RefusedScanError    the input is at fault
    ├── SkippedFileError    not meant for screening: junk, a localizer, a report object
    └── FailedScanError     we or the machine are at fault: worth another try
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class MedrecError(Exception):
    """Base of all errors that a user of medrec may see."""


class InputError(MedrecError):
    """A file from outside is wrong.

    Args:
        where: The file, named as the user named it.
        problems: Every problem found, each saying what was wrong, what was wanted and what to do.
    """

    def __init__(self, where: str, problems: Iterable[str]) -> None:
        self.where = where
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{where}: {count} problem{'s' if count != 1 else ''}\n{lines}")


class ConfigError(InputError):
    """A config that can't be used."""


class ManifestError(InputError):
    """A manifest, boxes or splits file that can't be used."""


class PredictionsError(InputError):
    """A predictions journal that can't be read."""


class DataSplitError(MedrecError):
    """Splits that share patients or pixels, or that can't be made from so few patients."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class TrainingError(MedrecError):
    """A fit that can't go on: no finite gradient, too little memory, settings the device lacks."""


class PackageError(MedrecError):
    """A model package that is foreign, changed or incomplete."""


class WeightsError(MedrecError):
    """Pretrained weights that are missing, changed or of another shape."""


class CalibrationError(MedrecError):
    """Data that a calibrator or an operating point can't be fitted on."""


class PlantingError(MedrecError):
    """A scan, or a place in it, into which no lesion can be planted: no chest, no contrast."""


class UsageError(MedrecError):
    """An option with a value that means nothing."""


class OutputError(MedrecError):
    """An output folder that is in use or can't be written."""


class ScanError(MedrecError):
    """One scan can't be judged.

    Args:
        code: A `medrec.domain.codes.ReasonCode` (a string, since errors know no domain).
        detail: The evidence, in words, without names or identifiers of patients.
        source: The file of a series that is at fault; empty where there is but one. A path may hold
            a name, so that it stands apart from the detail, which reports show.
    """

    def __init__(self, code: str, detail: str, *, source: str = "") -> None:
        self.code = code
        self.detail = detail
        self.source = source
        super().__init__(f"{code}: {source}: {detail}" if source else f"{code}: {detail}")


class RefusedScanError(ScanError):
    """The input is at fault."""


class SkippedFileError(ScanError):
    """The file is not meant for screening."""


class FailedScanError(ScanError):
    """We or the machine are at fault; the case may be tried again."""
