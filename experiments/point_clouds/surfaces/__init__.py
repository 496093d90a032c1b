"""Autoencoding of surfaces: points on them in, distances from them out."""
