"""Converts a checkpoint between the forms of this and of other projects.

  python -m scripts.convert_checkpoint SRC DST [--model NAME] [--to FORM]

SRC may be a file written by perceiver.save, a pickle of DeepMind's releases, or
a folder of transformers; which of them it is is found out, and nothing in it is
executed. DST is written whole or not at all.
"""

import argparse
from collections.abc import Sequence
import pathlib
import sys

import perceiver
from perceiver.checkpoints import load
from perceiver.checkpoints.deepmind import files as deepmind_files
from perceiver.checkpoints.huggingface import folder
from perceiver.checkpoints.pickle import reader

_SAVE = {
  "deepmind": deepmind_files.save,
  "huggingface": folder.save,
  "perceiver": perceiver.save,
}


def main(arguments: Sequence[str] | None = None) -> int:
  """Converts as the command line says; returns the exit status."""
  options = _parse(arguments)
  try:
    _convert(options.source, options.destination, options.model, options.to)
  except (ValueError, OSError) as error:
    print(f"convert_checkpoint: {error}", file=sys.stderr)
    return 1
  return 0


def _convert(
  source: pathlib.Path, destination: pathlib.Path, name: str | None, form: str
) -> None:
  if destination.exists():
    raise FileExistsError(
      f"{destination} is there already; expected a new path."
    )
  if name is None:
    model, variables = load.load_any(source)
  else:
    model, variables = perceiver.load(name, source)
  _describe("from", source)
  known = [x for x in perceiver.list_models() if perceiver.create(x) == model]
  print(f"model       {', '.join(known) or type(model.config).__name__}")
  print(f"parameters  {model.num_parameters():,}")
  _SAVE[form](destination, model, variables)
  _describe("to", destination)
  if form == "huggingface":
    for sentence in folder.deviations(model):
      print(f"note        In transformers {sentence}.")


def _describe(label: str, path: pathlib.Path) -> None:
  """Prints size and digest of a file, or of all files of a folder."""
  files = sorted(path.iterdir()) if path.is_dir() else [path]
  for file in filter(pathlib.Path.is_file, files):
    found = reader.describe(file)
    print(f"{label:10}  {file}")
    print(f"{'':10}  {found.size:,} bytes, SHA-256 {found.sha256}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description="Converts a checkpoint between forms."
  )
  parser.add_argument("source", metavar="SRC", type=pathlib.Path)
  parser.add_argument("destination", metavar="DST", type=pathlib.Path)
  parser.add_argument(
    "--model",
    choices=perceiver.list_models(),
    metavar="NAME",
    help="what SRC holds; found out if not given",
  )
  parser.add_argument(
    "--to",
    choices=sorted(_SAVE),
    default="perceiver",
    help="the form of DST (default: perceiver)",
  )
  return parser.parse_args(arguments)


if __name__ == "__main__":
  sys.exit(main())
