"""A page that shows what an evaluation found: numbers and pictures.

The page is one HTML file without scripts; its pictures lie in the same folder,
which can be moved or sent as a whole.
"""

from collections.abc import Sequence
import html
import os
import pathlib

from experiments.data import files
from experiments.training import evaluation
from experiments.training import tasks

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto;
  padding: 0 1em; color: #222; }
table { border-collapse: collapse; }
th, td { padding: 0.2em 1em 0.2em 0; text-align: left;
  border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 2em 0; }
img, video { max-width: 100%; }
video { min-width: 50%; image-rendering: pixelated; }
pre { overflow-x: auto; background: #f6f6f6; padding: 1em; }
"""


def write(
  folder: pathlib.Path,
  *,
  title: str,
  found: evaluation.Evaluation,
  result: tasks.Result | None = None,
  pictures: Sequence[pathlib.Path] = (),
) -> pathlib.Path:
  """Writes index.html into a folder.

  Args:
    folder: made if it is not there.
    title: what was evaluated.
    found: its numbers.
    result: the paper's numbers, shown beside those that they compare with.
    pictures: image files, and videos as .mp4, best within the folder: they
      are shown by their paths relative to it.

  Returns:
    The file.

  Raises:
    files.InputError: if it cannot be written.
  """
  path = folder / "index.html"
  parts = [
    f"<h1>{html.escape(title)}</h1>",
    f"<p>{html.escape(found.counts())}</p>",
    _numbers(found, result),
    f"<pre>{html.escape(found.details)}</pre>" if found.details else "",
    *(_picture(picture, folder) for picture in pictures),
  ]
  head = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
  )
  body = "\n".join(filter(None, parts))
  files.write_text(
    path,
    f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n'
    f"<body>\n{body}\n</body>\n</html>\n",
  )
  return path


def _numbers(found: evaluation.Evaluation, result: tasks.Result | None) -> str:
  """Returns the metrics as a table, with the paper's where there are any."""
  papers = found.papers(result)
  names = ("metric", "here", "paper", "difference", "source")
  rows = ["".join(f"<th>{name}</th>" for name in names)]
  for metric, value in found.metrics.items():
    cells = [f"<td>{html.escape(metric)}</td>", _number(f"{value:.4f}")]
    if metric in papers:
      paper = papers[metric]
      assert paper.paper is not None
      cells += [
        _number(f"{paper.paper:g}"),
        _number(f"{value - paper.paper:+.4f}"),
        f"<td>{html.escape(paper.source)}</td>",
      ]
    rows.append("".join(cells))
  return "<table>\n" + "\n".join(f"<tr>{r}</tr>" for r in rows) + "\n</table>"


def _number(text: str) -> str:
  return f'<td class="number">{text}</td>'


def _picture(path: pathlib.Path, folder: pathlib.Path) -> str:
  place = html.escape(pathlib.Path(os.path.relpath(path, folder)).as_posix())
  name = html.escape(path.stem.replace("_", " "))
  shown = f'<img src="{place}" alt="{name}">'
  if path.suffix == ".mp4":
    shown = f'<video src="{place}" controls loop></video>'
  return f"<figure><figcaption>{name}</figcaption>{shown}</figure>"
