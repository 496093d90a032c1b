"""The page that an evaluation leaves."""

import html.parser
import itertools

import numpy as np
from PIL import Image
import pytest
from scipy.io import wavfile

from experiments import evaluate
from experiments import train
from experiments.cli import html_report
from experiments.data import files
from experiments.runs import plots
from experiments.runs import result_table
from experiments.training import evaluation
from experiments.training import tasks
from perceiver.models import registry as models
from tests.helpers.recipes import sums

FOUND = evaluation.Evaluation(
  metrics={"epe": 2.5, "fl_all": 0.125},
  examples=7,
  expected=8,
  split="sintel <final>",
  skipped=1,
  details=(
    result_table.ResultTable(
      "a <b>", ("class", "share"), (("c", "1"), ("d", "2"))
    ),
    "one line\nanother",
  ),
)
RESULT = tasks.Result(
  metric="epe", paper=2.42, source="table 16", split="sintel <final>"
)


class _Page(html.parser.HTMLParser):
  """Gathers tags, with their attributes, and text."""

  def __init__(self, text):
    super().__init__()
    self.tags, self.words, self.open = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.tags.append((tag, dict(attrs)))
    if tag not in ("meta", "img", "br", "!doctype"):
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.words.append(data)


def page(folder, **changes):
  settings = {"title": "flow & mini", "found": FOUND, "result": RESULT}
  path = html_report.write(folder, **{**settings, **changes})
  assert path == folder / "index.html"
  found = _Page(path.read_text(encoding="utf-8"))
  assert not found.open
  return found


def test_numbers_stand_beside_the_papers(tmp_path):
  found = page(tmp_path / "new" / "folder")
  words = [word for word in found.words if word.strip()]
  assert "flow & mini" in words
  assert "7 of 8 examples of sintel <final>, 1 unreadable" in words
  start = words.index("epe")
  assert words[start : start + 7] == [
    "epe",
    "end-point error: distance from the true flow",
    "2.5000",
    "pixels",
    "2.42",
    "+0.0800",
    "table 16",
  ]
  assert words[words.index("fl_all") + 2] == "0.1250"


def test_tables_and_remarks_of_an_evaluation_are_no_raw_text(tmp_path):
  found = page(tmp_path)
  words = [word for word in found.words if word.strip()]
  start = words.index("a <b>")
  assert words[start : start + 7] == [
    "a <b>",
    *("class", "share", "c", "1", "d", "2"),
  ]
  assert words[start + 7 : start + 9] == ["one line", "another"]
  assert not {"pre"} & {tag for tag, _ in found.tags}


def test_no_column_is_empty(tmp_path):
  shares = evaluation.Evaluation(
    metrics={"top_1": 0.5}, examples=1, expected=1, split="test"
  )
  words = page(tmp_path, found=shares).words
  assert {"metric", "this model"} <= {*words}
  assert not {"unit", "paper", "difference", "source"} & {*words}


def test_pages_fit_small_screens_and_dark_ones(tmp_path):
  found = page(
    tmp_path, facts={"model": "small"}, pictures=[tmp_path / "a.png"]
  )
  (viewport,) = (
    attrs["content"]
    for tag, attrs in found.tags
    if attrs.get("name") == "viewport"
  )
  assert "width=device-width" in viewport
  assert "color-scheme: light dark" in "".join(found.words)
  tags = [(tag, attrs.get("class")) for tag, attrs in found.tags]
  for (_, before), (tag, _) in itertools.pairwise(tags):
    if tag in ("table", "img"):
      assert before == "wide"  # scrolls by itself


def test_a_wide_picture_is_scrolled_where_it_could_not_be_read(tmp_path):
  for width in (400, 2000):
    Image.new("RGB", (width, 10)).save(tmp_path / f"{width}.png")
  paths = [tmp_path / f"{width}.png" for width in (400, 2000)]
  found = page(tmp_path, pictures=paths)
  styles = [attrs["style"] for tag, attrs in found.tags if tag == "img"]
  assert styles == [
    "max-width: max(100%, 220px)",
    "max-width: max(100%, 1100px)",
  ]


def test_numbers_of_other_splits_do_not_compare(tmp_path):
  found = page(
    tmp_path, result=tasks.Result(metric="epe", paper=1.81, split="clean")
  )
  assert not {"1.81", "paper", "difference"} & set(found.words)


def test_what_the_numbers_come_from_stands_below_them(tmp_path):
  found = page(tmp_path, facts={"model": "Small <1>", "date": "today"})
  words = [word for word in found.words if word.strip()]
  assert words[words.index("model") + 1] == "Small <1>"
  assert words[words.index("date") + 1] == "today"


def test_a_picture_says_what_it_shows(tmp_path):
  figure, _ = plots.pyplot().subplots()
  picture = plots.save(figure, tmp_path / "lines.png", "two – lines")
  frames = [Image.new("RGB", (4, 6), colour) for colour in ("red", "blue")]
  moving = plots.save_animation(frames, tmp_path / "x.gif", 9, "two – colours")
  found = page(tmp_path, pictures=[picture, moving, tmp_path / "a_clip.wav"])
  captions = [word for word in found.words if word.strip()][-3:]
  assert captions == ["two – lines", "two – colours", "Audio of a clip"]


def test_a_text_is_shown_below_its_first_line(tmp_path):
  text = tmp_path / "samples.txt"
  text.write_text("Two lines\n\n<b>one\n  two\n")
  found = page(tmp_path, pictures=[text])
  words = [word for word in found.words if word.strip()]
  assert words[-2:] == ["Two lines", "<b>one\n  two"]
  assert "pre" in {tag for tag, _ in found.tags}


def test_audio_is_played(tmp_path):
  audio = plots.save_audio(
    tmp_path / "clip_1.wav", 8000, np.linspace(-1, 1, 80)[:, None]
  )
  found = page(tmp_path, pictures=[audio])
  (player,) = (attrs for tag, attrs in found.tags if tag == "audio")
  assert player == {"src": "clip_1.wav", "controls": None}
  rate, samples = wavfile.read(audio)
  assert (rate, samples.dtype, samples.ravel()[[0, -1]].tolist()) == (
    8000,
    np.int16,
    [-32767, 32767],
  )


def test_pictures_are_named_relative_to_the_page(tmp_path):
  (tmp_path / "figures").mkdir()
  pictures = [tmp_path / "figures" / "a_b.png", tmp_path / "c.gif"]
  found = page(tmp_path, pictures=pictures)
  images = [attrs for tag, attrs in found.tags if tag == "img"]
  assert images == [
    {"src": "figures/a_b.png", "alt": "a b"},
    {"src": "c.gif", "alt": "c"},
  ]


def test_videos_are_played(tmp_path):
  found = page(tmp_path, pictures=[tmp_path / "clips.mp4"])
  videos = [attrs for tag, attrs in found.tags if tag == "video"]
  assert videos == [{"src": "clips.mp4", "controls": None, "loop": None}]
  assert not any(tag == "img" for tag, _ in found.tags)


def test_a_page_that_cannot_be_written_is_an_error(tmp_path):
  (tmp_path / "file").touch()
  with pytest.raises(files.InputError, match=r"index\.html cannot be written"):
    page(tmp_path / "file")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  """The folder of a finished run of the tiny recipe."""
  workdir = tmp_path_factory.mktemp("run")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(models, "ModelConfig", sums.ModelConfig)
    assert (
      train.main(
        ["tests.helpers.recipes.sums", "--mini", "--workdir", str(workdir)]
      )
      == 0
    )
    yield workdir


def test_every_experiment_has_a_report(run, tmp_path, capsys):
  folder = tmp_path / "report"
  arguments = ("tests.helpers.recipes.sums", "--checkpoint", str(run))
  assert evaluate.main([*arguments, "--report", str(folder)]) == 0
  assert f"report: {folder / 'index.html'}" in capsys.readouterr().out
  found = _Page((folder / "index.html").read_text())
  assert "top_1" in found.words
  facts = dict(zip(found.words, found.words[1:]))
  assert facts["model"] == "ModelConfig, 74 parameters"
  assert facts["weights"].startswith("checkpoint of step 6 in ")
  assert facts["command"].startswith("python ")
  assert facts["code"].startswith("commit ")
  log = (run / "metrics.jsonl").read_text()
  assert (folder / "metrics.jsonl").read_text() == log


def test_a_report_may_go_into_the_runs_folder(run):
  log = (run / "metrics.jsonl").read_text()
  arguments = (
    "tests.helpers.recipes.sums",
    "--checkpoint",
    str(run),
    "--report",
    str(run),
  )
  assert evaluate.main([*arguments]) == 0
  assert (run / "metrics.jsonl").read_text() == log
  assert (run / "index.html").exists()


def test_a_report_that_has_no_place_is_refused_first(run, tmp_path, capsys):
  (tmp_path / "file").touch()
  folder = tmp_path / "file" / "report"
  arguments = ("tests.helpers.recipes.sums", "--checkpoint", str(run))
  assert evaluate.main([*arguments, "--report", str(folder)]) == 1
  captured = capsys.readouterr()
  assert "report cannot be made" in captured.err
  assert "examples" not in captured.out
