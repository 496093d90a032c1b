"""Training: task, trainer, loop, state, evaluation."""
