"""Tables of results."""

from typing import NamedTuple

import tabulate


class ResultTable(NamedTuple):
  """A table of an evaluation's own, of what is no list of metrics.

  Attributes:
    caption: the subject of the table.
    header: a heading for each column.
    rows: a name each, followed by numbers as text.
  """

  caption: str
  header: tuple[str, ...]
  rows: tuple[tuple[str, ...], ...]

  def __str__(self) -> str:
    """Returns the table as lines of text."""
    text = tabulate.tabulate(
      self.rows,
      self.header,
      tablefmt="plain",
      disable_numparse=True,
      colalign=["left", *["right"] * (len(self.header) - 1)],
    )
    return f"{self.caption}:\n{text}"
