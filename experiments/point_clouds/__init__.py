"""Shapes as clouds of points: ModelNet40 and synthetic ones."""
