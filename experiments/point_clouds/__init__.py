"""Shapes as clouds of points: ModelNet40, and shapes made when needed."""
