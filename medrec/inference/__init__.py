"""A case in, a prediction out: gate, predictor, explanation, engine."""
