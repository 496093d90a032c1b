"""Folk tunes in ABC notation."""
