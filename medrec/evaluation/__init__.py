"""Predictions against truth, each figure with its interval."""
