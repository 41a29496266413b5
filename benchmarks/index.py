"""How fast a folder is indexed, against pydicom and against reading; and how much memory it takes.

Files are made up: MR slices with 100 elements in their header, in folders of one series each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import dcmread
from pydicom.datadict import add_private_dict_entries
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from medrec.domain.ids import PatientKey
from medrec.io.index import open_index

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = "1.2.826.0.1.3680043.8.498"
SLICES, SERIES = 100, 5
HEAD_BYTES = 4096
MOST_MIB, MOST_GROWTH = 300, 1.15
# What a scanner writes beside what medrec reads; 90 elements in all, as in a plain MR header.
TEXTS = {
    "InstanceCreationDate": "20260102", "InstanceCreationTime": "101112.130000",
    "StudyDate": "20260102", "SeriesDate": "20260102", "AcquisitionDate": "20260102",
    "ContentDate": "20260102", "StudyTime": "101112", "SeriesTime": "101213",
    "AcquisitionTime": "101314", "ContentTime": "101415", "AccessionNumber": "A0000000",
    "InstitutionName": "Made up", "InstitutionAddress": "Nowhere 1, 00000 Made up",
    "ReferringPhysicianName": "Nobody^N", "StationName": "MR01", "StudyDescription": "MRI Head",
    "SeriesDescription": "T1 axial gd", "InstitutionalDepartmentName": "Radiology",
    "PerformingPhysicianName": "Nobody^N", "OperatorsName": "Nobody^N",
    "ManufacturerModelName": "Made up 3T", "PatientName": "Made^Up", "PatientBirthDate": "19700101",
    "PatientSex": "O", "PatientAge": "056Y", "PatientWeight": "70", "BodyPartExamined": "BRAIN",
    "ScanningSequence": "SE", "SequenceVariant": "SK", "ScanOptions": "FS",
    "MRAcquisitionType": "2D", "SequenceName": "*se2d1", "AngioFlag": "N", "SliceThickness": "5",
    "RepetitionTime": "500", "EchoTime": "12", "NumberOfAverages": "1",
    "ImagingFrequency": "123.2", "ImagedNucleus": "1H", "EchoNumbers": "1",
    "MagneticFieldStrength": "3", "SpacingBetweenSlices": "6", "NumberOfPhaseEncodingSteps": "230",
    "EchoTrainLength": "1", "PercentSampling": "90", "PercentPhaseFieldOfView": "90",
    "PixelBandwidth": "130", "DeviceSerialNumber": "00000", "SoftwareVersions": "made up 1",
    "ProtocolName": "t1_se_tra", "TransmitCoilName": "Body", "InPlanePhaseEncodingDirection": "ROW",
    "FlipAngle": "90", "VariableFlipAngleFlag": "N", "SAR": "0.5", "dBdt": "0",
    "PatientPosition": "HFS", "StudyID": "1", "SeriesNumber": "3", "AcquisitionNumber": "1",
    "PositionReferenceIndicator": "", "SliceLocation": "0", "WindowCenter": "500",
    "WindowWidth": "1000", "WindowCenterWidthExplanation": "Algo1", "RescaleIntercept": "0",
    "RescaleSlope": "1", "RescaleType": "US", "PerformedProcedureStepStartDate": "20260102",
    "PerformedProcedureStepStartTime": "101112", "PerformedProcedureStepID": "P1",
    "PerformedProcedureStepDescription": "MRI Head", "RequestedProcedureDescription": "MRI Head",
}  # fmt: skip


def template(side: int) -> bytes:
    """One slice as a file, with marks of fixed width where files differ."""
    add_private_dict_entries("MADE UP", {0x00191008: ("LO", "1", "Made up")})
    image = FileDataset(None, {}, preamble=bytes(128))
    for keyword, text in TEXTS.items():
        setattr(image, keyword, text)
    image.update(_described())
    block = image.private_block(0x0019, "MADE UP", create=True)
    for offset in range(8, 14):
        block.add_new(offset, "LO", f"made up {offset}")
    image.ReferencedImageSequence = [Dataset(), Dataset()]
    image.SmallestImagePixelValue, image.LargestImagePixelValue = 0, 4095
    image["SmallestImagePixelValue"].VR = image["LargestImagePixelValue"].VR = "US"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = side
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = bytes(2 * side * side)
    image["PixelData"].VR = "OW"
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = MRImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    stream = DicomBytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _described() -> Dataset:
    image = Dataset()
    image.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    image.SOPClassUID = MRImageStorage
    image.SOPInstanceUID = f"{ROOT}.3.70000001"
    image.SeriesInstanceUID = f"{ROOT}.2.70000002"
    image.StudyInstanceUID = f"{ROOT}.1.70000003"
    image.FrameOfReferenceUID = f"{ROOT}.4.70000003"
    image.Modality, image.Manufacturer = "MR", "MADE UP"
    image.PatientID = "P70000003"
    image.InstanceNumber = "70000004"
    image.ImagePositionPatient = ["-110.5", "-120.25", "-99999.5"]
    image.ImageOrientationPatient = ["1", "0", "0", "0", "0.99", "-0.141"]
    image.PixelSpacing = ["0.4492", "0.4492"]
    image.AcquisitionMatrix = [256, 0, 0, 230]
    return image


def make_tree(folder: Path, count: int, *, side: int) -> list[Path]:
    """Write `count` slices of `side` by `side` pixels, as folders of studies and of series."""
    whole, paths = template(side), []
    for number in range(count):
        series, place = divmod(number, SLICES)
        study = series // SERIES
        content = (
            whole.replace(b"70000001", b"%d" % (10_000_000 + number))
            .replace(b"70000002", b"%d" % (10_000_000 + series))
            .replace(b"70000003", b"%d" % (10_000_000 + study))
            .replace(b"70000004", b"%08d" % (place + 1))
            .replace(b"-99999.5", b"%8.1f" % (5.5 * place))
        )
        path = folder / f"study{study:04d}" / f"series{series % SERIES}" / f"IM{place:04d}"
        if not place:
            path.parent.mkdir(parents=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall time of a call, and the time that all cores worked for it."""
    before, started = os.times(), time.perf_counter()
    work()
    wall_s, after = time.perf_counter() - started, os.times()
    return wall_s, sum(after[:4]) - sum(before[:4])


def index(folder: Path) -> None:
    """What `medrec inspect` does with headers: find, read and group them, and hand cases out."""
    with open_index(folder, patient_key=PatientKey) as found:
        images = sum(len(series.headers) for case in found.cases for series in case.series)
    print(f"medrec found {len(found.cases)} studies of {images} images")


def read_heads(paths: list[Path]) -> None:
    """Read the first bytes of every file, and nothing else."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            file.read(HEAD_BYTES)


def measure_speed(count: int, side: int) -> None:
    """Print headers a second, each after one reading that fills the file cache."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make_tree(Path(folder), count, side=side)
        read_heads(paths)
        times = {
            "reading 4 kB": seconds(lambda: read_heads(paths)),
            "pydicom": seconds(lambda: [dcmread(path, stop_before_pixels=True) for path in paths]),
            "medrec": seconds(lambda: index(Path(folder))),
        }
    for name, (wall_s, work_s) in times.items():
        work_us = 1e6 * work_s / count
        print(f"{name:13} {count / wall_s:8.0f} files a second, {work_us:6.0f} us of work a file")
    ours_s, pydicom_s, raw_s = (times[name][0] for name in ("medrec", "pydicom", "reading 4 kB"))
    print(f"medrec is {pydicom_s / ours_s:.1f} times as fast as pydicom's loop,")
    print(f"and takes {ours_s / raw_s:.1f} times as long as reading 4 kB of each file")


def peak_mib(folder: Path) -> float:
    """Peak resident memory of `medrec inspect` on a folder, of its processes the largest one."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    command = [sys.executable, "-c", code, sys.executable, "-m", "medrec", "inspect", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return int(done.stdout) / (1024 if sys.platform != "darwin" else 1024**2)


def measure_memory(counts: list[int]) -> bool:
    """Print peaks for folders of so many files; tell whether the limits are kept."""
    peaks = []
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            make_tree(Path(folder), count, side=4)
            peaks.append(peak_mib(Path(folder)))
        print(f"{count:7} files: peak {peaks[-1]:.0f} MiB")
    growth = peaks[-1] / peaks[0]
    print(f"{growth:.3f} times as much for {counts[-1] / counts[0]:.0f} times the files")
    return growth <= MOST_GROWTH and max(peaks) <= MOST_MIB


def main() -> None:
    """Print rates and ratios, or peaks; exit 1 if a limit of memory is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=64, help="rows and columns of a slice")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of speed")
    asked = parser.parse_args()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, {memory_gib:.0f} GiB of memory, load {load:.1f} at the start")
    if asked.memory:
        sys.exit(not measure_memory([10_000, 100_000]))
    measure_speed(asked.files, asked.side)


if __name__ == "__main__":
    main()
