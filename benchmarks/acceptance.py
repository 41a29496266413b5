r"""Does an acceptance test call spoiled films as at home? Each spoil against the truth.

    OMP_NUM_THREADS=1 python benchmarks/acceptance.py --model xray-chest-nodule --films FILMS \
        --splits configs/splits/xray-chest-nodule.csv --out OUT

FILMS holds cases.csv (image, patient, view, use) and the films that it names; those with use
`plant` of the split's test patients are taken, one half of the patients for the home figures, the
other for the test. Of these, --scans films are tested with another seed: as they are, and each
spoiled in one way, as an apparatus or a chain between it and medrec might.

The truth of a spoil: lesions are planted into all films of that half first, the planted films are
spoiled, and what the model then finds is held against what it finds of the same lesions without the
spoil. A lesion that was cut off with a part of the film is missed. The acceptance test never sees
that: it plants into films that are spoiled already.

Printed is, for each spoil and each of the three lines of sensitivity, the true loss, the loss that
the test reports, and its verdict. It exits with 1 where a true loss above 0.10 was called
as_at_home. Seconds a screened film stand at the end.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
from scipy import ndimage

import medrec
from medrec.data.table import read_table
from medrec.domain.box import Box
from medrec.domain.finding import Label
from medrec.domain.modality import FileFormat
from medrec.domain.series import Series
from medrec.evaluation.loss import BEARABLE, Verdict
from medrec.evaluation.trials import GROUPS, trials_of
from medrec.package.package import open_package
from medrec.package.store import find_model
from medrec.reporting.acceptance_pictures import MissedLesions
from medrec.workflows.acceptance import build_bench
from medrec.workflows.acceptance_grounds import find_ground
from medrec.workflows.acceptance_outcome import Asked
from medrec.workflows.acceptance_recipe import plan_lesions
from medrec.workflows.acceptance_scans import open_site
from medrec.workflows.acceptance_trial import try_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from medrec.domain.volume import Volume
    from medrec.evaluation.acceptance import AcceptanceResult
    from medrec.evaluation.trials import TriedLesion
    from medrec.lesions.grid import Cell
    from medrec.workflows.acceptance_grounds import Ground, PlantedScan
    from medrec.workflows.acceptance_recipe import Planned

    Pixels = NDArray[np.uint8]

HOME_SEED, SITE_SEED, TRUTH_SEED = 1, 2, 3
ROOT = "1.2.826.0.1.3680043.8.498.1"


@dataclass(frozen=True)
class Spoil:
    """What is done to a film (H, W), and where a box of the film lies in it afterwards."""

    change: Callable[[Pixels], Pixels]
    place: Callable[[Box, int], Box] = lambda box, _: box
    is_dicom: bool = False


def gamma(film: Pixels) -> Pixels:
    """A display curve that flattens what is dark."""
    return np.round(255 * (film / 255.0) ** 2).astype(np.uint8)


def blur(film: Pixels) -> Pixels:
    """Lost sharpness."""
    return np.round(ndimage.gaussian_filter(film.astype(float), 2.0)).astype(np.uint8)


def halve(film: Pixels) -> Pixels:
    """Half the resolution, and back."""
    picture = Image.fromarray(film)
    small = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
    return np.asarray(small.resize(picture.size, Image.Resampling.BILINEAR))


def coarsen(film: Pixels) -> Pixels:
    """Five bits of eight."""
    return (film >> 3) << 3


def saturate(film: Pixels) -> Pixels:
    """Black and white where a tenth of the film was darkest and brightest."""
    low, high = np.quantile(film, (0.1, 0.9))
    return np.round(255 * np.clip((film - low) / max(high - low, 1), 0, 1)).astype(np.uint8)


def mirror(film: Pixels) -> Pixels:
    """Left and right exchanged."""
    return np.ascontiguousarray(film[:, ::-1])


def crop(film: Pixels) -> Pixels:
    """The lower third cut off."""
    return film[: round(film.shape[0] * 2 / 3)]


def mirrored(box: Box, width: int) -> Box:
    """A box of a mirrored film."""
    return Box(width - box.x1, box.y0, width - box.x0, box.y1)


SPOILS = {
    "untouched": Spoil(lambda film: film),
    "gamma 2": Spoil(gamma),
    "blur": Spoil(blur),
    "half resolution": Spoil(halve),
    "5 bits": Spoil(coarsen),
    "saturated": Spoil(saturate),
    "mirrored": Spoil(mirror, mirrored),
    "lower third cut": Spoil(crop),
    "inverted, tag left": Spoil(lambda film: 255 - film, is_dicom=True),
}


@dataclass(frozen=True)
class Film:
    """One film of the archive."""

    path: Path
    patient: str
    view: str

    def read(self) -> Pixels:
        """Its grey values (H, W)."""
        return np.asarray(Image.open(self.path).convert("L"))


@dataclass(frozen=True)
class SpoiledGround:
    """Plants into a film as it was, and spoils what comes of it."""

    ground: Ground
    series: Series
    spoil: Spoil

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (all else is the film's)
        return getattr(self.ground, name)

    def plant(self, cell: Cell, rng: np.random.Generator, folder: Path) -> PlantedScan:
        """One lesion, then the spoil."""
        planted = self.ground.plant(cell, rng, folder)
        film = np.asarray(Image.open(planted.series.first.path))
        path = save(folder, "spoiled", self.spoil.change(film), self.spoil)
        header = replace(self.series.first, path=path, stamp=None)
        box = self.spoil.place(planted.box, film.shape[1])
        return replace(planted, series=Series((header,)), box=box)


def save(folder: Path, name: str, film: Pixels, spoil: Spoil) -> Path:
    """Write a film as PNG, or as DICOM whose tags say nothing of what was done."""
    if spoil.is_dicom:
        path = folder / f"{name}.dcm"
        as_dicom(film, name).save_as(path, enforce_file_format=True)
        return path
    path = folder / f"{name}.png"
    Image.fromarray(film).save(path, compress_level=1)
    return path


def as_dicom(film: Pixels, name: str) -> FileDataset:
    """A film for presentation, dark to bright by its tag."""
    dataset = FileDataset(None, {}, preamble=bytes(128))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    number = sum(ord(letter) * 257**place for place, letter in enumerate(name)) % 10**20
    dataset.StudyInstanceUID = f"{ROOT}.1.{number}"
    dataset.SeriesInstanceUID = f"{ROOT}.2.{number}"
    dataset.SOPInstanceUID = f"{ROOT}.3.{number}"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Modality, dataset.BodyPartExamined = "DX", "CHEST"
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = film.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    data = film.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    return dataset


def halves(films: Path, splits: Path) -> tuple[list[Film], list[Film]]:
    """Films of the test patients, those of one half of the patients and of the other."""
    test = {row.cells["patient"] for row in read_table(splits).rows if row.cells["split"] == "test"}
    with (films / "cases.csv").open(encoding="utf-8", newline="") as file:
        found = [
            Film(films / row["image"], row["patient"], row["view"])
            for row in csv.DictReader(file)
            if row["use"] == "plant" and row["patient"] in test
        ]
    patients = np.random.default_rng(0).permutation(sorted({film.patient for film in found}))
    first = set(patients[: len(patients) // 2].tolist())
    return (
        [film for film in found if film.patient in first],
        [film for film in found if film.patient not in first],
    )


def write_site(folder: Path, films: Sequence[Film], spoil: Spoil) -> Path:
    """Write spoiled films and their manifest."""
    folder.mkdir(parents=True)
    rows = ["path,patient,view"]
    for film in films:
        path = save(folder, film.path.stem, spoil.change(film.read()), spoil)
        rows.append(f"{path.name},{film.patient},{film.view}")
    manifest = folder / "films.csv"
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return manifest


def hits_of(
    manifest: Path, films: Sequence[Film], spoil: Spoil, options: argparse.Namespace
) -> dict[tuple[str, int], TriedLesion]:
    """What is found of lesions that were planted before the spoil, by film and number."""
    package = open_package(find_model(options.model))
    planned = plan_lesions(package, options.recipe, like_home=False)
    originals = {film.path.stem: film for film in films}

    def find(series: Series, _: Volume, planned: Planned) -> SpoiledGround:
        film = originals[Path(series.first.source).stem]
        upright = replace(series.first, path=film.path, stamp=None, format=FileFormat.RASTER)
        ground = find_ground(Series((upright,)), _, planned)
        return SpoiledGround(ground, series, spoil)

    asked = Asked(package, planned, manifest.parent, options.truth_lesions, TRUTH_SEED,
                        require=False, home=None)  # fmt: skip
    found: dict[tuple[str, int], TriedLesion] = {}
    with (
        TemporaryDirectory() as folder,
        open_site(
            manifest, primary=Label(package.manifest.primary_label), hide_paths=False
        ) as site,
    ):
        bench = build_bench(asked, MissedLesions(), Path(folder), device="cpu")
        bench = replace(bench, find=find)
        names = sorted(originals)
        for case in site.index.cases:
            name = Path(case.source).stem
            for scan in site.scans_of(case, None):
                tried = try_scan(scan, bench, number=names.index(name))
                if tried.tested and not tried.unjudged:
                    trials = trials_of([tried.tested])
                    found |= {(name, place): one for place, (one, _) in enumerate(trials)}
    return found


def losses(
    before: dict[tuple[str, int], TriedLesion], after: dict[tuple[str, int], TriedLesion]
) -> dict[str, float]:
    """The true loss of sensitivity by group; a film that is refused now finds nothing."""
    found = {}
    for group in GROUPS:
        own = [key for key, one in before.items() if one.group == group]
        was = np.mean([before[key].is_hit for key in own])
        now = np.mean([key in after and after[key].is_hit for key in own])
        found[group] = float(was - now)
    return found


def show(name: str, truth: dict[str, float], result: AcceptanceResult) -> bool:
    """Print the lines of a spoil; whether one of them is wrongly called as at home."""
    is_wrong = False
    for line in result.lines[:3]:
        group = line.name.removeprefix("sensitivity_")
        wrong = truth[group] > BEARABLE and line.verdict is Verdict.AS_AT_HOME
        is_wrong |= wrong
        loss = line.loss
        reported = "-" if loss is None or loss.low is None else (
            f"{loss.value:+.2f} [{loss.low:+.2f}, {loss.high:+.2f}]"
        )  # fmt: skip
        print(
            f"{name:20} {group:7} {truth[group]:+8.2f}   {reported:24} {line.verdict or '':12}"
            f"{'WRONG' if wrong else ''}",
            flush=True,
        )
    others = ", ".join(f"{line.name} {line.verdict}" for line in result.lines[3:])
    unlike = ", ".join(result.unalike) or "nothing"
    print(f"{'':20} unlike home: {unlike}; {others}", flush=True)
    return is_wrong


def read_options() -> argparse.Namespace:
    """What the user asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder that isn't there yet")
    parser.add_argument("--recipe", type=Path, default=None)
    parser.add_argument("--scans", type=int, default=40)
    parser.add_argument("--lesions", type=int, default=12, help="a film, at home and at the site")
    parser.add_argument("--truth-lesions", type=int, default=6)
    parser.add_argument("--spoils", nargs="*", default=list(SPOILS), choices=list(SPOILS))
    return parser.parse_args()


def main() -> None:
    """Home, the site with each spoil, and the truth of each."""
    options, started = read_options(), time.monotonic()
    home, site = halves(options.films, options.splits)
    print(f"{len(home)} films of home, {len(site)} of the site, {options.scans} of them tested")
    screened = test_home(options, home)
    before = true_hits("untouched", site, options)
    order = np.random.default_rng(1).permutation(len(site))[: options.scans]
    tested = [site[place] for place in sorted(order.tolist())]
    print(f"\n{'spoil':20} {'line':7} {'true loss':>9}  {'reported loss':24} verdict")
    wrong = 0
    for name in options.spoils:
        result = test_site(name, tested, options)
        after = before if name == "untouched" else true_hits(name, site, options)
        screened += result.scans + result.lesions + len(after) + len(site)
        wrong += show(name, losses(before, after), result)
    seconds = time.monotonic() - started
    print(f"\n{screened} films were screened in {seconds:.0f} s, {seconds / screened:.2f} s each")
    print(f"{wrong} of {len(options.spoils)} spoils: a true loss above {BEARABLE} as_at_home")
    sys.exit(1 if wrong else 0)


def true_hits(
    name: str, site: Sequence[Film], options: argparse.Namespace
) -> dict[tuple[str, int], TriedLesion]:
    """What is found after a spoil of lesions that were planted before it."""
    folder = options.out / "truth" / name.replace(" ", "-").replace(",", "")
    return hits_of(write_site(folder, site, SPOILS[name]), site, SPOILS[name], options)


def test_site(name: str, films: Sequence[Film], options: argparse.Namespace) -> AcceptanceResult:
    """The acceptance test of films with a spoil."""
    folder = options.out / "site" / name.replace(" ", "-").replace(",", "")
    run = medrec.acceptance(
        write_site(folder / "films", films, SPOILS[name]),
        model=options.out / "model",
        out=folder / "test",
        lesions=options.lesions,
        seed=SITE_SEED,
    )
    return run.result


def test_home(options: argparse.Namespace, films: Sequence[Film]) -> int:
    """Make the package with home figures; how many films were screened for it."""
    run = medrec.acceptance(
        write_site(options.out / "home" / "films", films, SPOILS["untouched"]),
        model=options.model,
        out=options.out / "home" / "test",
        home=options.out / "model",
        recipe=options.recipe,
        lesions=options.lesions,
        seed=HOME_SEED,
    )
    for line in run.result.lines:
        print(f"home: {line.name} {line.here}")
    return run.result.scans + run.result.lesions


if __name__ == "__main__":
    main()
