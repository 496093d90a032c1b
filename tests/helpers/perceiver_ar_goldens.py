"""Configurations, parameters and arrays of the released Perceiver AR."""

import json
import pathlib

import numpy as np

import perceiver
from perceiver import autoregressive
from perceiver import blocks
from perceiver import position_encoding
from perceiver.checkpoints.deepmind import files
from tests.helpers import fill

FOLDER = pathlib.Path(__file__).parents[1] / "goldens" / "perceiver_ar"
INDEX = json.loads((FOLDER / "index.json").read_text())
SALT = INDEX["salt"]


def arrays(name):
  """Returns the arrays of a file."""
  with np.load(FOLDER / f"{name}.npz") as file:
    return dict(file)


def relative_error(found, expected):
  """Returns the relative error in the L2 norm."""
  found, expected = np.float64(found), np.float64(expected)
  return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def config(name):
  """Returns the configuration of a file."""
  golden = INDEX["goldens"][name]
  settings = INDEX["base"] | golden["model"]
  channels = settings["num_z_channels"]
  by_query = settings["cross_attention_shape_for_attn"] == "q"
  activation = settings["activation_name"]
  from_data = settings["use_positions_from_data"]
  order = autoregressive.Order
  return autoregressive.AutoregressiveConfig(
    vocab_size=golden["num_classes"],
    context=golden["max_context_length"],
    num_latents=settings["z_index_dim"],
    channels=channels,
    input_channels=settings["input_embed_dim"],
    num_layers=settings["num_transformers_per_block"],
    positions=_positions(golden, settings),
    order=order.FORWARD if from_data else order.FROM_LAST,
    offset_queries=settings["initial_query_offsetting"],
    cross_attention=blocks.CrossAttentionConfig(
      num_heads=settings["num_cross_attend_heads"],
      qk_channels=channels if by_query else None,
      mlp_widening=settings["cross_attend_widening_factor"],
    ),
    self_attention=blocks.SelfAttentionConfig(
      num_heads=settings["num_transformer_heads"],
      mlp_widening=settings["transformer_widening_factor"],
    ),
    activation=autoregressive.Activation(
      {"sq_relu": "squared_relu"}.get(activation, activation)
    ),
    input_dropout_rate=settings["encoder_dropout_prob"],
    latent_dropout_rate=settings["latent_dropout_prob"],
  )


def _positions(golden, settings):
  if settings["position_encoding_type"] == "rotary":
    return position_encoding.Rotary(
      max_wavelength=settings["max_wavelength"],
      fraction=settings["fraction_to_rotate"],
      head_fraction=settings["fraction_heads_to_rotate"],
    )
  context = golden["max_context_length"]
  sizes = [context if x < 0 else x for x in golden["input_idx_size"]]
  if not settings["learnable_position_embeddings"]:
    return autoregressive.Sinusoidal(size=sizes[0])
  grid = (3, 3, 3) if len(sizes) == 3 else None
  return autoregressive.Learned(sizes=tuple(sizes), grid=grid)


def model_and_variables(name):
  """Returns a model and variables that are filled under released names."""
  model = perceiver.create(config(name))
  shapes = files.shapes(model).params
  theirs = fill.parameters(
    SALT,
    {
      module: {key: array.shape for key, array in entries.items()}
      for module, entries in shapes.items()
    },
  )
  released = perceiver.Variables(theirs, {})
  return model, files.from_theirs(model, released, name)
