"""Logits to probabilities, and thresholds: fitted on patients that nothing else saw."""
