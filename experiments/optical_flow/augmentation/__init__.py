"""Augmentation of image pairs with known flow."""
