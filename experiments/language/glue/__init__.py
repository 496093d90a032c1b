"""GLUE: nine tasks about English sentences, one model for each or for all."""
