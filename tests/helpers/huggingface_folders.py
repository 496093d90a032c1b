"""Folders that `transformers` wrote, and how its inputs become ours."""

import dataclasses
import json
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import numpy as safetensors_numpy

import perceiver
from perceiver.models import imagenet
from tests.helpers import folders
from tests.helpers import torch_files

FOLDER = folders.GOLDENS / "huggingface"
WHOLE = (
  "image_classification_conv",
  "image_classification_fourier",
  "image_classification_learned",
  "masked_lm",
  "optical_flow",
)
# That of the autoencoder is too large to keep: it has configuration, inputs
# and outputs, and its weights are those of `fill`.
NAMES = (*WHOLE, "multimodal_autoencoding")
SALT = "huggingface"


def entries(name: str) -> dict[str, Any]:
  """Returns the entries of config.json."""
  return json.loads((FOLDER / name / "config.json").read_text())


def golden(name: str) -> dict[str, np.ndarray]:
  """Returns inputs and outputs as `transformers` has them."""
  with np.load(FOLDER / name / "io.npz") as arrays:
    return dict(arrays)


def sized(config: Any, arrays: dict[str, np.ndarray]) -> Any:
  """Returns a model for images of the size that was fed, which no file says."""
  if not isinstance(config, imagenet.ImageClassifierConfig):
    return config
  size = arrays["in_images"].shape[2:]
  return dataclasses.replace(
    config, inputs=dataclasses.replace(config.inputs, size=size)
  )


def change(folder: pathlib.Path, **entries: Any) -> None:
  """Sets entries of a folder's config.json, or removes those that are `...`."""
  path = folder / "config.json"
  merged = json.loads(path.read_text()) | entries
  path.write_text(json.dumps({k: x for k, x in merged.items() if x is not ...}))


def rewrite(folder: pathlib.Path, form: str) -> None:
  """Writes the arrays of a folder as bfloat16 in another form.

  Args:
    folder: with a file of safetensors, which is removed.
    form: "safetensors" or "pytorch", for three files with " shards" after it.
  """
  path = folder / "model.safetensors"
  arrays = {
    name: array.astype(jnp.dtype("bfloat16"))
    for name, array in safetensors_numpy.load_file(path).items()
  }
  path.unlink()
  kind, _, shards = form.partition(" ")
  name, write = _FORMS[kind]
  if not shards:
    write(folder / name, arrays)
    return
  stem, suffix = name.split(".")
  names, listed = sorted(arrays), {}
  for i in range(3):
    shard = f"{stem}-{i + 1:05d}-of-00003.{suffix}"
    write(folder / shard, {key: arrays[key] for key in names[i::3]})
    listed |= dict.fromkeys(names[i::3], shard)
  index = json.dumps({"metadata": {}, "weight_map": listed})
  (folder / f"{name}.index.json").write_text(index)


def _write_safetensors(
  path: pathlib.Path, arrays: dict[str, np.ndarray]
) -> None:
  safetensors_numpy.save_file(arrays, path, {"format": "pt"})


_FORMS = {
  "pytorch": ("pytorch_model.bin", torch_files.write),
  "safetensors": ("model.safetensors", _write_safetensors),
}


def outputs(
  model: perceiver.Model,
  variables: perceiver.Variables,
  arrays: dict[str, np.ndarray],
) -> dict[str, Any]:
  """Returns our outputs for their inputs, named and scaled as theirs."""
  integers = {
    k: x.astype(np.int32) for k, x in arrays.items() if x.dtype.kind == "i"
  }
  if "in_ids" in arrays:
    # Their masks are for inputs alone.
    mask = arrays["in_mask"].astype(bool)
    latents = model.encode(variables, integers["in_ids"], input_mask=mask)
    return {"out_logits": model.decode(variables, latents)}
  if "in_frames" in arrays:
    flow = model.apply(variables, arrays["in_frames"])
    return {"out_flow_network_output": np.asarray(flow) / 20}
  images = np.moveaxis(arrays["in_images"], -3, -1)
  if "in_audio" not in arrays:
    return {"out_logits": model.apply(variables, images)}
  found = model.apply(
    variables,
    {"image": images, "audio": arrays["in_audio"]},
    output_points={
      name: integers[f"in_{name}_points"] for name in ("image", "audio")
    },
  )
  return {f"out_{name}": x for name, x in found.items()}
