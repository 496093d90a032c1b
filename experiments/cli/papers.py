"""The tables of both papers: every published result, and its recipe.

A number stands here alone: recipes take theirs from `results`, and
`experiments.list --table` prints the rows with the commands that repeat them.
Numbers are in the papers' units: accuracies are in hundredths.
"""

from collections.abc import Iterator
import dataclasses
from typing import NamedTuple

from experiments.training import tasks


class Column(NamedTuple):
  """A column of numbers.

  Attributes:
    label: its name in the table.
    metric: the evaluation metric that it is of; none if empty.
    split: the evaluation split that it is of, by its name; any if empty.
    scale: the number of a metric of 1.
  """

  label: str
  metric: str = ""
  split: str = ""
  scale: float = 100


class Cell(NamedTuple):
  """A number of a table, None where it has none, and its recipe."""

  column: Column
  number: float | None
  recipe: str


class Row(NamedTuple):
  """A row of a table: a model or another method.

  Attributes:
    name: as in the table.
    numbers: one for each column, None where the table has none.
    recipe: "EXPERIMENT RECIPE" for all columns, or one for each; empty where
      there is none.
    reason: why the row cannot be repeated, or not quite; empty if it can.
    millions: the published number of parameters.
    commands: those that repeat the row; the experiment's in `COMMANDS` if
      empty.
  """

  name: str
  numbers: tuple[float | None, ...] = ()
  recipe: str | tuple[str, ...] = ""
  reason: str = ""
  millions: float | None = None
  commands: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
  """A table or a figure of a paper.

  Attributes:
    title: what it compares.
    columns: of numbers.
    rows: from the top.
  """

  title: str
  columns: tuple[Column, ...]
  rows: tuple[Row, ...]

  def cells(self, row: Row) -> Iterator[Cell]:
    """Yields the numbers of a row."""
    recipes = row.recipe
    if isinstance(recipes, str):
      recipes = (recipes,) * len(self.columns)
    missing = (None,) * (len(self.columns) - len(row.numbers))
    yield from map(Cell, self.columns, row.numbers + missing, recipes)


# By experiment; {recipe}, {run} and {label} are a recipe, the folder of its run
# and the label of a column. Words in capitals are folders of data.
_TRAIN = "train {experiment} --recipe {recipe} --data.data-dir DIR"
COMMANDS = {
  "audioset": (_TRAIN,),
  "imagenet": (_TRAIN,),
  "modelnet40": (_TRAIN,),
}
_QUOTED = "quoted: trained by others"

# ------------------------------------------------------ 2103.03206, Perceiver

_TOP_1 = Column("top-1", "top_1", "imagenet2012 validation")
_PERCEIVER = Row("Perceiver (FF)", (78.0,), "imagenet perceiver", "", 44.9)
_PERCEIVER_TABLES = {
  "1": Table(
    title="ImageNet",
    columns=(_TOP_1,),
    rows=(
      Row("ResNet-50", (77.6,), reason=_QUOTED),
      Row("ViT-B/16", (77.9,), reason=_QUOTED),
      _PERCEIVER,
    ),
  ),
  "2": Table(
    title="ImageNet, pixels permuted, the same way in all images",
    columns=(
      _TOP_1._replace(label="raw"),
      _TOP_1._replace(label="permuted"),
    ),
    rows=(
      _PERCEIVER._replace(
        numbers=(78.0, 78.0),
        recipe=("imagenet perceiver", "imagenet perceiver_permuted"),
      ),
      Row(
        "Perceiver (learned)",
        (70.9, 70.9),
        ("imagenet perceiver_learned", "imagenet perceiver_learned_permuted"),
      ),
    ),
  ),
  "5": Table(
    title="cross-attends alone, no latent Transformer, nothing shared",
    columns=(_TOP_1,),
    rows=(
      Row("4", (39.4,), "imagenet perceiver_4_cross_attends_only", "", 12.7),
      Row("8", (45.3,), "imagenet perceiver_8_cross_attends_only", "", 23.8),
      Row(
        "12",
        recipe="imagenet perceiver_12_cross_attends_only",
        reason="the paper ran out of memory",
        millions=34.9,
      ),
    ),
  ),
  "6": Table(
    title="number and places of the cross-attends",
    columns=(_TOP_1,),
    rows=(
      Row(
        "1 at the start",
        (76.7,),
        "imagenet perceiver_1_cross_attend",
        "counted, both rows of one cross-attend have 42.1 million parameters",
        41.1,
      ),
      Row(
        "1 interleaved",
        (76.7,),
        "imagenet perceiver_1_cross_attend",
        "the same model: there is one place",
        42.1,
      ),
      *(
        Row(
          f"{number} {where.replace('_', ' ')}",
          (top_1,),
          f"imagenet perceiver_{number}_cross_attends{suffix}",
          millions=44.9,
        )
        for number, top_1, where, suffix in (
          (2, 76.7, "at the start", "_at_start"),
          (2, 76.5, "interleaved", ""),
          (4, 75.9, "at the start", "_at_start"),
          (4, 76.5, "interleaved", ""),
          (8, 73.7, "at the start", "_at_start"),
        )
      ),
      _PERCEIVER._replace(name="8 interleaved"),
    ),
  ),
  "7": Table(
    title="sharing of weights",
    columns=(_TOP_1,),
    rows=(
      Row("none", (72.9,), "imagenet perceiver_unshared", "", 326.2),
      _PERCEIVER._replace(name="shared"),
    ),
  ),
}

# --------------------------------------------------- 2107.14795, Perceiver IO

_IO_TABLES = {
  "7": Table(
    title="ImageNet",
    columns=(_TOP_1,),
    rows=(
      Row("ResNet-50", (78.6,), reason=_QUOTED),
      Row("NFNet-F6+SAM", (86.5,), reason=_QUOTED),
      Row("Meta Pseudo Labels, pre-trained", (90.2,), reason=_QUOTED),
      Row("ViT-B/16", (77.9,), reason=_QUOTED),
      Row("ViT-H/14, pre-trained", (88.6,), reason=_QUOTED),
      Row("DeiT, 1000 epochs", (85.2,), reason=_QUOTED),
      Row("CaiT-M48 448", (86.5,), reason=_QUOTED),
      Row("Perceiver (FF)", (78.6,), "imagenet mean_fourier", "", 42.1),
      Row("Perceiver IO, A (FF)", (79.0,), "imagenet fourier", "", 48.4),
      Row("Perceiver (learned)", (67.6,), "imagenet mean_learned", "", 55.9),
      Row("Perceiver IO, A (learned)", (72.7,), "imagenet learned", "", 62.3),
      Row(
        "Perceiver (conv)",
        (77.4,),
        "imagenet mean_conv",
        "42.3 million parameters; the paper has those of the row with FF",
        42.1,
      ),
      Row("Perceiver IO, A (conv)", (82.1,), "imagenet conv", "", 48.6),
    ),
  ),
}
TABLES: dict[str, Table] = {
  f"{paper}:{number}": table
  for paper, tables in (
    ("2103.03206", _PERCEIVER_TABLES),
    ("2107.14795", _IO_TABLES),
  )
  for number, table in tables.items()
}


def source(name: str) -> str:
  """Returns a table's name in words."""
  paper, _, number = name.partition(":")
  kind = "figure" if number.startswith("fig") else "table"
  return f"{paper} {kind} {number.removeprefix('fig')}"


def results(experiment: str) -> dict[str, tasks.Result]:
  """Returns the published results of an experiment's recipes.

  A number that stands in several tables counts for the first of them.
  """
  found: dict[str, dict[tuple[str, str], tasks.Result]] = {}
  for name, table in TABLES.items():
    for cell in (cell for row in table.rows for cell in table.cells(row)):
      column, (owner, _, recipe) = cell.column, cell.recipe.partition(" ")
      if owner != experiment or cell.number is None or not column.metric:
        continue
      result = tasks.Result(
        metric=column.metric,
        paper=round(cell.number / column.scale, 4),
        source=source(name),
        split=column.split,
      )
      row = found.setdefault(recipe, {})
      row.setdefault((result.metric, result.split), result)
  return {
    recipe: dataclasses.replace(first, also=tuple(also))
    for recipe, (first, *also) in ((r, x.values()) for r, x in found.items())
  }
