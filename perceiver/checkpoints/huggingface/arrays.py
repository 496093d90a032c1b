"""Arrays of folders of `transformers`: one file, or several with an index.

They are in the format safetensors, or in PyTorch's own, which is read without
executing anything in it.
"""

import base64
from collections.abc import Mapping
import json
import pathlib
from typing import Any

import numpy as np

from perceiver.checkpoints import arrays_file
from perceiver.checkpoints import errors
from perceiver.checkpoints.pickle import torch_file

ARRAYS = "model.safetensors"
_FILES = (ARRAYS, "pytorch_model.bin")  # The first that is there is read.
_KEPT = "perceiver"  # our entry of the metadata
_MAX_JSON = 2**24
_HALVES = ("float16", "bfloat16")
_EXPECTED = "one with arrays, or pytorch_model.bin"


def read(
  folder: pathlib.Path,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Returns arrays, and what was kept in the metadata by `write`.

  Halves become float32, which holds them exactly.

  Raises:
    FileNotFoundError: if a file is missing.
    CheckpointError: if one is damaged.
  """
  arrays: dict[str, np.ndarray] = {}
  kept: dict[str, np.ndarray] = {}
  for path in _files(folder) or [folder / ARRAYS]:
    if path.suffix == ".bin":
      arrays |= torch_file.read(path)
      continue
    metadata, found = arrays_file.read(path, _EXPECTED)
    arrays |= found
    kept |= _decode(metadata.get(_KEPT, "{}"), path)
  for name, array in arrays.items():
    if array.dtype.name in _HALVES:
      arrays[name] = array.astype(np.float32)
  return arrays, kept


def are_in(folder: pathlib.Path) -> bool:
  """Returns whether a folder has files with arrays, or an index of some."""
  return any(
    (folder / name).is_file() or _index(folder, name).is_file()
    for name in _FILES
  )


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
  """Returns the files with arrays, none if there is no index either."""
  for name in _FILES:
    if (folder / name).is_file():
      return [folder / name]
    if _index(folder, name).is_file():
      return [folder / shard for shard in _shards(_index(folder, name))]
  return []


def _index(folder: pathlib.Path, name: str) -> pathlib.Path:
  return folder / f"{name}.index.json"


def write(
  folder: pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  kept: Mapping[str, np.ndarray],
) -> None:
  """Writes arrays, with some that have no place there in the metadata."""
  # transformers requires "pt".
  metadata = {"format": "pt"}
  if kept:
    metadata[_KEPT] = json.dumps({k: _encode(x) for k, x in kept.items()})
  arrays_file.write(folder / ARRAYS, arrays, metadata)


def read_json(path: pathlib.Path) -> dict[str, Any]:
  """Returns the mapping that a file holds.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if it holds anything else.
  """
  if not path.is_file():
    raise FileNotFoundError(
      f"Checkpoint: there is no file {path}; expected one written by "
      "transformers."
    )
  try:
    if path.stat().st_size > _MAX_JSON:
      raise ValueError(f"it has more than {_MAX_JSON} bytes")
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
      raise ValueError(f"it holds a {type(found).__name__}")
  except (ValueError, RecursionError) as error:
    raise errors.CheckpointError(
      f"Checkpoint: {path} cannot be read: {error}; expected a JSON mapping."
    ) from error
  return found


def _shards(index: pathlib.Path) -> list[str]:
  """Returns the names of the files that an index lists, sorted."""
  listed = read_json(index).get("weight_map")
  if not isinstance(listed, dict) or not all(
    isinstance(name, str) and name == pathlib.PurePath(name).name
    for name in listed.values()
  ):
    raise errors.CheckpointError(
      f"Checkpoint: weight_map of {index} does not say which array is in which "
      "file; expected names of files in the same folder."
    )
  return sorted(set(listed.values()))


def _encode(array: np.ndarray) -> dict[str, Any]:
  return {
    "dtype": array.dtype.name,
    "shape": list(array.shape),
    "data": base64.b64encode(np.array(array, order="C").tobytes()).decode(),
  }


def _decode(text: str, path: pathlib.Path) -> dict[str, np.ndarray]:
  try:
    return {name: _decode_array(x) for name, x in json.loads(text).items()}
  except Exception as error:  # Damage can raise any error.
    raise errors.CheckpointError(
      f"Checkpoint: the metadata of {path} cannot be read: {error!r}; expected "
      "what was written here."
    ) from error


def _decode_array(entry: dict[str, Any]) -> np.ndarray:
  if entry["dtype"] not in ("float32", "int32"):
    raise ValueError(f"dtype {errors.shorten(entry['dtype'])}")
  content = base64.b64decode(entry["data"], validate=True)
  return np.frombuffer(content, entry["dtype"]).reshape(entry["shape"]).copy()
