"""The audit of a training run: before it learns, what it may have seen of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medrec.config.audit import AuditConfig
from medrec.data.audit import Pictures, audit_pictures, describe_pictures
from medrec.data.audit_report import AuditReport
from medrec.data.contact_sheet import write_contact_sheet
from medrec.data.quality import find_data_problems, read_sizes
from medrec.data.splits import SplitPlan
from medrec.domain.counting import counted
from medrec.domain.reference import Reference
from medrec.errors import DataSplitError, ManifestError
from medrec.workflows.output import writing

if TYPE_CHECKING:
    from medrec.data.cache import PictureCache
    from medrec.data.dataset import SliceDataset
    from medrec.data.volumes import VolumeDataset

REPORT = "audit.json"
CANDIDATES = "audit-candidates.png"
_LEAKS = "problem that leaks", "problems that leak"


def audit_run(
    slices: SliceDataset | VolumeDataset,
    references: Sequence[Reference],
    plan: SplitPlan,
    *,
    config: AuditConfig | None,
    root: Path,
    out: Path,
) -> AuditReport:
    """Audit prepared pictures; write audit.json and the contact sheet.

    Args:
        slices: What the network will see; one picture is read at a time, of a volume its middle.
        references: The rows of the manifest, by whose numbers pictures are called.
        plan: Who trains and who is tested.
        config: What may be overruled; None nothing.
        root: The folder that the rows' paths start from.
        out: The run's folder.

    Raises:
        OutputError: The folder can't be written.
    """
    asked, name = config or AuditConfig(), namer(references)
    pictures = describe_pictures(
        each_picture(slices),
        slices.references,
        digests=slices.digests(),
        names=[name(row) for row in slices.references],
        sizes=read_sizes(slices.references, root),
    )
    labels = [str(label) for label in slices.labels]
    report = audit_pictures(pictures, labels, plan=plan, allow=asked.allow, without=asked.without)
    write_audit(out, report, pictures)
    return report


def check_data(
    references: Sequence[Reference],
    *,
    root: Path,
    labels: Sequence[str],
    where: str,
    plan: Callable[[], SplitPlan],
    cache: PictureCache | None = None,
) -> SplitPlan:
    """Plan the splits of data that can be trained on.

    Raises:
        ManifestError: All that is wrong with the data, with the disk of its cache and with a frozen
            split, at once.
        DataSplitError: The splits alone are wrong.
    """
    problems = find_data_problems(references, root=root, labels=labels)
    paths = [row.path for row in references]
    if cache and (too_little := cache.disk_problem(paths, root=root)):
        problems.append(too_little)
    try:
        planned = plan()
    except DataSplitError as error:
        if not problems:
            raise
        problems += [one for one in error.problems if one not in problems]
    except ManifestError as error:
        if not problems:
            raise
        problems += error.problems
    if problems:
        raise ManifestError(where, problems)
    return planned


def refuse_blocking(report: AuditReport, out: Path) -> None:
    """Stop where patients or pictures stand on both sides of a split and nobody overruled it.

    Raises:
        DataSplitError: Each problem, and the way out.
    """
    if report.blocking:
        raise DataSplitError(say_blocking(report, out))


def write_audit(out: Path, report: AuditReport, pictures: Pictures) -> None:
    """Write audit.json and, where there are pairs to look at, the contact sheet.

    Raises:
        OutputError: The folder can't be written.
    """
    text = json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n"
    pairs = [*report.near.confirmed, *report.near.unconfirmed]
    with writing(out):
        part = out / f"{REPORT}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(out / REPORT)
        (out / CANDIDATES).unlink(missing_ok=True)
        if pairs:
            write_contact_sheet(out / CANDIDATES, pictures.thumbnails, pairs, pictures.names)


def say_blocking(report: AuditReport, out: Path) -> str:
    """The message that stops a training: each problem, and how a person overrules it."""
    kinds = sorted({problem.kind for problem in report.blocking})
    pairs = f"; the pairs are in {out / CANDIDATES}" if "near_duplicates" in kinds else ""
    texts = "\n".join(f"  - {problem.text}" for problem in report.blocking)
    return (
        f"the audit found {counted(len(report.blocking), *_LEAKS)} the test{pairs}\n{texts}\n"
        f"To train all the same: audit: {{allow: [{', '.join(kinds)}]}} in the config, and the "
        "card will say so"
    )


def namer(rows: Sequence[Reference]) -> Callable[[Reference], str]:
    """What to call pictures: the number of their manifest row, with the slice where it has none."""
    numbers: dict[tuple[str, int | None], int] = {}
    for number, row in enumerate(rows, start=1):
        numbers.setdefault((row.path, row.slice), number)

    def name(row: Reference) -> str:
        number = numbers.get((row.path, row.slice))
        if number is not None:
            return str(number)
        return f"{numbers.get((row.path, None), '?')}, slice {row.slice}"

    return name


def each_picture(slices: SliceDataset | VolumeDataset) -> Iterator[NDArray[np.float32]]:
    """One prepared picture (height, width) after the other."""
    for row in range(len(slices)):
        yield slices.picture(row).float().numpy()
