"""Model cards: a page about a model beside its file (1810.03993)."""

from collections.abc import Mapping
import os
import pathlib
from typing import Any

import jax

from perceiver import model as perceiver_model
from perceiver.checkpoints import atomic

_MAX_NAMES = 20  # of classes


def write(
  path: str | os.PathLike[str],
  model: perceiver_model.Model,
  notes: Mapping[str, str],
  prose: str,
) -> pathlib.Path:
  """Writes the card of a model's file: its path with the suffix ".md".

  Args:
    path: of the model's file.
    model: in the file.
    notes: those saved with it.
    prose: Markdown on data, use and limits; may be empty.

  Returns:
    The card's path.

  Raises:
    errors.WriteError: if it cannot be written.
  """
  path = pathlib.Path(path)
  card = path.with_suffix(".md")
  with atomic.file(card) as temporary:
    text = _text(path.name, model, notes, prose)
    temporary.write_text(text, encoding="utf-8")
  return card


def _text(
  name: str,
  model: perceiver_model.Model,
  notes: Mapping[str, str],
  prose: str,
) -> str:
  rows = {
    "kind": type(model.config).__name__,
    "parameters": f"{model.num_parameters():,}",
    "operations": f"{model.num_flops() / 1e9:,.3f} GFLOP for one example",
    "arguments": _arrays(model.config.example()),
    "result": _arrays(_result(model)),
    **_classes(model),
    **notes,
  }
  table = [f"| {key} | {_cell(value)} |" for key, value in rows.items()]
  lines = [f"# {name}", "", "| | |", "|---|---|", *table, ""]
  if prose:
    lines += [prose.strip(), ""]
  load = f'model, variables = perceiver.load("{name}")'
  code = ("```python", "import perceiver", "", load, "```", "")
  return "\n".join([*lines, *code])


def _result(model: perceiver_model.Model) -> Any:
  return jax.eval_shape(model.apply, model.shapes(), *model.config.example())


def _arrays(tree: Any) -> str:
  """Returns dtype and shape of each array, the batch as B."""
  parts = []
  for path, leaf in jax.tree.leaves_with_path(tree):
    name = jax.tree_util.keystr(path[1:] if isinstance(tree, tuple) else path)
    shape = ", ".join(["B", *map(str, leaf.shape[1:])])
    parts.append(f"{name} {leaf.dtype}[{shape}]".strip())
  return "; ".join(parts)


def _classes(model: perceiver_model.Model) -> dict[str, str]:
  if model.class_names is None:
    return {}
  shown = ", ".join(model.class_names[:_MAX_NAMES])
  more = f", … ({len(model.class_names)})"
  return {"classes": shown + more * (len(model.class_names) > _MAX_NAMES)}


def _cell(text: str) -> str:
  return " ".join(text.split()).replace("|", "\\|")
