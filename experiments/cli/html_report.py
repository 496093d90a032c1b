"""A page that shows what an evaluation found: numbers and pictures.

The page is one HTML file without scripts; its pictures lie in the same folder,
which can be moved or sent as a whole.
"""

from collections.abc import Iterable, Mapping, Sequence
import html
import os
import pathlib

from experiments.data import files
from experiments.runs import metric_meanings
from experiments.runs import plots
from experiments.runs import result_table
from experiments.training import evaluation
from experiments.training import tasks

# Colours are the browser's own, light or dark. What is wider than a small
# screen is scrolled.
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto;
  padding: 0 1em; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1em 0; overflow-wrap: normal; }
caption, figcaption { text-align: left; max-width: 50em; }
caption::first-letter { text-transform: uppercase; }
th, td { padding: 0.2em 1em 0.2em 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #8888; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.facts td { overflow-wrap: anywhere; }
small { display: block; min-width: 12em; max-width: 58em; }
figure { margin: 2em 0; }
img, video { max-width: 100%; }
video { min-width: 50%; image-rendering: pixelated; }
"""
# Of a picture's width: made smaller, nobody could read what is written in it.
_MIN_SHARE = 0.55
_HEADER = ("metric", "this model", "unit", "paper", "difference", "source")
_NUMBERS = (1, 3, 4)
_EMPTY = "<td></td>"


def write(
  folder: pathlib.Path,
  *,
  title: str,
  found: evaluation.Evaluation,
  result: tasks.Result | None = None,
  pictures: Sequence[pathlib.Path] = (),
  facts: Mapping[str, str] | None = None,
) -> pathlib.Path:
  """Writes index.html into a folder.

  Args:
    folder: made if it is not there.
    title: what was evaluated.
    found: its numbers.
    result: the paper's numbers, shown beside those that they compare with.
    pictures: image files, videos as .mp4, audio as .wav and texts as .txt, best
      within the folder: they are shown by their paths relative to it.
    facts: what the numbers come from, such as {"model": ...}.

  Returns:
    The file.

  Raises:
    files.InputError: if it cannot be written.
  """
  path = folder / "index.html"
  parts = [
    f"<h1>{html.escape(title)}</h1>",
    "<h2>Results</h2>",
    f"<p>{html.escape(found.counts())}</p>",
    _numbers(found, result),
    *map(_detail, found.details),
    "<h2>Origin</h2>" + _facts(facts) if facts else "",
    "<h2>Figures</h2>" if pictures else "",
    *(_picture(picture, folder) for picture in pictures),
  ]
  head = (
    '<meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
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
  """Returns the metrics as a table, with the paper's where there are any.

  A column that no metric would fill is left out.
  """
  papers = found.papers(result)
  rows = []
  for metric, value in found.metrics.items():
    meaning = metric_meanings.of(metric)
    is_count = meaning.unit in metric_meanings.COUNTED
    text = f"{value:,.0f}" if is_count else f"{value:.4f}"
    name = html.escape(metric)
    if meaning.text:
      name += f"<small>{html.escape(meaning.text)}</small>"
    cells = [f"<td>{name}</td>", _number(text), _text(meaning.unit)]
    paper = papers.get(metric)
    if paper is not None and paper.paper is not None:
      difference = f"{value - paper.paper:+.4f}"
      cells += [_number(f"{paper.paper:g}"), _number(difference)]
      cells.append(_text(paper.source))
    rows.append(cells + [_EMPTY] * (len(_HEADER) - len(cells)))
  used = [n for n, cells in enumerate(zip(*rows)) if {*cells} != {_EMPTY}]
  lines = [[_heading(_HEADER[n], n in _NUMBERS) for n in used]]
  lines += [[cells[n] for n in used] for cells in rows]
  return _table("".join(line) for line in lines)


def _detail(detail: result_table.ResultTable | str) -> str:
  """Returns a table of the evaluation's own, or a text line by line."""
  if isinstance(detail, str):
    return f"<p>{'<br>'.join(map(html.escape, detail.splitlines()))}</p>"
  headings = (_heading(text, n > 0) for n, text in enumerate(detail.header))
  lines = ["".join(headings)]
  for first, *numbers in detail.rows:
    lines.append(_text(first) + "".join(map(_number, numbers)))
  return _table(lines, f"<caption>{html.escape(detail.caption)}</caption>")


def _facts(facts: Mapping[str, str]) -> str:
  rows = (f"<th>{name}</th>{_text(fact)}" for name, fact in facts.items())
  return _table(rows, kind=' class="facts"')


def _table(rows: Iterable[str], caption: str = "", kind: str = "") -> str:
  lines = "\n".join(f"<tr>{row}</tr>" for row in rows)
  return f'<div class="wide"><table{kind}>{caption}\n{lines}\n</table></div>'


def _heading(text: str, is_number: bool) -> str:
  kind = ' class="number"' * is_number
  return f"<th{kind}>{html.escape(text)}</th>"


def _text(text: str) -> str:
  return f"<td>{html.escape(text)}</td>"


def _number(text: str) -> str:
  return f'<td class="number">{html.escape(text)}</td>'


def _picture(path: pathlib.Path, folder: pathlib.Path) -> str:
  """Returns a picture, video, audio or text with its caption above it."""
  source = html.escape(pathlib.Path(os.path.relpath(path, folder)).as_posix())
  caption = html.escape(plots.caption_of(path))
  least = plots.width_of(path) * _MIN_SHARE
  style = f' style="max-width: max(100%, {least:.0f}px)"' if least else ""
  match path.suffix:
    case ".txt":  # Its first line is the caption.
      _, _, rest = path.read_text("utf-8").partition("\n")
      shown = f"<pre>{html.escape(rest.strip())}</pre>"
    case ".mp4":
      shown = f'<video src="{source}" controls loop></video>'
    case ".wav":
      shown = f'<audio src="{source}" controls></audio>'
    case _:
      shown = f'<img src="{source}" alt="{caption}"{style}>'
  return (
    f"<figure><figcaption>{caption}</figcaption>\n"
    f'<div class="wide">{shown}</div></figure>'
  )
