"""Schemas of everything that a person writes in YAML: data only, defaults only here."""
