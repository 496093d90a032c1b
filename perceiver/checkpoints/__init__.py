"""Reading and writing checkpoints: ours and other projects'."""
