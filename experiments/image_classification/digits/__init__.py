"""Handwritten digits: small, real, and at hand without a download."""
