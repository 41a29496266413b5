"""Read an archive's fingerprint: all headers, the pixels of a seeded sample, the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from medrec.config.model import ModelConfig, NoWeights, VolumeConfig
from medrec.data.box_facts import BoxFacts, box_facts
from medrec.data.boxes import Boxes, boxes_of_rows
from medrec.data.fingerprint import Fingerprint, Machine, Scans, Truth, scans_of, truth_of
from medrec.data.lesions import sides_in_mask
from medrec.data.pixel_facts import PixelFacts, look_at, pixels_of
from medrec.data.splits import SplitPlan
from medrec.data.spread import Spread
from medrec.domain.box import ImageSize
from medrec.domain.ids import PatientKey
from medrec.domain.reference import Reference, Split
from medrec.domain.series import ImageHeader
from medrec.errors import ManifestError, ScanError
from medrec.io.discover import FoundFile
from medrec.io.header import read_header
from medrec.io.image_size import known_image_size
from medrec.io.index import index_scans
from medrec.io.loading import load_file, load_mask
from medrec.training.build import build_network
from medrec.training.detector_sight import may_be_solid
from medrec.training.plan_network import ARCHITECTURE_3D, BACKBONE, PACKAGE
from medrec.training.seen import may_be_3d
from medrec.training.speed import measure_speed
from medrec.workflows.detector_speeds import read_detector_speeds

MEASURED_PX = 192
_GB = 1024**3


def has_weights() -> bool:
    """Whether the package with ImageNet weights is installed."""
    return find_spec(PACKAGE) is not None


def has_torchio() -> bool:
    """Whether artefacts of MRI can be made."""
    return find_spec("torchio") is not None


def read_headers(
    references: Sequence[Reference], root: Path
) -> tuple[list[list[ImageHeader]], list[str]]:
    """The headers of each scan that the rows name, and what is wrong with the others."""
    scans: list[list[ImageHeader]] = []
    problems: list[str] = []
    for path in dict.fromkeys(row.path for row in references):
        if not (root / path).exists():
            problems.append(f"{path}: no such file or folder below {root}")
            continue
        try:
            scans.append(_headers(root / path))
        except ScanError as error:
            problems.append(f"{path}: {error}")
    for kind, names in (("mask", {row.mask for row in references}),
                        ("boxes", {row.boxes for row in references})):  # fmt: skip
        absent = sorted(name for name in names if name and not (root / name).is_file())
        problems += [f"{name}: no such {kind} file below {root}" for name in absent]
    return scans, problems


def _headers(path: Path) -> list[ImageHeader]:
    if not path.is_dir():
        return [read_header(FoundFile(path=path, source=path.name))]
    series = [
        one for case in index_scans(path, patient_key=PatientKey).cases for one in case.series
    ]
    return list(max(series, key=lambda one: len(one.headers)).headers) if series else []


def read_fingerprint(  # noqa: PLR0913
    references: Sequence[Reference],
    *,
    plan: SplitPlan,
    scans: Sequence[Sequence[ImageHeader]],
    root: Path,
    device: str,
    budget_minutes: float,
    sample: int,
    seed: int,
    boxes: Sequence[Boxes | None] | None = None,
) -> Fingerprint:
    """Look at pixels of patients who are not tested, and at the machine.

    `boxes` are those of each row, where a detector is asked for.

    Raises:
        ManifestError: Scans of the sample that can't be decoded; all of them.
    """
    learned = plan.rows_of(references, Split.TRAIN)
    seen = [row for row in references if plan.place_of(row).split is not Split.TEST]
    paths = list(dict.fromkeys(row.path for row in seen))
    order = np.random.default_rng(seed).permutation(len(paths))[:sample]
    drawn = {paths[n] for n in order}
    facts, sides = _decode([row for row in seen if row.path in drawn], root)
    truth = truth_of(references, mode=plan.mode, learned_rows=len(learned))
    sums = scans_of([headers for headers in scans if headers])
    if boxes is None:
        machine, found = _machine_for_classifiers(device, truth, sums), None
    else:
        truth = replace(truth, exclusive=())  # each box has a label that stands alone
        are_deep = may_be_solid(truth, sums)
        found = _box_facts(references, boxes, plan, root, are_deep=are_deep)
        machine = _machine_for_detectors(device, is_solid=found.is_solid and are_deep)
    return Fingerprint(
        truth=truth,
        scans=sums,
        pixels=pixels_of(facts),
        lesions_px=Spread.of(sides),
        machine=machine,
        budget_minutes=budget_minutes,
        boxes=found,
    )


def _machine_for_classifiers(device: str, truth: Truth, scans: Scans) -> Machine:
    machine = read_machine(device, label_count=max(1, len(truth.labels)))
    if may_be_3d(truth, scans):
        machine = replace(machine, volumes_per_second=_volumes_per_second(machine, device))
    return machine


def _machine_for_detectors(device: str, *, is_solid: bool) -> Machine:
    machine = _describe(device, speed=0.0)
    speeds = read_detector_speeds(
        device, size_px=machine.measured_px, box=machine.measured_box, is_solid=is_solid
    )
    return replace(machine, detectors=speeds, pictures_per_second=speeds.retina_8)


def _box_facts(
    references: Sequence[Reference],
    boxes: Sequence[Boxes | None],
    plan: SplitPlan,
    root: Path,
    *,
    are_deep: bool,
) -> BoxFacts:
    sizes = {row.path: known_image_size(root / row.path) for row in references}

    def size_of(path: str) -> ImageSize:
        size = sizes[path]
        assert size is not None  # noqa: S101 (its header was read before)
        return size

    facts = partial(box_facts, references, boxes, plan=plan, size_of=size_of)
    found = facts(are_slices=True)
    return facts(are_slices=False) if are_deep and found.is_solid else found


def _decode(rows: Sequence[Reference], root: Path) -> tuple[list[PixelFacts], list[float]]:
    facts: list[PixelFacts] = []
    sides: list[float] = []
    problems: list[str] = []
    for path, row in {row.path: row for row in rows}.items():
        try:
            volume = load_file(root / path)
            facts += [seen] if (seen := look_at(volume)) else []
            if row.mask:
                mask, _ = load_mask(root / row.mask)
                sides += sides_in_mask(mask, slice_axis=volume.slice_axis)
        except (ScanError, ValueError) as error:
            problems.append(f"{path}: {error}")
    try:
        sides += _sides([row for row in rows if row.boxes and not row.mask], root)
    except ManifestError as error:
        problems += error.problems
    if problems or not facts:
        raise ManifestError(str(root), problems or ["no scan of the sample shows more than air"])
    return facts, sides


def _sides(rows: Sequence[Reference], root: Path) -> list[float]:
    """Sides of squares as large as the boxes of rows, each box once."""
    found = {
        (row.path, one.box)
        for row, own in zip(rows, boxes_of_rows(rows, root=root), strict=True)
        for one in own or ()
    }
    return [(box.sides[0] * box.sides[1]) ** 0.5 for _, box in sorted(found, key=str)]


def read_machine(device: str, *, label_count: int) -> Machine:
    """Memory, cores, and the speed of the usual backbone."""
    network = build_network(
        ModelConfig(backbone=BACKBONE, weights=NoWeights()),
        label_count=label_count,
        size_px=MEASURED_PX,
        seed=1,
    )
    speed = measure_speed(network, size_px=MEASURED_PX, label_count=label_count, device=device)
    return _describe(device, speed=speed)


def _describe(device: str, *, speed: float) -> Machine:
    import torch  # slow to load: only who measures pays

    is_gpu = device.startswith("cuda")
    memory = torch.cuda.mem_get_info(device)[0] if is_gpu else _free_memory()
    return Machine(
        device=device,
        memory_gb=round(memory / _GB, 1),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        has_bf16=is_gpu and torch.cuda.is_bf16_supported(),
        pictures_per_second=round(speed, 2),
        measured_px=MEASURED_PX,
        measured_backbone=BACKBONE,
    )


def _volumes_per_second(machine: Machine, device: str) -> float:
    depth, size, _ = machine.measured_box
    model = VolumeConfig(kind="classifier_3d", architecture=ARCHITECTURE_3D)
    network = build_network(model, label_count=1, size_px=size, seed=1)
    speed = measure_speed(
        network, size_px=size, depth=depth, label_count=1, device=device, batch_size=2
    )
    return round(speed, 3)


def _free_memory() -> int:
    """Bytes that a program can have: what caches of files hold counts as free, where it is told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        told = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(told.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return _idle_memory()


def _idle_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 8 * _GB
