"""Language: masked modelling and GLUE."""
