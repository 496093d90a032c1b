"""Evaluation of one model at several numbers of latents, and their choice."""

import dataclasses
import pathlib
import re

import numpy as np
import tyro

from experiments.cli import arguments
from experiments.cli import candidates
from experiments.cli import errors
from experiments.cli import html_report
from experiments.cli import latent_rows
from experiments.runs import folder as run_folder
from experiments.runs import metric_meanings
from experiments.training import evaluation
from experiments.training import latent_sizes
from experiments.training import sharding
import perceiver
from perceiver import latent_sizes as model_sizes
from perceiver.checkpoints import store

PLOT = "latents.png"

_NUM_RESAMPLES = 2000
_CONFIDENCE = 0.95  # that the chosen size is as good, one-sided
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_PREFIXES = {"": 1.0, "M": 1e6, "G": 1e9, "T": 1e12}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection(arguments.Selection):
  """Selects a recipe, and numbers of latents to evaluate it with.

  Attributes:
    latents: numbers of first latents to evaluate with, such as 2,8,32; "all"
      for those that the model was trained for, or powers of two.
    choose_latents: choose among them and write the choice into the model's
      file; needs --within or --budget.
    within: choose the smallest number that is worse than all latents by so much
      at most, with 95 % confidence on these examples: in points (hundredths)
      for shares, else in the metric's unit.
    budget: choose the largest number within it, for one example: time such as
      5ms, measured here, or operations such as 2GFLOP.
    metric: by which to choose, with a minus before it if lower is better; the
      first one of the evaluation beside the loss if None.
  """

  latents: str | None = None
  choose_latents: tyro.conf.FlagCreatePairsOff[bool] = False
  within: float | None = None
  budget: str | None = None
  metric: str | None = None

  def __post_init__(self) -> None:
    limits = [x for x in (self.within, self.budget) if x is not None]
    if self.choose_latents and len(limits) != 1:
      raise ValueError("--choose-latents needs --within or --budget")
    if limits and not self.choose_latents:
      raise ValueError("--within and --budget go with --choose-latents")
    if self.within is not None and not self.within >= 0:
      raise ValueError(f"--within is {self.within}; expected at least 0")
    if self.budget is not None:
      _budget(self.budget)
    words = self.latents
    if words is not None and not re.fullmatch(r"all|\d+(,\d+)*", words):
      raise ValueError(
        f"--latents is {words!r}; expected all, or numbers such as 2,8,32"
      )

  @property
  def of_latents(self) -> bool:
    """True if numbers of latents are to be compared."""
    return self.choose_latents or self.latents is not None


def compare(
  candidate: candidates.Candidate, options: Selection, examples: int | None
) -> list[latent_rows.Row]:
  """Evaluates a model with several numbers of latents, ascending.

  Args:
    candidate: the model, with all its latents.
    options: which numbers.
    examples: how many to evaluate on, the first ones; None for all.

  Raises:
    errors.UsageError: if the model or its evaluation does not offer it.
  """
  sizes = _sizes(candidate, options.latents)
  task = candidate.task
  own = isinstance(task, evaluation.HasEvaluator) and task.make_evaluator()
  if own:
    raise errors.UsageError(
      f"{type(task).__name__} evaluates its split as a whole, without a number "
      "for each example: --latents and --choose-latents are not offered"
    )
  return [latent_rows.evaluate(candidate, n, examples) for n in sizes]


def _sizes(candidate: candidates.Candidate, wanted: str | None) -> list[int]:
  """Returns numbers of latents, ascending, the last one that of all."""
  config = candidate.task.model.config
  most = model_sizes.count(config)
  if most is None:
    raise errors.UsageError(f"{type(config).__name__} has no latents")
  wanted = None if wanted == "all" else wanted
  numbers = candidate.config.latents.sizes
  if wanted is not None:
    numbers = tuple(map(int, wanted.split(",")))
  found = {most}
  for number in numbers or [2**i for i in range(most.bit_length())]:
    try:
      latent_sizes.with_first(candidate.task, number)
      found.add(number)
    except latent_sizes.NotOfferedError as error:
      if wanted is not None:
        raise errors.UsageError(str(error)) from error
  return sorted(found)


def metric_of(
  rows: list[latent_rows.Row], wanted: str | None
) -> tuple[str, float]:
  """Returns the metric to choose by, and 1, or -1 if lower is better.

  Raises:
    errors.UsageError: if there is no such metric.
  """
  names = list(rows[0].values)
  name = wanted or next((n for n in names if n != "loss"), "-loss")
  sign, name = (-1.0, name[1:]) if name.startswith("-") else (1.0, name)
  if name not in names:
    raise errors.UsageError(
      f"--metric is {wanted}; expected one of {', '.join(names)}, with a minus "
      "before it if lower is better"
    )
  return name, sign


def choose(
  rows: list[latent_rows.Row], options: Selection
) -> tuple[latent_rows.Row, str]:
  """Returns the chosen number of latents, and the reason in words.

  Raises:
    errors.UsageError: if nothing fits the budget.
  """
  if options.budget is not None:
    limit, is_time = _budget(options.budget)
    cost = lambda row: row.seconds if is_time else row.flops
    fitting = [row for row in rows if cost(row) <= limit]
    if not fitting:
      raise errors.UsageError(
        f"--budget is {options.budget}; not even {rows[0].num_latents} latents "
        f"do: {rows[0].flops / 1e9:.4g} GFLOP, {rows[0].seconds * 1e3:.3g} ms"
      )
    return fitting[-1], f"the most within {options.budget}"
  name, sign = metric_of(rows, options.metric)
  is_share = metric_meanings.of(name).text.startswith("share")
  assert options.within is not None
  margin = options.within / 100 if is_share else options.within
  whole = rows[-1].values[name]
  for row in rows:
    worse = lower_bound(sign * (row.values[name] - whole))
    if worse >= -margin:
      break
  unit = "points" if is_share else metric_meanings.of(name).unit
  return row, (
    f"the fewest whose {name} is, with {_CONFIDENCE:.0%} confidence, worse by "
    f"at most {options.within:g} {unit}".rstrip()
  )


def lower_bound(differences: np.ndarray, seed: int = 0) -> float:
  """Returns the bootstrap's one-sided lower bound of a mean.

  Args:
    differences: of each example, [examples].
    seed: of the resampling.
  """
  generator = np.random.default_rng(seed)
  count = len(differences)
  means = [
    differences[generator.integers(0, count, count)].mean()
    for _ in range(_NUM_RESAMPLES)
  ]
  return float(np.quantile(means, 1 - _CONFIDENCE))


def write_choice(
  path: pathlib.Path, model: perceiver.Model, num_latents: int
) -> pathlib.Path:
  """Writes a number of latents into a model's file, which `load` then uses.

  Args:
    path: the file, or the folder of a finished run.
    model: the model that it must hold.
    num_latents: the choice.

  Raises:
    errors.UsageError: if it is no file of ours.
  """
  file = path / run_folder.MODEL if path.is_dir() else path
  if not file.is_file() or not store.is_ours(file):
    raise errors.UsageError(
      f"{file} is no model file of ours, so that the choice cannot be written"
    )
  model, variables = store.load(file, type(model.config))
  chosen = dataclasses.replace(model, num_latents=num_latents)
  perceiver.save(file, chosen, variables, store.notes(file))
  return file


def _budget(text: str) -> tuple[float, bool]:
  """Returns seconds or operations, and whether it is time.

  Raises:
    ValueError: if it is neither.
  """
  if match := re.fullmatch(r"([\d.]+) ?(us|ms|s)", text):
    return float(match[1]) * _UNITS[match[2]], True
  if match := re.fullmatch(r"([\d.]+) ?([MGT]?)FLOPs?", text):
    return float(match[1]) * _PREFIXES[match[2]], False
  raise ValueError(
    f"--budget is {text!r}; expected a time such as 5ms, or operations such as "
    "2GFLOP"
  )


def run(
  candidate: candidates.Candidate,
  path: pathlib.Path,
  options: Selection,
  examples: int | None,
  folder: pathlib.Path | None,
) -> str:
  """Compares, plots and, if wanted, chooses; returns the results in words.

  Args:
    candidate: the model.
    path: where it was read, and where a choice is written.
    options: which numbers, and how to choose.
    examples: how many to evaluate on; None for all.
    folder: of a page with table and plot; none is written if None.
  """
  rows = compare(candidate, options, examples)
  name, _ = metric_of(rows, options.metric)
  found = _with_all(rows, name, candidate)
  lines = [found.counts(), *map(str, found.details)]
  is_first = not sharding.process_index()
  if folder is not None and is_first:
    page = html_report.write(
      folder,
      title=f"Evaluation with {rows[-1].num_latents} latents and with fewer",
      found=found,
      pictures=[latent_rows.plot(rows, name, folder / PLOT)],
      facts=candidates.facts(candidate),
    )
    lines.append(f"report: {page}")
  if options.choose_latents:
    chosen, reason = choose(rows, options)
    file = (
      write_choice(path, candidate.task.model, chosen.num_latents)
      if is_first
      else path
    )
    lines.append(
      f"chosen: {chosen.num_latents} latents, {reason}; written into {file}"
    )
  return "\n".join(lines)


def _with_all(
  rows: list[latent_rows.Row], metric: str, candidate: candidates.Candidate
) -> evaluation.Evaluation:
  """Returns the evaluation with all latents, and the table of the others."""
  split = candidate.task.eval_split()
  count = len(rows[-1].values[metric])
  return evaluation.Evaluation(
    metrics=rows[-1].means(),
    examples=count,
    expected=len(split.source),
    split=split.name,
    is_partial=count < len(split.source),
    details=(latent_rows.table(rows),),
  )
