"""The model package: where preprocessing, network, calibrators and contract meet."""
