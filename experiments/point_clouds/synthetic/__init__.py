"""Synthetic shapes."""
