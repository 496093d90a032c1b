"""Everything that trains and evaluates the models in `perceiver`."""
