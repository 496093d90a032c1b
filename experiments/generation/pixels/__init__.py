"""Images, pixel by pixel."""
