"""Models filled with the weights that the golden arrays were made with."""

import json
from typing import Any

import numpy as np

import perceiver
from perceiver.checkpoints.deepmind import names
from perceiver.checkpoints.deepmind import tables as deepmind_tables
from tests.helpers import fill
from tests.helpers import folders

SALT = "released"
_FOLDER = folders.GOLDENS / "deepmind"


def golden(name: str) -> dict[str, np.ndarray]:
  """Returns the arrays of one golden file."""
  with np.load(_FOLDER / f"{name}.npz") as arrays:
    return dict(arrays)


def released_shapes() -> dict[str, Any]:
  """Returns names and shapes of the released checkpoints."""
  return json.loads((_FOLDER / "parameters.json").read_text())


def original_shapes(model: perceiver.Model) -> perceiver.Variables:
  """Returns names and shapes of a model's variables in the released form."""
  params, state = model.shapes()
  empty = lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape)
  tables = (
    (deepmind_tables.parameter_names(model.config), params),
    (deepmind_tables.state_names(model.config), state),
  )
  converted = [
    names.to_theirs(
      table, {m: {n: empty(x) for n, x in e.items()} for m, e in tree.items()}
    )
    for table, tree in tables
  ]
  return perceiver.Variables(
    *(
      {m: {n: x.shape for n, x in e.items()} for m, e in tree.items()}
      for tree in converted
    )
  )


def filled(model: perceiver.Model) -> perceiver.Variables:
  """Returns the variables that the golden arrays were made with."""
  params, state = original_shapes(model)
  state = {
    module: {n: fill.state(SALT, module, n, s) for n, s in entries.items()}
    for module, entries in state.items()
  }
  return perceiver.Variables(
    names.to_ours(
      deepmind_tables.parameter_names(model.config),
      fill.parameters(SALT, params),
    ),
    names.to_ours(deepmind_tables.state_names(model.config), state),
  )


def relative_error(found: Any, expected: Any) -> float:
  """Returns the relative L2 distance."""
  found, expected = np.asarray(found, np.float64), np.asarray(expected)
  assert found.shape == expected.shape
  return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
