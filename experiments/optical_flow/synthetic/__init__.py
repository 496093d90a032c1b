"""Synthetic image pairs with known flow."""
