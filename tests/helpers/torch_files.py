"""Files as PyTorch writes them, written without it."""

from collections.abc import Mapping, Sequence
import pathlib
import struct
import zipfile

import numpy as np

_MAPPING = b"ccollections\nOrderedDict\n)R"
STORAGES = {
  "bfloat16": "BFloat16",
  "bool": "Bool",
  "float16": "Half",
  "float32": "Float",
  "float64": "Double",
  "int16": "Short",
  "int32": "Int",
  "int64": "Long",
  "int8": "Char",
  "uint8": "Byte",
}


def text(value: str) -> bytes:
  content = value.encode()
  return b"X" + struct.pack("<I", len(content)) + content


def integer(value: int) -> bytes:
  return b"J" + struct.pack("<i", value)


def sizes(values: Sequence[int]) -> bytes:
  return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(
  dtype: str,
  key: str,
  count: int,
  shape: Sequence[int],
  strides: Sequence[int],
  offset: int = 0,
) -> bytes:
  """Returns the instructions for a view of a storage of `count` numbers."""
  kind = f"ctorch\n{STORAGES[dtype]}Storage\n".encode()
  reference = b"(" + text("storage") + kind + text(key) + text("cpu")
  reference += integer(count) + b"tQ"
  view = integer(offset) + sizes(shape) + sizes(strides)
  arguments = b"(" + reference + view + b"\x89" + _MAPPING + b"t"
  return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def state_dict(tensors: Mapping[str, bytes]) -> bytes:
  """Returns the pickle of tensors by name, with versions of modules."""
  items = b"".join(text(name) + made for name, made in tensors.items())
  versions = b"}" + text("_metadata") + _MAPPING + b"s"
  return b"\x80\x02" + _MAPPING + b"(" + items + b"u" + versions + b"b."


def write_members(
  path: pathlib.Path,
  members: Mapping[str, bytes],
  compression: int = zipfile.ZIP_STORED,
) -> None:
  with zipfile.ZipFile(path, "w", compression) as archive:
    for name, content in members.items():
      archive.writestr(f"archive/{name}", content)


def write(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes a state dict; matrices lie in memory column by column."""
  tensors, members = {}, {}
  for i, (name, array) in enumerate(arrays.items()):
    order = array.T if array.ndim == 2 else array
    steps = np.cumprod([1, *order.shape[:0:-1]])[::-1][: array.ndim]
    steps = steps[::-1] if array.ndim == 2 else steps
    members[f"data/{i}"] = np.array(order, order="C").tobytes()
    tensors[name] = tensor(
      array.dtype.name, str(i), array.size, array.shape, list(map(int, steps))
    )
  members = {"data.pkl": state_dict(tensors), "byteorder": b"little", **members}
  write_members(path, members)
