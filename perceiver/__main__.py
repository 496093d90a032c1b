"""The command of the library, `perceiver` or `python -m perceiver`.

  perceiver list [PART ...] [--parameters]
  perceiver convert SOURCE DESTINATION [--to FORM] [--model NAME]
  perceiver doctor

No other file of the library reads a command line. JAX is imported by the
commands that compute, so that the others work where it cannot be.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
import hashlib
from importlib import metadata
import operator
import os
import pathlib
import platform
import re
import shutil
import sys
from typing import Any

import perceiver

_FORMS = ("deepmind", "huggingface", "perceiver")
_NAME = "perceiver-haiku"  # of the distribution
_LIBRARY = ("jax", "jaxlib", "dm-haiku", "jaxtyping", "numpy", "safetensors")
_TRAINING = ("optax", "orbax-checkpoint", "grain", "tensorflow-datasets")
_PLUGINS = ("jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu")
_TESTED = (("3.11.7", "0.10.2"), ("3.13.0", "0.12.0.1"))  # Python, jax
_NOTHING = "–"
_RELATIONS = {
  "<": operator.lt,
  "<=": operator.le,
  "==": operator.eq,
  ">": operator.gt,
  ">=": operator.ge,
}

# Reads a checkpoint, given its path and the name of its model, if any.
Load = Callable[[pathlib.Path, str | None], tuple[Any, Any]]


def main(
  arguments: Sequence[str] | None = None,
  *,
  path: Callable[[str], pathlib.Path] = pathlib.Path,
  load: Load | None = None,
) -> int:
  """Runs one of the commands.

  Args:
    arguments: the command line without the program's name; that of the process
      if None.
    path: reads a path as people write it.
    load: reads the checkpoint to convert; `perceiver.load` if None.

  Returns:
    The exit code: 0, or 1 after an error that is printed.

  Raises:
    SystemExit: with code 2 if the command line makes no sense.
  """
  try:
    options = _parser(path).parse_args(arguments)
    if options.command == "doctor":
      return _doctor()
    if options.command == "list":
      _list(options.parts, options.parameters)
    else:
      _convert(options, load or perceiver.load)
  except BrokenPipeError:
    # Python would complain of it as it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
  except (perceiver.PerceiverError, ValueError, OSError) as error:
    print(f"error: {error}", file=sys.stderr)
    return 1
  return 0


def _parser(path: Callable[[str], pathlib.Path]) -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog="perceiver", description=perceiver.__doc__
  )
  version = f"perceiver {perceiver.__version__}"
  parser.add_argument("--version", action="version", version=version)
  commands = parser.add_subparsers(dest="command", required=True)

  about = "List the published models."
  listing = commands.add_parser("list", help=about, description=about)
  listing.add_argument(
    "parts", nargs="*", metavar="PART", help="a part of the names to list"
  )
  listing.add_argument(
    "--parameters", action="store_true", help="count the parameters of each"
  )

  about = "Convert a checkpoint between forms; nothing in it is executed."
  convert = commands.add_parser("convert", help=about, description=about)
  convert.add_argument(
    "source",
    type=path,
    metavar="SOURCE",
    help="a file written by perceiver.save, the folder of a training run, a "
    "pickle of DeepMind's releases, or a folder of transformers",
  )
  convert.add_argument(
    "destination",
    type=path,
    metavar="DESTINATION",
    help="a new file, or a new folder for huggingface; written whole or not "
    "at all",
  )
  convert.add_argument(
    "--to", choices=_FORMS, default="perceiver", help="default: %(default)s"
  )
  convert.add_argument(
    "--model",
    metavar="NAME",
    help="the model of SOURCE; found there if left out",
  )

  about = "Print versions, devices, memory, compilers and known problems."
  commands.add_parser("doctor", help=about, description=about)
  return parser


def _list(parts: Sequence[str], with_parameters: bool) -> None:
  """Prints the names of models, each as soon as it is counted."""
  names = [
    name
    for name in perceiver.list_models()
    if not parts or any(part in name for part in parts)
  ]
  if not names:
    raise ValueError(f"no model's name has {' or '.join(parts)} in it.")
  width = max(map(len, names))
  for name in names:
    line = name
    if with_parameters:
      count = perceiver.create(name).num_parameters()
      line = f"{name:{width}}  {count:13,}"
    print(line, flush=True)


def _convert(options: argparse.Namespace, load: Load) -> None:
  from perceiver.checkpoints.deepmind import files
  from perceiver.checkpoints.huggingface import folder

  source, destination = options.source, options.destination
  if destination.exists():
    raise FileExistsError(
      f"{destination} is there already; expected a new path."
    )
  model, variables = load(source, options.model)
  _describe("from", source)
  known = [x for x in perceiver.list_models() if perceiver.create(x) == model]
  print(f"model       {', '.join(known) or type(model.config).__name__}")
  print(f"parameters  {model.num_parameters():,}")
  savers: tuple[Callable[..., None], ...]
  savers = (files.save, folder.save, perceiver.save)
  dict(zip(_FORMS, savers))[options.to](destination, model, variables)
  _describe("to", destination)
  if options.to == "huggingface":
    for sentence in folder.deviations(model):
      print(f"note        In transformers {sentence}.")


def _describe(label: str, path: pathlib.Path) -> None:
  """Prints size and checksum of a file, or of all files of a folder."""
  files = sorted(path.iterdir()) if path.is_dir() else [path]
  for file in filter(pathlib.Path.is_file, files):
    with file.open("rb") as content:
      checksum = hashlib.file_digest(content, "sha256").hexdigest()
    print(f"{label:10}  {file}")
    print(f"{'':10}  {file.stat().st_size:,} bytes, SHA-256 {checksum}")


def _doctor() -> int:
  """Prints what the library runs with; returns 1 if a problem is known."""
  versions = {
    name: found
    for name in (_NAME, "perceiver", *_LIBRARY, *_TRAINING, *_PLUGINS)
    if (found := _version(name))
  }
  folder = pathlib.Path(perceiver.__file__).parent
  _print("perceiver", f"{perceiver.__version__}, {folder}")
  _print("Python", f"{platform.python_version()}, {platform.platform()}")
  for name in (*_LIBRARY, *_TRAINING):
    _print(name, versions.get(name, _NOTHING))
  found = problems(versions, os.environ)
  try:
    platforms = _devices()
  except Exception as error:  # A broken JAX can raise any error.
    found.append(f"JAX does not start: {type(error).__name__}: {error}")
  else:
    found += _unused(platforms)
  total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
  cores = os.cpu_count()
  _print("memory", f"{total / 1e9:.1f} GB of this machine, {cores} cores")
  plugins = [f"{x} {versions[x]}" for x in _PLUGINS if x in versions]
  tools = [path for x in ("ptxas", "nvcc") if (path := shutil.which(x))]
  _print("compilers", ", ".join(["XLA for CPUs", *plugins, *tools]))
  tested = (f"Python {python} with jax {jax}" for python, jax in _TESTED)
  _print("tested", ", ".join(tested))
  for problem in found or ["none is known"]:
    _print("problem", problem)
  return int(bool(found))


def _print(label: str, text: str) -> None:
  print(f"{label:19}  {text}", flush=True)


def _version(distribution: str) -> str | None:
  try:
    return metadata.version(distribution)
  except metadata.PackageNotFoundError:
    return None


def _devices() -> set[str]:
  """Prints JAX's devices with their memory; returns their platforms."""
  import jax

  devices = jax.local_devices()
  for kind in dict.fromkeys(device.device_kind for device in devices):
    alike = [device for device in devices if device.device_kind == kind]
    memory = (alike[0].memory_stats() or {}).get("bytes_limit")
    each = f", {memory / 1e9:.1f} GB each" if memory else ""
    _print("devices", f"{len(alike)} × {kind} ({alike[0].platform}){each}")
  return {device.platform for device in devices}


def problems(
  versions: Mapping[str, str], environment: Mapping[str, str]
) -> list[str]:
  """Returns a sentence for every known cause of failure.

  Args:
    versions: those of installed distributions.
    environment: the environment variables.
  """
  found = []
  if "perceiver" in versions:
    found.append(
      "another project, the distribution perceiver, has the same import name: "
      f"uninstall both and install {_NAME} again"
    )
  for owner in (_NAME, *_LIBRARY):
    if owner in versions:
      found += _out_of_bounds(owner, metadata.requires(owner) or (), versions)
  for plugin in _PLUGINS[:2]:
    if versions.get(plugin) not in (None, versions.get("jaxlib")):
      found.append(
        f"{plugin} is {versions[plugin]}; expected jaxlib's version, "
        f"{versions.get('jaxlib')}"
      )
  simulated = "device_count" in environment.get("XLA_FLAGS", "")
  if simulated and "NPROC" not in environment:
    found.append(
      "simulated devices wait for one another for ever on few cores: set "
      "NPROC=32"
    )
  return found


def _out_of_bounds(
  owner: str, requirements: Sequence[str], versions: Mapping[str, str]
) -> list[str]:
  """Returns a sentence for each installed requirement of another version."""
  found = []
  for requirement in requirements:
    wanted, _, marker = requirement.partition(";")
    name = re.split(r"[^\w.-]", wanted)[0]
    # Markers of platforms are not evaluated; those of our extras are names.
    if name not in versions or (marker and owner != _NAME):
      continue
    bounds = re.findall(r"(>=|<=|==|<|>) ?(\d[\d.]*)", wanted)
    if not all(_holds(versions[name], *bound) for bound in bounds):
      found.append(
        f"{name} is {versions[name]}; {owner} {versions[owner]} expects "
        f"{wanted.strip().removeprefix(name)}"
      )
  return found


def _holds(version: str, relation: str, bound: str) -> bool:
  return _RELATIONS[relation](_numbers(version), _numbers(bound))


def _numbers(version: str) -> list[int]:
  """Returns the release of a version, without zeros at its end."""
  (release,) = re.findall(r"^\d[\d.]*", version)
  numbers = [int(x) for x in release.split(".") if x]
  while numbers and not numbers[-1]:
    numbers.pop()
  return numbers


def _unused(platforms: set[str]) -> list[str]:
  """Returns a sentence if JAX leaves an accelerator of this machine unused."""
  if platforms != {"cpu"} or "cpu" in os.environ.get("JAX_PLATFORMS", ""):
    return []
  return [
    f"/dev/{file} is there and JAX computes on the CPU: install JAX for it, "
    f"`pip install 'jax[{extra}]'`"
    for file, extra in (("nvidia0", "cuda13"), ("accel0", "tpu"))
    if pathlib.Path("/dev", file).exists()
  ]


if __name__ == "__main__":
  sys.exit(main())
