"""Rows of the papers' tables, as they are written down and read."""

from collections.abc import Iterator
import dataclasses
import re
from typing import NamedTuple


class Column(NamedTuple):
  """A column of numbers.

  Attributes:
    label: its name in the table; the first word of a GLUE task's is the task.
    metric: the evaluation metric that it is of; none if empty.
    split: the evaluation split that it is of, by its name; {part} is the task,
      or "8 tasks".
    scale: the number of a metric of 1.
  """

  label: str
  metric: str = ""
  split: str = ""
  scale: float = 100


TOP_1 = Column("top-1", "top_1", "imagenet2012 validation")
MAP = Column("mAP", "map", "audioset validation")


class Cell(NamedTuple):
  """A number of a table, and what repeats it.

  Attributes:
    column: with the name of the split.
    number: as the paper has it; empty where it has none.
    recipe: "EXPERIMENT RECIPE"; empty if there is none.
    key: the recipe as it is written in the row, of all tasks alike.
    task: the first word of the column's label.
  """

  column: Column
  number: str
  recipe: str
  key: str
  task: str


class Row(NamedTuple):
  """A row of a table: a model or another method.

  Attributes:
    name: as in the table.
    millions: the published number of parameters; None if there is none.
    numbers: one for each column, empty where the table has none.
    recipes: "EXPERIMENT RECIPE", for all columns or for each; {task} is that of
      the column.
    note: why the row cannot be repeated, or not quite; empty if it can.
  """

  name: str
  millions: float | None
  numbers: tuple[str, ...]
  recipes: tuple[str, ...]
  note: str


@dataclasses.dataclass(frozen=True)
class Table:
  """A table or a figure of a paper.

  Attributes:
    title: what it compares.
    columns: of numbers.
    experiment: that of the recipes.
    text: the rows, a line each: name | millions of parameters | numbers, with
      - for none | recipes, with commas between them | note. A line that begins
      with | continues the one before.
  """

  title: str
  columns: tuple[Column, ...]
  experiment: str
  text: str

  @property
  def rows(self) -> tuple[Row, ...]:
    """The rows from the top."""
    text = re.sub(r"\n\s*\|", "|", self.text.strip())
    return tuple(map(self._row, text.splitlines()))

  def cells(self, row: Row) -> Iterator[Cell]:
    """Yields the cells of a row from the left.

    Runs of another experiment than the table's are not evaluated by its metric.
    """
    count = len(self.columns)
    numbers = row.numbers + ("",) * (count - len(row.numbers))
    recipes = row.recipes * (count if len(row.recipes) == 1 else 1)
    for column, number, key in zip(self.columns, numbers, recipes, strict=True):
      task = column.label.split()[0]
      is_single = "{task}" in key
      if not key.startswith(f"{self.experiment} "):
        column = column._replace(metric="")
      if is_single and "{part}" not in column.split:
        key = ""  # no model has the average of models of one task
      part = task if is_single else "8 tasks"
      split = column.split.format(part=part)
      recipe = key.format(task=task)
      yield Cell(column._replace(split=split), number, recipe, key, task)

  def _row(self, line: str) -> Row:
    fields = [field.strip() for field in line.split("|")]
    name, millions, numbers, recipes, note = fields + [""] * (5 - len(fields))
    own = lambda recipe: f"{self.experiment} {recipe}"
    return Row(
      name,
      float(millions) if millions else None,
      tuple(number.removeprefix("-") for number in numbers.split()),
      tuple(
        recipe if " " in recipe else own(recipe) if recipe else ""
        for recipe in map(str.strip, recipes.split(","))
      ),
      note,
    )
