"""The tables of both papers."""
