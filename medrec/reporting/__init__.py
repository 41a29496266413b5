"""Predictions and evaluations as pages that a person wants to read."""
