"""Using trained models on files of one's own."""
