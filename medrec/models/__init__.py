"""Networks: they return logits, never probabilities."""
