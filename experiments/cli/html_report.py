"""A page that shows what an evaluation found: numbers and pictures.

The page is one HTML file without scripts; its pictures lie in the same folder,
which can be moved or sent as a whole.
"""

from collections.abc import Mapping, Sequence
import html
import os
import pathlib

from experiments.data import files
from experiments.runs import plots
from experiments.training import evaluation
from experiments.training import tasks

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto;
  padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: 0.2em 1em 0.2em 0; text-align: left;
  border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 2em 0; }
img, video { max-width: 100%; }
video { min-width: 50%; image-rendering: pixelated; }
pre { overflow-x: auto; background: #f6f6f6; padding: 1em; }
"""
# Of metrics whose name contains the word.
_UNITS = {
  "epe": "pixels",
  "psnr": "dB",
  "bits": "bits",
  "nats": "nats",
  "top_": "share",
  "accuracy": "share",
  "rate": "share",
}


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
    pictures: image files, videos as .mp4 and audio as .wav, best within the
      folder: they are shown by their paths relative to it.
    facts: what the numbers come from, such as {"model": ...}.

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
    _facts(facts or {}),
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
  names = ["metric", "here", "unit"]
  rows = ["paper", "difference", "source"] if papers else []
  lines = ["".join(f"<th>{name}</th>" for name in names + rows)]
  for metric, value in found.metrics.items():
    unit = next((u for word, u in _UNITS.items() if word in metric), "")
    cells = [_text(metric), _number(f"{value:.4f}"), _text(unit)]
    if metric in papers:
      paper = papers[metric]
      assert paper.paper is not None
      cells += [
        _number(f"{paper.paper:g}"),
        _number(f"{value - paper.paper:+.4f}"),
        _text(paper.source),
      ]
    lines.append("".join(cells))
  return _table(lines)


def _facts(facts: Mapping[str, str]) -> str:
  rows = [f"<th>{name}</th>{_text(fact)}" for name, fact in facts.items()]
  return _table(rows) if rows else ""


def _table(rows: Sequence[str]) -> str:
  return "<table>\n" + "\n".join(f"<tr>{r}</tr>" for r in rows) + "\n</table>"


def _text(text: str) -> str:
  return f"<td>{html.escape(text)}</td>"


def _number(text: str) -> str:
  return f'<td class="number">{text}</td>'


def _picture(path: pathlib.Path, folder: pathlib.Path) -> str:
  place = html.escape(pathlib.Path(os.path.relpath(path, folder)).as_posix())
  name = html.escape(plots.caption(path))
  shown = {
    ".mp4": f'<video src="{place}" controls loop></video>',
    ".wav": f'<audio src="{place}" controls></audio>',
  }.get(path.suffix, f'<img src="{place}" alt="{name}">')
  return f"<figure><figcaption>{name}</figcaption>{shown}</figure>"
