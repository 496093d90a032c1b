"""Texts as ids: tokenizers, corpora, and which words are masked."""
