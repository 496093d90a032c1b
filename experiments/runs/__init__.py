"""A run's folder: log, provenance, plots."""
