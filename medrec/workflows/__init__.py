"""The verbs of medrec, each readable from top to bottom in one go."""
