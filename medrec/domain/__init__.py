"""The nouns of screening: frozen, on the standard library and numpy, valid or not made at all."""
