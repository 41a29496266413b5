"""Volumes to network inputs and back: the only place that names monai.transforms."""
