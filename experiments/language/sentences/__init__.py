"""Sentences with human ratings, learned by the code of GLUE."""
