"""Whether arrays are the variables of a model."""

import difflib
from typing import Any

from perceiver.models import model as model_lib


def fits(
  model: model_lib.Model, variables: model_lib.Variables, source: str
) -> None:
  """Raises a ValueError unless names, shapes and dtypes are the model's.

  The error names the first difference and how many more there are.
  """
  expected = _flatten(model.shapes())
  found = _flatten(variables)
  problems = []
  for name in sorted(expected.keys() - found.keys()):
    close = difflib.get_close_matches(name, found.keys() - expected.keys(), n=1)
    hint = f" (it has {close[0]})" if close else ""
    problems.append(
      f"has no {name}{hint}, expected {_describe(expected[name])}"
    )
  for name in sorted(found.keys() - expected.keys()):
    problems.append(f"has {name}, which the model has not")
  for name in sorted(expected.keys() & found.keys()):
    want, have = _describe(expected[name]), _describe(found[name])
    if want != have:
      problems.append(f"has {name} as {have}; expected {want}")
  if problems:
    more = f"; and {len(problems) - 1} more differences" * (len(problems) > 1)
    raise ValueError(
      f"Checkpoint: {source} does not fit this model: it {problems[0]}{more}."
    )


def _flatten(variables: model_lib.Variables) -> dict[str, Any]:
  return {
    f"{collection}:{module}:{name}": array
    for collection, tree in variables._asdict().items()
    for module, entries in tree.items()
    for name, array in entries.items()
  }


def _describe(array: Any) -> str:
  return f"{array.dtype}{list(array.shape)}"
