"""Pickles of arrays, read without running code."""
