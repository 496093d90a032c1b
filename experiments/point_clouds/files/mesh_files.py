"""Files of meshes in any format that is read."""

import pathlib

from experiments.data import files
from experiments.point_clouds.files import meshes
from experiments.point_clouds.files import obj_files
from experiments.point_clouds.files import off_files
from experiments.point_clouds.files import wrl_files

_PARSERS = {".obj": obj_files.parse, ".wrl": wrl_files.parse}
SUFFIXES = (".off", *_PARSERS)


def read(path: pathlib.Path) -> meshes.Mesh:
  """Reads a mesh, in the format that the suffix states.

  Raises:
    files.InputError: if the file cannot be read, or is no mesh.
  """
  parse = _PARSERS.get(path.suffix.lower())
  if parse is None:
    return off_files.read(path)
  try:
    return parse(files.read_bytes(path))
  except ValueError as error:
    raise files.InputError(f"{path}: {error}") from error
