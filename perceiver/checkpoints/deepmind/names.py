"""Names of our parameters in the released DeepMind checkpoints.

Names there count modules of a kind (`linear`, `linear_1`, …); ours name the
parts of a block, and layers of one kind stand in one stacked array. The table
of a model is a list of entries; converting either way is a walk over it.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

# Module and parameter.
Name = tuple[str, str]
Tree = Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Entry:
  """One array of ours and its place in a released checkpoint.

  Attributes:
    ours: module and parameter.
    theirs: module and parameter, or one for each layer of a stacked array.
    stacked: whether `theirs` are layers.
    unit_axes: leading axes of size one that their array has and ours has not.
  """

  ours: Name
  theirs: tuple[Name, ...]
  stacked: bool = False
  unit_axes: int = 0


@dataclasses.dataclass(frozen=True)
class Fixed:
  """An array that a released checkpoint holds, but that is no parameter here.

  Attributes:
    theirs: module and parameter.
    shape: of the array.
    make: gives the array, float32.
  """

  theirs: Name
  shape: tuple[int, ...]
  make: Callable[[], np.ndarray]


Table = Sequence[Entry | Fixed]

_LINEAR = {"w": "w", "b": "b"}
_NORM = {"scale": "scale", "offset": "offset"}
_ATTENTION = {
  "attention/query": ("attention/linear", _LINEAR),
  "attention/key": ("attention/linear_1", _LINEAR),
  "attention/value": ("attention/linear_2", _LINEAR),
  "attention/output": ("attention/linear_3", _LINEAR),
  "mlp/hidden": ("mlp/linear", _LINEAR),
  "mlp/output": ("mlp/linear_1", _LINEAR),
}
_CROSS_ATTENTION = {
  "query_norm": ("layer_norm", _NORM),
  "input_norm": ("layer_norm_1", _NORM),
  "mlp_norm": ("layer_norm_2", _NORM),
  **_ATTENTION,
}
_SELF_ATTENTION = {
  "attention_norm": ("layer_norm", _NORM),
  "mlp_norm": ("layer_norm_1", _NORM),
  **_ATTENTION,
}


def single(
  ours: str, theirs: str, parameters: Mapping[str, str], unit_axes: int = 0
) -> list[Entry]:
  """Returns the entries of one module; `parameters`: our names to theirs."""
  return [
    Entry((ours, name), ((theirs, other),), unit_axes=unit_axes)
    for name, other in parameters.items()
  ]


def vectors(ours: str, theirs: str) -> list[Entry]:
  """Returns the entry of learned positions, latents or queries."""
  return single(ours, theirs, {"embeddings": "pos_embs"})


def norm(ours: str, theirs: str) -> list[Entry]:
  """Returns the entries of a layer norm."""
  return single(ours, theirs, _NORM)


def linear(ours: str, theirs: str, unit_axes: int = 0) -> list[Entry]:
  """Returns the entries of an affine map."""
  entries = single(ours, theirs, _LINEAR)
  return [
    dataclasses.replace(e, unit_axes=unit_axes if e.ours[1] == "w" else 0)
    for e in entries
  ]


def _with_mlp(
  modules: Mapping[str, tuple[str, Mapping[str, str]]], mlp: str
) -> dict[str, tuple[str, Mapping[str, str]]]:
  """Returns the modules of a block whose MLP has another released name."""
  return {
    module: (other.replace("mlp/", f"{mlp}/"), parameters)
    for module, (other, parameters) in modules.items()
  }


def cross_attention(ours: str, theirs: str, mlp: str = "mlp") -> list[Entry]:
  """Returns the entries of a cross-attention block.

  Args:
    ours: module of the block.
    theirs: its released name.
    mlp: the released name of its MLP.
  """
  entries = []
  for module, (other, parameters) in _with_mlp(_CROSS_ATTENTION, mlp).items():
    entries += single(f"{ours}/{module}", f"{theirs}/{other}", parameters)
  return entries


def self_attention_stack(
  ours: str, theirs: str, num_layers: int, mlp: str = "mlp"
) -> list[Entry]:
  """Returns the entries of a stack of self-attention blocks.

  Args:
    ours: module of the stack.
    theirs: released name of the first layer; the others are numbered.
    num_layers: of the stack.
    mlp: the released name of each MLP.
  """
  layers = [theirs + (f"_{i}" if i else "") for i in range(num_layers)]
  return [
    Entry(
      (f"{ours}/{module}", name),
      tuple((f"{layer}/{other}", parameters[name]) for layer in layers),
      stacked=True,
    )
    for module, (other, parameters) in _with_mlp(_SELF_ATTENTION, mlp).items()
    for name in parameters
  ]


def perceiver(
  ours: str, encoder: str, decoder: str, num_layers: int, *, output: bool
) -> list[Entry]:
  """Returns the entries of a Perceiver IO.

  Args:
    ours: the module of our Perceiver.
    encoder: the released encoder's module.
    decoder: the released decoder's module.
    num_layers: of the latent stack.
    output: whether the decoder has a linear map at its end.
  """
  return [
    *vectors(f"{ours}/latents", f"{encoder}/~/trainable_position_encoding"),
    *cross_attention(f"{ours}/cross_attention", f"{encoder}/~/cross_attention"),
    *self_attention_stack(
      f"{ours}/processor/stack/self_attention",
      f"{encoder}/~/self_attention",
      num_layers,
    ),
    *cross_attention(
      f"{ours}/decoder/cross_attention", f"{decoder}/cross_attention"
    ),
    *(linear(f"{ours}/decoder/output", f"{decoder}/output") if output else ()),
  ]


def to_ours(table: Table, theirs: Tree) -> dict[str, dict[str, Any]]:
  """Renames and stacks the arrays of a released checkpoint."""
  ours: dict[str, dict[str, Any]] = {}
  for entry in table:
    if isinstance(entry, Fixed):
      continue
    arrays = [np.asarray(theirs[module][name]) for module, name in entry.theirs]
    array = np.stack(arrays) if entry.stacked else arrays[0]
    module, name = entry.ours
    ours.setdefault(module, {})[name] = array.reshape(
      array.shape[entry.unit_axes :]
    )
  return ours


def to_theirs(
  table: Table,
  ours: Tree,
  fixed: Callable[[Fixed], np.ndarray] = lambda entry: entry.make(),
) -> dict[str, dict[str, Any]]:
  """Renames and unstacks our arrays, the inverse of `to_ours`.

  Args:
    table: of the model.
    ours: its parameters.
    fixed: gives arrays that are no parameters of ours.
  """
  theirs: dict[str, dict[str, Any]] = {}
  for entry in table:
    if isinstance(entry, Fixed):
      module, name = entry.theirs
      theirs.setdefault(module, {})[name] = fixed(entry)
      continue
    module, name = entry.ours
    array = np.asarray(ours[module][name])
    array = array.reshape((1,) * entry.unit_axes + array.shape)
    layers = list(array) if entry.stacked else [array]
    for (other, parameter), layer in zip(entry.theirs, layers):
      theirs.setdefault(other, {})[parameter] = layer
  return theirs
