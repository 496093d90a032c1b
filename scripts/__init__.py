"""Commands for work on the project itself."""
