"""Converts a checkpoint between the forms of this and of other projects.

  python -m scripts.convert_checkpoint SOURCE DESTINATION [--to FORM]

DESTINATION is written whole or not at all; nothing in SOURCE is executed.
"""

from collections.abc import Sequence
import dataclasses
import hashlib
import pathlib
import sys
from typing import Annotated, Literal

import tyro

from experiments.cli import paths
import perceiver
from perceiver.checkpoints.deepmind import files as deepmind_files
from perceiver.checkpoints.huggingface import folder

_SAVE = {
  "deepmind": deepmind_files.save,
  "huggingface": folder.save,
  "perceiver": perceiver.save,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertConfig:
  """Converts a checkpoint between forms.

  Attributes:
    source: a file written by perceiver.save, the folder of a training run,
      finished or not, a pickle of DeepMind's releases, or a folder of
      transformers; its content decides.
    destination: a new file, or a new folder for huggingface.
    model: name of the model that the source holds, of those that
      perceiver.list_models() gives; found in the source by default.
    to: the form of the destination.
  """

  source: Annotated[
    tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="SOURCE")
  ]
  destination: Annotated[
    tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="DESTINATION")
  ]
  model: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
  to: Literal["deepmind", "huggingface", "perceiver"] = "perceiver"


def main(arguments: Sequence[str] | None = None) -> int:
  """Converts as the command line says; returns the exit status."""
  try:
    _convert(
      tyro.cli(
        ConvertConfig,
        prog="python -m scripts.convert_checkpoint",
        args=arguments,
        registry=paths.REGISTRY,
      )
    )
  except (perceiver.PerceiverError, ValueError, OSError) as error:
    print(f"convert_checkpoint: {error}", file=sys.stderr)
    return 1
  return 0


def _convert(config: ConvertConfig) -> None:
  source, destination = config.source, config.destination
  if destination.exists():
    raise FileExistsError(
      f"{destination} is there already; expected a new path."
    )
  model, variables = _load(source, config.model)
  _describe("from", source)
  known = [x for x in perceiver.list_models() if perceiver.create(x) == model]
  print(f"model       {', '.join(known) or type(model.config).__name__}")
  print(f"parameters  {model.num_parameters():,}")
  _SAVE[config.to](destination, model, variables)
  _describe("to", destination)
  if config.to == "huggingface":
    for sentence in folder.deviations(model):
      print(f"note        In transformers {sentence}.")


def _load(
  source: pathlib.Path, name: str | None
) -> tuple[perceiver.Model, perceiver.Variables]:
  """Reads a checkpoint, or the newest one of a run that is not finished."""
  is_run = (source / "config.json").exists() and (
    source / "metrics.jsonl"
  ).exists()
  if not is_run or (source / "model.safetensors").exists():
    return perceiver.load(source, name)
  from experiments import evaluate  # much to load, for this case alone

  model, variables = evaluate.load_run(source)
  if name is not None and perceiver.create(name) != model:
    raise ValueError(f"{source} is a run of another model; expected {name}.")
  return model, variables


def _describe(label: str, path: pathlib.Path) -> None:
  """Prints size and checksum of a file, or of all files of a folder."""
  files = sorted(path.iterdir()) if path.is_dir() else [path]
  for file in filter(pathlib.Path.is_file, files):
    with file.open("rb") as content:
      checksum = hashlib.file_digest(content, "sha256").hexdigest()
    print(f"{label:10}  {file}")
    print(f"{'':10}  {file.stat().st_size:,} bytes, SHA-256 {checksum}")


if __name__ == "__main__":
  sys.exit(main())
