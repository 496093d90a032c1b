"""The published models, one file per domain."""
