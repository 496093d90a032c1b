"""Attention: of latents to inputs, of latents to latents, of queries."""
