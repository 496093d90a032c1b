"""Handwritten digits: a small real data set that needs no download."""
