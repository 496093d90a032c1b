"""Every published result of both papers, by table and by recipe.

Recipes take their numbers from `results`; `experiments.list --table` prints the
rows with the commands that repeat them.
"""

import dataclasses

from experiments.cli.papers import perceiver
from experiments.cli.papers import perceiver_io
from experiments.training import tasks

# By all of a row's recipe, by its first word and the row's note, or by its
# first word. {run} is the folder of the recipe's run, {folder} that of a
# column's data; words in capitals are folders and files that a person has.
_RECIPE = "experiments.train {experiment} --recipe {recipe}"
_TRAIN = f"{_RECIPE} --data.source DIR"
_IMAGENET = f"{_RECIPE} --data.source imagenet2012:DIR"
_BENCHMARK = (
  "scripts.benchmark --cases {recipe} --implementations ours --computations"
)
_EVALUATE = "experiments.evaluate {experiment} --checkpoint {run}"
COMMANDS: dict[str, tuple[str, ...]] = {
  "audioset": (_TRAIN,),
  "count": ("experiments.list {recipe}",),
  "benchmark": (f"{_BENCHMARK} gradient",),
  "imagenet": (_IMAGENET,),
  "modelnet40": (_TRAIN,),
  "optical_flow": (
    f"{_RECIPE} --data.source AUTOFLOW",
    f"{_EVALUATE} --data.evaluate-on {{label}}:{{folder}}",
  ),
  "starcraft": (_RECIPE,),
  "video_autoencoding": (_TRAIN,),
}
# Folders of runs by a row's recipe, if it is not the recipe's own.
RUNS: dict[str, str] = {}
_C4 = "--data.source c4_and_wikipedia:DIR"
_MASKED = f"experiments.train masked-language {_C4} --recipe"
_TUNING = "experiments.train {} --data.source GLUE --checkpoint runs/{}"
for _trunk, _prefix in (
  ("bytes", ""),
  ("bytes_large", "bytes_large_"),
  ("bytes_128_latents", "bytes_128_latents_"),
  ("bytes_512_latents", "bytes_512_latents_"),
  ("sentencepiece", "sentencepiece_"),
  ("bert_bytes", "bert_"),
  ("bert_sentencepiece", "bert_sentencepiece_"),
):
  _run = "masked_language" + f"-{_trunk}" * (_trunk != "bytes")
  _sweep = f"glue-sweep --workdir runs/glue-sweep-{_trunk}"
  _sweep += f" --recipes {_prefix}" * _prefix.startswith("bert")
  _pieces = " --data.sentencepiece-model PIECES" * ("piece" in _trunk)
  COMMANDS[f"masked_language {_trunk}"] = (
    f"{_MASKED} {_trunk}{_pieces}",
    f"{_TUNING.format(_sweep, _run)}{_pieces}",
  )
  _key = f"glue {_prefix}{{task}}"
  COMMANDS[_key] = COMMANDS[f"masked_language {_trunk}"]
  RUNS[_key] = f"glue-sweep-{_trunk}/{{task}}/*"
COMMANDS["glue"] = (
  f"{_MASKED} bytes",
  _TUNING.format("glue --recipe {recipe}", "masked_language"),
)
for _inputs in ("fourier", "projected", "conv"):
  _pretraining = f"large_{_inputs}_jft"
  COMMANDS[f"imagenet large_{_inputs}"] = (
    f"experiments.train imagenet --recipe {_pretraining} --data.source jft:DIR",
    f"{_IMAGENET} --checkpoint runs/imagenet-{_pretraining}",
  )
# Not of one format.
for _experiment, _source in (
  ("audioset", "AUDIOSET"),
  ("imagenet", "imagenet2012:IMAGENET"),
):
  COMMANDS[f"{_experiment} maps"] = (
    f"{_RECIPE} --data.source {_source}",
    f"{_EVALUATE} --data.source {_source} --report {{run}}/page",
  )
COMMANDS["benchmark tile"] = (f"{_BENCHMARK} forward",)

NOTES = {
  "quoted": "quoted: trained by others",
  "jft": "JFT-300M, for its pre-training, is not public",
  "plot": "the number is in a plot only",
  "tpu": "a speed of TPUs; the benchmark measures this machine's",
  "tile": "a speed of TPUs; the benchmark measures one tile on this machine",
  "game": "the game, AlphaStar's agent and the bot are not public: own battles",
  "autoflow": "the authors had 400,000 pairs of AutoFlow; 40,000 are public",
  "maps": "the page of the evaluation shows them",
  "mean_conv": "42.3 million parameters; the paper's are those of the FF row",
  "one place": "both rows are one model of 42.1 million parameters",
  "projected": "as appendix A.2 describes it, with 213 million parameters",
  "sharing": "the paper does not state whether it shares weights",
  "unexplained": "86.6 million parameters; the difference is unexplained",
  "sizes": "the Transformer's size is not published: that of ViT-B",
  "grid": "the grid of its patches is not published; 8 does not divide 44",
}

TABLES = {
  **{f"2103.03206:{n}": table for n, table in perceiver.TABLES.items()},
  **{f"2107.14795:{n}": table for n, table in perceiver_io.TABLES.items()},
}


def source(name: str) -> str:
  """Returns a table's name in words."""
  paper, _, number = name.partition(":")
  kind = "figure" if number.startswith("fig") else "table"
  kind = "appendix" if number.isupper() else kind
  return f"{paper} {kind} {number.removeprefix('fig')}"


def results(experiment: str) -> dict[str, tasks.Result]:
  """Returns the published results of an experiment's recipes.

  Of a number that stands in several tables, that with the most digits counts,
  and of equal ones the first.
  """
  found: dict[str, dict[tuple[str, str], tasks.Result]] = {}
  cells = [
    (name, cell)
    for name, table in TABLES.items()
    for row in table.rows
    for cell in table.cells(row)
  ]
  for name, cell in sorted(cells, key=lambda pair: -len(pair[1].number)):
    column, (owner, _, recipe) = cell.column, cell.recipe.partition(" ")
    if owner != experiment or not (cell.number and column.metric):
      continue
    result = tasks.Result(
      metric=column.metric,
      paper=round(float(cell.number) / column.scale, 4),
      source=source(name),
      split=column.split,
    )
    row = found.setdefault(recipe, {})
    row.setdefault((result.metric, result.split), result)
  # The mean of several tasks, where there is one, is a recipe's main number.
  ordered = (
    (recipe, sorted(row.values(), key=lambda result: result.metric != "score"))
    for recipe, row in found.items()
  )
  return {
    recipe: dataclasses.replace(first, also=tuple(also))
    for recipe, (first, *also) in ordered
  }
