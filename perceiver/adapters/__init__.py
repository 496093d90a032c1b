"""Input adapters: from raw examples to the inputs of a Perceiver."""
