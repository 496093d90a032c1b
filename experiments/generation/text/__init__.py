"""Bytes of texts."""
