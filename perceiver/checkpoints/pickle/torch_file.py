"""State dicts in PyTorch's own files, read without PyTorch.

Such a file, of version 1.6 or later, is a zip without compression: a pickle,
which names the arrays, and one member with the numbers of each storage. The
pickle goes through `unpickler`, where PyTorch's constructors are stand-ins.
"""

from collections.abc import Callable
import dataclasses
import os
import pathlib
from typing import Any
import zipfile

import jax.numpy as jnp
import numpy as np

from perceiver.checkpoints import errors
from perceiver.checkpoints.pickle import arrays
from perceiver.checkpoints.pickle import unpickler

_STORAGES = {
  "torch.BFloat16Storage": jnp.dtype("bfloat16"),
  "torch.BoolStorage": np.dtype(bool),
  "torch.ByteStorage": np.dtype("u1"),
  "torch.CharStorage": np.dtype("i1"),
  "torch.DoubleStorage": np.dtype("<f8"),
  "torch.FloatStorage": np.dtype("<f4"),
  "torch.HalfStorage": np.dtype("<f2"),
  "torch.IntStorage": np.dtype("<i4"),
  "torch.LongStorage": np.dtype("<i8"),
  "torch.ShortStorage": np.dtype("<i2"),
}
_MAPPING = "collections.OrderedDict"
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Returns the arrays of a state dict by name.

  Nothing in the file is executed.

  Raises:
    FileNotFoundError: if there is no such file.
    CheckpointError: if the file is damaged, too large, or holds anything else.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(
      f"Checkpoint: there is no file {path}; expected one of PyTorch."
    )
  try:
    size = unpickler.size_of(path)
    with zipfile.ZipFile(path) as archive:
      return _state_dict(archive, size)
  except errors.CheckpointError as error:
    problem = str(error)
  except Exception as error:  # Damage to a zip can raise any error.
    problem = f"it is no zip of PyTorch: {type(error).__name__}"
  raise errors.CheckpointError(
    f"Checkpoint: {path} cannot be read as a state dict of PyTorch: {problem}; "
    "expected a file that torch.save wrote, of version 1.6 or later."
  )


def _state_dict(archive: zipfile.ZipFile, size: int) -> dict[str, np.ndarray]:
  """Returns the arrays of an open file of so many bytes."""
  members = {x.filename: x for x in archive.infolist()}
  pickles = [name for name in members if name.endswith("/data.pkl")]
  if len(pickles) != 1:
    raise errors.CheckpointError(f"it has {len(pickles)} members data.pkl")
  folder = pickles[0].removesuffix("data.pkl")
  for name, member in members.items():
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
      raise errors.CheckpointError(f"{errors.shorten(name)} is compressed")
  order = f"{folder}byteorder"
  if order in members and archive.read(order) != b"little":
    raise errors.CheckpointError("its numbers are not little-endian")
  # Each storage is used once, and each tensor is a copy of a part of it; those
  # that share a storage are few.
  budget = arrays.Budget(4 * size)
  storages = _Storages(archive, f"{folder}data/", budget, {})
  found, _ = unpickler.run(
    archive.read(pickles[0]),
    lambda name, _: _stand_in(name, budget),
    storages.load,
  )
  if not isinstance(found, dict):
    raise errors.CheckpointError("it holds no mapping")
  for name, tensor in found.items():
    if not isinstance(tensor, _Tensor):
      raise errors.CheckpointError(
        f"entry {errors.shorten(name)} is a {type(tensor).__name__.lower()}"
      )
  return {name: np.array(x.content, order="C") for name, x in found.items()}


class _Mapping(dict[str, Any]):
  """An OrderedDict, whose attributes are not kept."""

  def __setstate__(self, state: Any) -> None:
    """Leaves out the attributes, such as versions of modules."""


class _Stateless:
  """A stand-in whose attributes no pickle sets."""

  def __setstate__(self, state: Any) -> None:
    """Raises an error; without this, the unpickler would set attributes."""
    raise TypeError(f"{type(self).__name__} has no state")


@dataclasses.dataclass(frozen=True, eq=False)
class _Tensor(_Stateless):
  """A tensor: a view of its storage."""

  content: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class _Storages:
  """The numbers in a file, read where the pickle refers to them."""

  archive: zipfile.ZipFile
  folder: str
  budget: arrays.Budget
  known: dict[str, np.ndarray]

  def load(self, reference: Any) -> np.ndarray:
    """Returns the numbers of ("storage", kind, key, device, count)."""
    kind, storage, key, _, count = reference
    if kind != "storage" or not isinstance(storage, _StorageKind):
      raise errors.CheckpointError("it refers to something else than a storage")
    if key not in self.known:
      content = self.archive.read(f"{self.folder}{key}")
      self.budget.charge(len(content))
      self.known[key] = np.frombuffer(content, np.uint8)
    numbers = self.known[key][: count * storage.dtype.itemsize]
    return numbers.view(storage.dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class _StorageKind(_Stateless):
  """The class of storages of one type, which is named and never called."""

  dtype: np.dtype


@dataclasses.dataclass(frozen=True, eq=False)
class _Function(_Stateless):
  """An admitted constructor."""

  function: Callable[..., Any]
  budget: arrays.Budget

  def __call__(self, *arguments: Any) -> Any:
    """Returns the result of the stand-in."""
    return self.function(self.budget, *arguments)


def _stand_in(name: str, budget: arrays.Budget) -> Any:
  """Returns the stand-in for a full name in a pickle."""
  if name in _STORAGES:
    return _StorageKind(_STORAGES[name])
  if name not in _FUNCTIONS:
    raise errors.CheckpointError(
      f"it names {errors.shorten(name)}; only tensors and mappings are read"
    )
  return _Function(_FUNCTIONS[name], budget)


def _mapping(budget: arrays.Budget) -> _Mapping:
  del budget
  return _Mapping()


def _tensor(
  budget: arrays.Budget,
  storage: Any,
  offset: Any,
  shape: Any,
  strides: Any,
  *_: Any,
) -> _Tensor:
  """Returns the tensor that is some of the numbers of a storage."""
  sizes = (offset, *shape, *strides)
  if (
    not isinstance(storage, np.ndarray)
    or len(shape) != len(strides)
    or not all(type(size) is int and size >= 0 for size in sizes)
  ):
    raise errors.CheckpointError("a tensor has an impossible shape")
  last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
  if 0 not in shape and last >= len(storage):
    raise errors.CheckpointError("a tensor is larger than its storage")
  width = storage.dtype.itemsize
  view = np.lib.stride_tricks.as_strided(
    storage[min(offset, len(storage)) :],
    shape,
    [step * width for step in strides],
  )
  budget.charge(view.nbytes)
  return _Tensor(view)


def _parameter(budget: arrays.Budget, tensor: Any, *_: Any) -> Any:
  del budget
  return tensor


_FUNCTIONS: dict[str, Callable[..., Any]] = {
  _MAPPING: _mapping,
  _PARAMETER: _parameter,
  _TENSOR: _tensor,
}
