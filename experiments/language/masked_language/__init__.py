"""Masked language modelling: predicting masked words of a text."""
