"""DICOM series with segmentations, made up for tests."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from dicom_factory import ROOT, a_stack, save, save_stack
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

VOXELS = np.arange(16 * 12 * 5, dtype=np.int16).reshape(16, 12, 5)


def two_series(folder, *, studies=(1, 1), patients=("PLANTED-1", "PLANTED-1")):
    """Two series with a segmentation each: a/series and b/series."""
    for number, (study, patient) in enumerate(zip(studies, patients, strict=True), 1):
        images = a_stack(VOXELS, PatientID=patient, StudyInstanceUID=f"{ROOT}.1.{study}",
                         SeriesInstanceUID=f"{ROOT}.2.{number}")  # fmt: skip
        for image in images:
            image.SOPInstanceUID = f"{image.SOPInstanceUID}.{number}"
            image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        name = " ab"[number]
        save_stack(images, folder / name / "series")
        mask = np.zeros((5, 12, 16), dtype=np.uint8)
        mask[1:3, 2:4, 3:7] = 1
        save(a_segmentation(images, mask), folder / name / "seg.dcm")
    return folder


def a_segmentation(images, mask):
    for image in images:  # what a segmentation copies from its images
        for name in ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
                     "AccessionNumber", "StudyID", "ReferringPhysicianName",
                     "PositionReferenceIndicator"):  # fmt: skip
            if name not in image:
                setattr(image, name, "")
        if "FrameOfReferenceUID" not in image:
            image.FrameOfReferenceUID = "1.2.3"
    description = hd.seg.SegmentDescription(
        segment_number=1, segment_label="glioma",
        segmented_property_category=codes.cid7150.Tissue,
        segmented_property_type=codes.cid7166.ConnectiveTissue,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )  # fmt: skip
    return hd.seg.Segmentation(
        source_images=images, pixel_array=mask,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description], series_instance_uid=generate_uid(), series_number=2,
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer="x",
        manufacturer_model_name="x", software_versions="1", device_serial_number="1",
    )  # fmt: skip
