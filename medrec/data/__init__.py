"""Manifests, splits, leakage and the datasets that training reads."""
