"""Names of the arrays of DeepMind's releases in `transformers`.

That library's Perceivers were converted from DeepMind's releases layer by
layer, so names are translated from those, whose tables are in `deepmind`. Its
linear maps are [out, in], its convolutions [out, in, height, width].
"""

import re

import numpy as np

_ENCODER = "perceiver.encoder"
_DECODER = "perceiver.decoder"
_INPUT = "perceiver.input_preprocessor"
_LATENTS = "perceiver.embeddings.latents"

# The text decoder stands alone, others inside one for their kind of output.
_BLOCKS = {
  "perceiver_encoder/~": _ENCODER,
  "encoder/~": _ENCODER,
  "basic_decoder": _DECODER,
  "classification_decoder/~/basic_decoder": f"{_DECODER}.decoder",
  "flow_decoder/~/basic_decoder": f"{_DECODER}.decoder",
  "multimodal_decoder/~/basic_decoder": f"{_DECODER}.decoder",
}
_BLOCK = re.compile(
  rf"({'|'.join(map(re.escape, _BLOCKS))})"
  r"/(cross_attention|self_attention(?:_\d+)?|output)(?:/(.*))?"
)
_INSIDE_BLOCK = {
  "attention/linear": "attention.self.query",
  "attention/linear_1": "attention.self.key",
  "attention/linear_2": "attention.self.value",
  "attention/linear_3": "attention.output.dense",
  "layer_norm": "attention.self.layernorm1",
  "mlp/linear": "mlp.dense1",
  "mlp/linear_1": "mlp.dense2",
}
_INSIDE_CROSS_ATTENTION = {
  **_INSIDE_BLOCK,
  "layer_norm_1": "attention.self.layernorm2",
  "layer_norm_2": "layernorm",
}
_INSIDE_SELF_ATTENTION = {**_INSIDE_BLOCK, "layer_norm_1": "layernorm"}

_CONV = "image_preprocessor/~/conv2_d_downsample/~"
_POSITIONS = "image_preprocessor/~_build_network_inputs"
_QUERIES = "classification_decoder/~/basic_decoder/~"
_MODULES = {
  f"{_CONV}/conv": f"{_INPUT}.convnet.conv",
  f"{_CONV}/batchnorm": f"{_INPUT}.convnet.batchnorm",
  "image_preprocessor/~/conv2_d": f"{_INPUT}.convnet_1x1",
  "image_preprocessor/patches_linear": f"{_INPUT}.conv_after_patches",
  f"{_POSITIONS}/position_encoding_projector/linear": (
    f"{_INPUT}.positions_projection"
  ),
  **{
    f"{theirs}_postprocessor/linear": (
      f"perceiver.output_postprocessor.modalities.{modality}.classifier"
    )
    for theirs, modality in (
      ("audio", "audio"),
      ("projection", "image"),
      ("classification", "label"),
    )
  },
}
_PARAMETERS = {"w": "weight", "b": "bias", "scale": "weight", "offset": "bias"}

# Learned vectors, and statistics of the batch norm.
_TABLES = {
  "perceiver_encoder/~/trainable_position_encoding": _LATENTS,
  "encoder/~/trainable_position_encoding": _LATENTS,
  "embed": f"{_INPUT}.embeddings.weight",
  "trainable_position_encoding": f"{_INPUT}.position_embeddings.weight",
  "embedding_decoder": "embedding_decoder.bias",
  f"{_POSITIONS}/trainable_position_encoding": (
    f"{_INPUT}.position_embeddings.position_embeddings"
  ),
  "basic_decoder/~/trainable_position_encoding": (
    f"{_DECODER}.output_position_encodings.position_embeddings"
  ),
  f"{_QUERIES}/trainable_position_encoding": (
    f"{_DECODER}.decoder.output_position_encodings.position_embeddings"
  ),
  f"{_CONV}/batchnorm/~/mean_ema": f"{_INPUT}.convnet.batchnorm.running_mean",
  f"{_CONV}/batchnorm/~/var_ema": f"{_INPUT}.convnet.batchnorm.running_var",
}
_MULTIMODAL_TABLES = {
  **_TABLES,
  f"{_QUERIES}/trainable_position_encoding": (
    f"{_DECODER}.modalities.label.decoder.output_position_encodings"
    ".position_embeddings"
  ),
}
for _modality in ("audio", "image", "label"):
  _MULTIMODAL_TABLES |= {
    f"multimodal_preprocessor/{_modality}_padding": (
      f"{_INPUT}.padding.{_modality}"
    ),
    f"multimodal_preprocessor/{_modality}_mask_token": (
      f"{_INPUT}.mask.{_modality}"
    ),
    f"multimodal_decoder/~decoder_query/{_modality}_padding": (
      f"{_DECODER}.padding.{_modality}"
    ),
  }

# Of the statistics only the averages exist there.
_TABLE_PARAMETERS = ("pos_embs", "embeddings", "bias", "average")


def key(module: str, name: str, *, multimodal: bool = False) -> str | None:
  """Returns the name of an array of a release, or None if it is absent.

  Args:
    module: in the release.
    name: of the array in its module.
    multimodal: whether the model is the autoencoder, where the learned query
      of a classifier is that of one modality.
  """
  tables = _MULTIMODAL_TABLES if multimodal else _TABLES
  if name in _TABLE_PARAMETERS:
    return tables[module]
  if name not in _PARAMETERS:
    return None
  parameter = _PARAMETERS[name]
  if module in _MODULES:
    return f"{_MODULES[module]}.{parameter}"
  found = _BLOCK.fullmatch(module)
  if not found:
    raise KeyError(module)
  parent, block, inside = _BLOCKS[found[1]], found[2], found[3] or ""
  if block == "output":
    return f"{parent}.final_layer.{parameter}"
  if block == "cross_attention":
    kind = block if parent == _ENCODER else f"decoding_{block}"
    return f"{parent}.{kind}.{_INSIDE_CROSS_ATTENTION[inside]}.{parameter}"
  layer = block.removeprefix("self_attention").removeprefix("_") or "0"
  inside = _INSIDE_SELF_ATTENTION[inside]
  return f"{parent}.self_attends.{layer}.{inside}.{parameter}"


def from_theirs(
  array: np.ndarray, name: str, shape: tuple[int, ...]
) -> np.ndarray:
  """Returns an array of `transformers` as it is in the release.

  Args:
    array: of theirs.
    name: in the release.
    shape: in the release, where those of a batch norm have axes of size one.
  """
  if name == "w":
    array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
  return array.reshape(shape)


def to_theirs(array: np.ndarray, name: str) -> np.ndarray:
  """Returns an array of the release as `transformers` wants it."""
  if name == "w":
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
  return array.reshape(-1) if array.ndim == 4 else array
