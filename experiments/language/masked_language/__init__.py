"""Masked language modelling: guessing the words that are hidden in a text."""
