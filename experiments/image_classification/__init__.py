"""Classifying images: the task that several experiments share."""
