"""Files in and out: the only place that knows DICOM, NIfTI, PNG and JPEG."""
