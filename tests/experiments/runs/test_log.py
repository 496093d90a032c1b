"""What a run leaves behind, in particular after an interruption."""

import io
import struct

import pytest
from tensorboardX.proto import event_pb2

from experiments.runs import folder
from experiments.runs import log


def _reporter(workdir, first_step=0, **kwargs):
  kwargs.setdefault("stream", io.StringIO())
  return log.Reporter(workdir, first_step=first_step, total_steps=100, **kwargs)


def _events(workdir):
  (path,) = workdir.glob("events.out.tfevents.*")
  data, events = path.read_bytes(), []
  while data:  # Length, its checksum, the event, its checksum.
    (length,) = struct.unpack("<Q", data[:8])
    events.append(event_pb2.Event.FromString(data[12 : 12 + length]))
    data = data[16 + length :]
  return events


def test_rows(tmp_path):
  with _reporter(tmp_path) as reporter:
    reporter.write("train", 10, {"loss": 0.5})
    reporter.write("eval", 10, {"loss": 0.25, "examples": 7, "split": "x"})
    assert reporter.find("eval", 10)["examples"] == 7
    assert reporter.find("eval", 20) is None
  assert (tmp_path / "metrics.jsonl").read_text() == (
    '{"step": 10, "kind": "train", "loss": 0.5}\n'
    '{"step": 10, "kind": "eval", "loss": 0.25, "examples": 7, "split": "x"}\n'
  )
  assert list(tmp_path.glob("events.out.tfevents.*"))


def test_a_row_is_on_disk_when_write_returns(tmp_path):
  with _reporter(tmp_path) as reporter:
    reporter.write("train", 10, {"loss": 0.5})
    assert len(log.read_rows(tmp_path / "metrics.jsonl")) == 1


def test_rows_of_steps_to_be_made_again_are_dropped(tmp_path):
  with _reporter(tmp_path) as reporter:
    for step in (10, 20, 30):
      reporter.write("train", step, {"loss": 1.0})
  path = tmp_path / "metrics.jsonl"
  with path.open("a") as file:
    file.write('{"step": 40, "kin')  # killed while writing
  with _reporter(tmp_path, first_step=20) as reporter:
    reporter.write("train", 30, {"loss": 2.0})
  rows = [(row["step"], row["loss"]) for row in log.read_rows(path)]
  assert rows == [(10, 1.0), (20, 1.0), (30, 2.0)]


@pytest.mark.parametrize(
  "bad",
  [
    b"garbage",
    b"\0\0\0",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"step": "2", "kind": "train"}',
    b'{"step": 2}',
    b'{"step": 1, "kind": "tr{"step": 2, "kind": "train"}',
  ],
)
def test_bad_lines_cost_no_good_ones(tmp_path, bad):
  path = tmp_path / "metrics.jsonl"
  good = [b'{"step": %d, "kind": "train"}' % step for step in (1, 3, 4)]
  path.write_bytes(b"\n".join([good[0], bad, b"", *good[1:], b'{"st']))
  with pytest.warns(UserWarning, match="1 lines .* first of them line 2"):
    rows = log.read_rows(path)
  assert [row["step"] for row in rows] == [1, 3, 4]
  with (
    pytest.warns(UserWarning, match="they are left out"),
    _reporter(tmp_path, first_step=3),
  ):
    pass
  assert [row["step"] for row in log.read_rows(path)] == [1, 3]


def test_rows_of_a_program_that_follows_are_not_the_runs_own(tmp_path):
  for step in (10, 20):
    log.add_row(tmp_path, "eval", step, {"loss": 0.5})
  with _reporter(tmp_path, first_step=20) as reporter:
    assert reporter.find("eval", 20) is None
    reporter.write("eval", 20, {"loss": 0.25})
  for _ in range(2):
    first, second = log.read_rows(tmp_path / log.METRICS)
    assert first == {"step": 10, "kind": "eval", "follower": True, "loss": 0.5}
    assert second == {"step": 20, "kind": "eval", "loss": 0.25}
    with _reporter(tmp_path, first_step=20) as reporter:
      assert reporter.find("eval", 20) == second


def test_half_a_row_costs_no_row_after_it(tmp_path):
  (tmp_path / log.METRICS).write_text('{"step": 10, "kin')  # killed
  log.add_row(tmp_path, "eval", 20, {"loss": 0.5})
  with pytest.warns(UserWarning, match="1 lines"):
    (row,) = log.read_rows(tmp_path / log.METRICS)
  assert row["step"] == 20


def _remove(path):
  path.unlink()


def _replace(path):
  path.with_name("copy").write_text("edited")
  path.with_name("copy").rename(path)


@pytest.mark.parametrize("change", [_remove, _replace])
def test_a_log_that_others_change_is_written_anew(tmp_path, change):
  with _reporter(tmp_path) as reporter:
    for step in (10, 20, 30):
      reporter.write("train", step, {"loss": 1.0})
      change(tmp_path / log.METRICS)
    reporter.write("train", 40, {"loss": 1.0})
  rows = log.read_rows(tmp_path / log.METRICS)
  assert [row["step"] for row in rows] == [10, 20, 30, 40]


def test_nothing_goes_into_another_folder_of_the_same_name(tmp_path):
  workdir, aside = tmp_path / "run", tmp_path / "aside"
  workdir.mkdir()
  with _reporter(workdir) as reporter:
    workdir.rename(aside)
    reporter.write("train", 10, {"loss": 1.0})
    assert not workdir.exists()
    workdir.mkdir()
    (workdir / log.METRICS).touch()
    reporter.write("train", 20, {"loss": 1.0})
    with pytest.raises(folder.MovedError, match="was moved, removed or repl"):
      reporter.find("eval", 20)
  assert (workdir / log.METRICS).read_text() == ""
  assert [row["step"] for row in log.read_rows(aside / log.METRICS)] == [10, 20]


def test_what_is_not_a_number_is_written_as_such(tmp_path):
  values = {"loss": float("nan"), "norm": float("inf")}
  with _reporter(tmp_path) as reporter:
    reporter.write("eval", 1, values)
  assert '"loss": NaN, "norm": Infinity' in (tmp_path / log.METRICS).read_text()
  (row,) = log.read_rows(tmp_path / log.METRICS)
  assert row["norm"] == float("inf")
  assert row["loss"] != row["loss"]


def test_other_processes_write_nothing_but_know_the_rows(tmp_path):
  stream = io.StringIO()
  with _reporter(tmp_path, is_writer=False, stream=stream) as reporter:
    reporter.write("eval", 1, {"loss": 1.0})
    reporter.progress(1, 1.0)
    reporter.say("hello")
    assert reporter.find("eval", 1) is not None
  assert not list(tmp_path.iterdir())
  assert stream.getvalue() == ""


def test_speed_is_measured_from_where_the_clock_resumed(tmp_path):
  stream = io.StringIO()
  with _reporter(tmp_path, first_step=5, stream=stream) as reporter:
    reporter.resume_clock(10)
    reporter.progress(20, 0.123456)
    reporter.say("hello")
    reporter.progress(100, 0.1)
  first, hello, second = stream.getvalue().splitlines()
  assert first.startswith("training: 20/100 [")
  assert first.endswith(" steps/s, loss=0.1235]")
  assert hello == "hello"
  assert second.startswith("training: 100/100 [")
  speeds = [v for e in _events(tmp_path) for v in e.summary.value]
  assert [v.tag for v in speeds] == ["train/steps_per_second"] * 2
  assert all(v.simple_value > 0 for v in speeds)


def test_event_files_can_be_read_back(tmp_path):
  with _reporter(tmp_path, first_step=5) as reporter:
    reporter.write("train", 6, {"loss": 1.5, "skipped_steps": 2})
  events = _events(tmp_path)
  assert events[0].file_version == "brain.Event:2"
  assert (events[1].step, events[1].session_log.status) == (6, 1)
  (value,) = events[2].summary.value
  assert (events[2].step, value.tag, value.simple_value) == (
    6,
    "train/loss",
    1.5,
  )
  assert len(events) == 3
