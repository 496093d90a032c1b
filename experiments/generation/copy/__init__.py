"""The copy task of Perceiver AR."""
