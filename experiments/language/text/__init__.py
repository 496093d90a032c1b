"""Texts as ids: tokenizers, corpora and masking."""
