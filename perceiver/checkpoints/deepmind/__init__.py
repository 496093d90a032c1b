"""DeepMind's released checkpoints."""
