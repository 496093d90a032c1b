"""Compiles a recipe for hardware that is not here.

  python -m experiments.preflight EXPERIMENT --on tpu-v5e-64 [--recipe NAME]
      [--mini] [--fit] [--json] [--train.batch-size 64 ...]
  python -m experiments.preflight --on list

Nothing is computed: the compilers of TPUs and GPUs say whether the training
step compiles, the memory that it takes, and on TPUs the cycles that they
expect. Of the data only shapes are needed. Exit code 0 if it fits, 1 if not.
"""

from collections.abc import Sequence
import dataclasses
import json
import pathlib
import sys
import time

import numpy as np

from experiments.cli import arguments as cli_arguments
from experiments.cli import errors
from experiments.cli import registry
from experiments.hardware import accelerators
from experiments.hardware import fitting
from experiments.hardware import preflight
from experiments.runs import progress
from experiments.training import trainer

_PROG = "python -m experiments.preflight"
_CACHE = pathlib.Path("runs") / "preflight"
_SECONDS = 2.0  # for which examples are prepared
_DAY = 86_400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preflight(cli_arguments.Selection):
  """Compiles a recipe's steps for hardware that is not here.

  Attributes:
    on: the hardware, tpu-GENERATION-N or CARD-N; "list" names all.
    fit: compile up to six ways to compute the batch, for the fastest that fits.
    json: print everything as JSON.
  """

  on: str
  fit: bool = False
  json: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
  """Runs the command.

  Args:
    arguments: the command line without the program's name.

  Returns:
    The exit code: 0 if the recipe fits, 1 if not, 2 for what makes no sense.
  """
  found: list[bool] = []
  given = cli_arguments.given(arguments)
  code = errors.run(lambda: found.append(_main(given)))
  return code or int(not all(found))


def _main(arguments: Sequence[str]) -> bool:
  if list(arguments) in (["--on", "list"], ["--on=list"]):
    for name in accelerators.names():
      print(accelerators.find(name).describe())
    return True
  accelerators.prepare()
  options = cli_arguments.select(Preflight, arguments, _PROG)
  choice = options.choose()
  name = f"{choice.name} {choice.recipe}"
  try:
    accelerator = accelerators.find(options.on)
    if not options.fit:
      choice = registry.for_hardware(choice, accelerator.name)
    experiment = cli_arguments.override(Preflight, choice, arguments, _PROG)
    check = fitting.fit if options.fit else preflight.check
    progress.write(f"compiling {name}; minutes for TPUs, less for GPUs …")
    page = check(experiment, accelerator, name, _CACHE)
  except ValueError as error:
    raise errors.UsageError(str(error)) from error
  rate = _examples_per_second(experiment)
  if options.json:
    row = dataclasses.asdict(page) | {
      "fits": page.fits(),
      "milliseconds": page.milliseconds(),
      "examples_per_second_and_core": rate,
      "options": fitting.options(page, experiment),
    }
    print(json.dumps(row, indent=2))
  else:
    print("\n".join(describe(page, experiment, rate)))
  return page.fits()


def describe(
  page: preflight.Page, experiment: trainer.Experiment, rate: float | None
) -> list[str]:
  """Returns the lines of a page.

  Args:
    page: what the compiler said.
    experiment: the recipe, of which the page may be a variant.
    rate: examples a second that one core here prepares; None if unknown.
  """
  step, accelerator = page.training, page.accelerator
  way = f"accumulate {page.accumulate}, fsdp {page.fsdp}"
  lines = [
    accelerator.describe(),
    f"{page.recipe}: {page.batch_size} examples a step, {way}"
    + (f", rematerialisation {page.remat}" if page.remat else ""),
    *_program("training step", step, accelerator),
    f"  FLOPs of a step and device: {page.flops:.3g}",
  ]
  milliseconds = page.milliseconds()
  if milliseconds is not None:
    lines += _times(page, milliseconds)
  elif accelerator.platform == "cuda":
    lines.append("  time: this compiler gives no estimate")
  if page.evaluation is not None:
    lines += _program("evaluation step", page.evaluation, accelerator)
  if rate is not None:
    lines.append(f"input pipeline: {rate:,.0f} examples/s on one core here")
    if milliseconds:
      wanted = 1e3 * page.batch_size / milliseconds
      lines.append(f"  {wanted / rate:,.0f} such cores feed this hardware")
  if changed := fitting.options(page, experiment):
    lines.append(f"options: {changed}")
  if page.fits():
    return [*lines, "fits"]
  advice = "none of the ways tried fits; use more devices"
  if not changed and page.accumulate == experiment.train.accumulate:
    advice = (
      "does not fit: --fit tries accumulation, rematerialisation and fsdp"
    )
  return [*lines, advice]


def _times(page: preflight.Page, milliseconds: float) -> list[str]:
  """Returns lines on the compiler's estimate of time."""
  accelerator, cycles = page.accelerator, page.training.cycles or 0
  useful = page.flops / accelerator.matrix_rate * 1e3 / milliseconds
  lines = [
    f"  estimated by the compiler: {cycles / 1e6:,.0f} M cycles, "
    f"{milliseconds:,.0f} ms at {(accelerator.clock or 0) / 1e9:.2f} GHz; "
    f"matrix units busy {100 * useful:.0f} %"
  ]
  if page.num_steps:
    days = page.num_steps * milliseconds / 1e3 / _DAY
    lines.append(f"  {page.num_steps:,} steps: {days:,.1f} days, likewise")
  else:
    lines.append("  steps of the recipe: unknown without its data")
  if page.training.undeclared:
    lines.append(f"  {page.training.undeclared} kernels count no cycles")
  return lines


def _program(
  name: str,
  program: preflight.Compiled,
  accelerator: accelerators.Accelerator,
) -> list[str]:
  """Returns lines on a compiled program."""
  if program.reason:
    return [f"{name}: does not compile: {program.reason}"]
  exchanges = "; ".join(
    f"{number} {kind}, {size / 1e6:,.1f} MB in all"
    for kind, (number, size) in sorted(program.collectives.items())
  )
  return [
    f"{name}: compiled in {program.seconds:.0f} s",
    f"  a device: arguments {program.arguments / 1e9:.2f} GB + temporaries "
    f"{program.temporaries / 1e9:.2f} GB = {program.memory / 1e9:.2f} GB of "
    f"{accelerator.memory / 1e9:.1f} GB",
    f"  collectives: {exchanges or 'none'}",
  ]


def _examples_per_second(experiment: trainer.Experiment) -> float | None:
  """Returns the examples that one core prepares; None without the data."""
  try:
    split = experiment.task().train_split()
    count = min(len(split.source), 1000)
    split.transform(split.source[0], np.random.default_rng(0))
  except (FileNotFoundError, ValueError):
    return None
  begun = time.monotonic()
  for number in range(count):
    generator = np.random.default_rng(number)
    split.transform(split.source[number], generator)
    if time.monotonic() - begun > _SECONDS:
      break
  return (number + 1) / (time.monotonic() - begun)


if __name__ == "__main__":
  sys.exit(main())
