"""Readers and loaders of data that several experiments share."""
