"""Folders in the form of `transformers`: config.json and model.safetensors.

The seven Perceivers of that library are read and written; neither it nor
PyTorch is needed. Weights mean the same there, but the classes differ from the
original models, and from ours, in these points:

* Config entry `hidden_act` "gelu", with which DeepMind's weights were published
  there, is the exact GELU; the originals use the tanh approximation. Folders
  written here have "gelu_pytorch_tanh".
* Masks add a large negative number to scores. Of inputs that are all masked the
  latents attend to the mean, where ours and the originals give zeros; and
  masked queries are decoded.
* Image classifiers always add the query to what it attended to. Where ours
  does not, the query is subtracted from the bias before, and the bias kept in
  the metadata of the arrays.
* The classifier with a convolution pads it, and the pooling, otherwise; see
  `ConvPool.centred`. Its batch norm keeps fewer statistics; the others are kept
  in the metadata.
* Optical flow ends at network output ÷ 100; ours is in pixels, × 20.
* Images, videos and frames have their channels before height and width.
"""

from collections.abc import Mapping
import json
import os
import pathlib
from typing import Any

import numpy as np

from perceiver import image_sizes
from perceiver import model as perceiver_model
from perceiver import position_encoding
from perceiver.checkpoints import atomic
from perceiver.checkpoints import check
from perceiver.checkpoints import errors
from perceiver.checkpoints import store
from perceiver.checkpoints.deepmind import files
from perceiver.checkpoints.huggingface import arrays as huggingface_arrays
from perceiver.checkpoints.huggingface import config as huggingface_config
from perceiver.checkpoints.huggingface import export
from perceiver.checkpoints.huggingface import names
from perceiver.models import imagenet
from perceiver.models import video_autoencoding

_CONFIG = "config.json"
_PROCESSOR = "preprocessor_config.json"
_BATCHES = "perceiver.input_preprocessor.convnet.batchnorm.num_batches_tracked"

# A classifier's output map of the attention, and its query, in the release.
_DECODER = "classification_decoder/~/basic_decoder"
_BIAS = (f"{_DECODER}/cross_attention/attention/linear_3", "b")
_QUERY = (f"{_DECODER}/~/trainable_position_encoding", "pos_embs")
_KEPT_BIAS = ":".join(("params", *_BIAS))

# Where the number of updates is not known it is taken to be large: only then
# is an average what its own next update starts from.
_MANY_UPDATES = 10_000


def read(
  folder: str | os.PathLike[str],
) -> tuple[perceiver_model.Model, perceiver_model.Variables]:
  """Reads a folder as the model that `transformers` makes of it.

  Raises:
    FileNotFoundError: if a file is missing.
    CheckpointError: if the folder is damaged or holds what we do not have.
  """
  folder = pathlib.Path(folder)
  arrays, kept = huggingface_arrays.read(folder)
  entries = huggingface_arrays.read_json(folder / _CONFIG)
  class_name, config = _config(folder, entries, arrays, kept)
  model = perceiver_model.Model(config, class_names=_names(entries, config))
  return model, _variables(model, arrays, kept, f"{folder} ({class_name})")


def class_names(folder: pathlib.Path, config: Any) -> tuple[str, ...] | None:
  """Returns the names of a model's classes, None if the folder has none.

  Raises:
    FileNotFoundError: if there is no config.json.
    CheckpointError: if it is damaged.
  """
  entries = huggingface_arrays.read_json(folder / _CONFIG)
  return _names(entries, config)


def load(
  model: perceiver_model.Model, folder: str | os.PathLike[str]
) -> perceiver_model.Variables:
  """Reads a folder as a known model.

  The model decides in what its class in `transformers` deviates from the
  original: kind of GELU, query residual of classifiers, padding of the
  convolution.

  Raises:
    FileNotFoundError: if a file is missing.
    CheckpointError: if the folder is damaged or holds another model.
  """
  folder = pathlib.Path(folder)
  arrays, kept = huggingface_arrays.read(folder)
  entries = huggingface_arrays.read_json(folder / _CONFIG)
  class_name, config = _config(folder, entries, arrays, kept)
  different = export.differences(class_name, model.config, config, lenient=True)
  check.no_differences(
    different, f"{folder} ({class_name}) holds another model: its"
  )
  return _variables(model, arrays, kept, f"{folder} ({class_name})")


def save(
  folder: str | os.PathLike[str],
  model: perceiver_model.Model,
  variables: perceiver_model.Variables,
) -> None:
  """Writes a new folder that `transformers` opens, atomically.

  Raises:
    FileExistsError: if there is something at the path.
    CheckpointError: if there is no class for the model; see also `deviations`.
  """
  check.fits(model, variables, source="the variables to save")
  class_name, entries = export.write(model.config)
  if model.class_names is not None:
    entries |= export.labels(model.class_names)
  arrays, kept = _to_theirs(model, variables)
  entries |= {
    "architectures": [class_name],
    "dtype": "float32",
    "model_type": "perceiver",
  }
  with atomic.folder(folder) as temporary:
    text = json.dumps(entries, indent=2, sort_keys=True)
    (temporary / _CONFIG).write_text(f"{text}\n", encoding="utf-8")
    huggingface_arrays.write(temporary, arrays, kept)


def differences(config: Any, found: Any) -> dict[str, tuple[Any, Any]]:
  """Returns {field: (expected, found)} of a folder's model and another one.

  What the original models do otherwise than `transformers` is disregarded.

  Args:
    config: the other model's configuration.
    found: the folder's.
  """
  class_name, _ = export.write(found)
  return export.differences(class_name, config, found, lenient=True)


def deviations(model: perceiver_model.Model) -> list[str]:
  """Returns sentences on outputs that differ in `transformers`."""
  return export.deviations(model.config)


def is_folder(path: pathlib.Path) -> bool:
  """Returns whether a path looks like a folder of `transformers`.

  Its configuration and arrays are not read. The folder of a run of
  `experiments.train` is none, though files have the same names in it.
  """
  arrays = path / huggingface_arrays.ARRAYS
  return (
    (path / _CONFIG).is_file()
    and huggingface_arrays.are_in(path)
    and not store.is_ours(arrays)
  )


def _names(entries: Mapping[str, Any], config: Any) -> tuple[str, ...] | None:
  """Returns the names of the classes in their order, None if there are none."""
  listed = entries.get("id2label")
  count = getattr(config, "num_classes", 0)
  if not isinstance(listed, dict) or len(listed) != count:
    return None
  found = tuple(listed.get(str(i)) for i in range(count))
  if found == export.unnamed(count):
    return None
  return found if all(isinstance(name, str) for name in found) else None  # type: ignore[return-value]


def _image_size(
  folder: pathlib.Path, entries: Mapping[str, Any]
) -> tuple[int, int]:
  """Returns the size of a classifier's images, which no array has.

  That of preprocessor_config.json, which `transformers` resizes images to; or
  else `image_size`, unless it has the default, which stands in all files.
  """
  processor = folder / _PROCESSOR
  size: Any = entries.get("image_size", huggingface_config.DEFAULT_IMAGE_SIZE)
  if size == huggingface_config.DEFAULT_IMAGE_SIZE:
    size = imagenet.FOURIER.inputs.size
  if processor.is_file():
    size = huggingface_arrays.read_json(processor).get("size", size)
  if isinstance(size, dict):
    size = (size.get("height"), size.get("width"))
  found = (size, size) if isinstance(size, int) else tuple(size)
  if len(found) != 2 or not all(type(x) is int for x in found):
    raise ValueError(f"the size of images is {errors.shorten(str(size))}")
  return found


def _config(
  folder: pathlib.Path,
  entries: Mapping[str, Any],
  arrays: dict[str, np.ndarray],
  kept: Mapping[str, np.ndarray],
) -> tuple[str, Any]:
  """Returns class and configuration; puts a kept bias into its place."""
  path = folder / _CONFIG
  shapes = {name: array.shape for name, array in arrays.items()}
  try:
    class_name = huggingface_config.class_name(entries, shapes)
    layers = entries.get("num_self_attends_per_block")
    if isinstance(layers, int) and layers > len(arrays):
      raise ValueError(
        f"num_self_attends_per_block is {layers}, but there are only "
        f"{len(arrays)} arrays"
      )
    config = huggingface_config.read(class_name, entries, shapes)
    if isinstance(config, imagenet.ImageClassifierConfig) and not (
      position_encoding.is_learned(config.inputs.positions)
    ):
      size = _image_size(folder, entries)
      config = image_sizes.resized(config, size)
  except (TypeError, ValueError) as error:
    raise errors.CheckpointError(
      f"Checkpoint: {path} describes no model of ours: {error}."
    ) from error
  key, query = (names.key(*x) or "" for x in (_BIAS, _QUERY))
  bias = kept.get(_KEPT_BIAS)
  if (
    bias is not None
    and {key, query} <= set(arrays)
    and np.array_equal(arrays[key], bias - arrays[query].reshape(-1))
  ):
    arrays[key] = bias
    config = export.with_query_residual(config, False)
  return class_name, config


def _variables(
  model: perceiver_model.Model,
  arrays: Mapping[str, np.ndarray],
  kept: Mapping[str, np.ndarray],
  source: str,
) -> perceiver_model.Variables:
  """Returns arrays under our names, with all that they must be."""
  arrays = {k: x for k, x in arrays.items() if k != _BATCHES}
  wanted, _ = _rename(model, files.shapes(model))
  check.compare(wanted, arrays, source)
  found = {}
  for full, stand_in in check.flatten(files.shapes(model)).items():
    _, module, name = full.split(":")
    key = names.key(module, name, multimodal=_is_multimodal(model))
    if key is not None:
      found[full] = names.from_theirs(arrays[key], name, stand_in.shape)
    elif full in kept:
      found[full] = kept[full]
    else:
      statistic = _statistic(module, name, arrays)
      found[full] = statistic.reshape(stand_in.shape)
  return files.from_theirs(model, check.unflatten(found), source=source)


def _statistic(
  module: str, name: str, arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
  """Returns a running statistic of a batch norm that the folder lacks."""
  if name == "counter":
    return np.array(_MANY_UPDATES, np.int32)
  return arrays[names.key(module, "average") or ""]


def _to_theirs(
  model: perceiver_model.Model, variables: perceiver_model.Variables
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Returns arrays under their names, and those that have no place there."""
  released = files.to_theirs(model, variables)
  arrays, kept = _rename(model, released)
  counters = [x for name, x in kept.items() if name.endswith(":counter")]
  if counters:
    arrays[_BATCHES] = np.array(counters[0], np.int64)
  if export.folds_query(model.config):
    key = names.key(*_BIAS) or ""
    query = np.asarray(released.params[_QUERY[0]][_QUERY[1]])
    kept[_KEPT_BIAS] = arrays[key]
    arrays[key] = arrays[key] - query.reshape(-1)
  return arrays, kept


def _rename(
  model: perceiver_model.Model, released: perceiver_model.Variables
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Returns released arrays under their names, and those without any."""
  arrays, kept = {}, {}
  for full, array in check.flatten(released).items():
    _, module, name = full.split(":")
    key = names.key(module, name, multimodal=_is_multimodal(model))
    if key is None:
      kept[full] = array
    else:
      arrays[key] = names.to_theirs(array, name)
  return arrays, kept


def _is_multimodal(model: perceiver_model.Model) -> bool:
  return isinstance(model.config, video_autoencoding.VideoAutoencoderConfig)
