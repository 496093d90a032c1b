"""What a run leaves behind, in particular after an interruption."""

import io
import json
import struct

import pytest
from tensorboardX.proto import event_pb2

from experiments.runs import log


class Terminal(io.StringIO):
  def isatty(self):
    return True


class Clock:
  def __init__(self):
    self.now = 0.0

  def __call__(self):
    return self.now


def _reporter(workdir, first_step=0, **kwargs):
  kwargs.setdefault("stream", io.StringIO())
  return log.Reporter(workdir, first_step=first_step, total_steps=100, **kwargs)


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


def test_rows_hold_finite_numbers_only(tmp_path):
  with (
    _reporter(tmp_path) as reporter,
    pytest.raises(ValueError, match="not JSON compliant"),
  ):
    reporter.write("train", 1, {"loss": float("nan")})


def test_other_processes_write_nothing_but_know_the_rows(tmp_path):
  stream = io.StringIO()
  with _reporter(tmp_path, is_writer=False, stream=stream) as reporter:
    reporter.write("eval", 1, {"loss": 1.0})
    reporter.progress(1, 1.0)
    reporter.say("hello")
    assert reporter.find("eval", 1) is not None
  assert not list(tmp_path.iterdir())
  assert stream.getvalue() == ""


def test_progress_in_plain_lines(tmp_path):
  stream, clock = io.StringIO(), Clock()
  with _reporter(tmp_path, stream=stream, clock=clock) as reporter:
    clock.now = 100.0
    reporter.resume_clock(5)
    clock.now = 104.0
    reporter.progress(15, 0.123456)
    clock.now = 200.0
    reporter.progress(16, 0.1)
    reporter.evaluating(1, 2)
  assert stream.getvalue() == (
    "step 15/100  loss 0.1235  2.5 steps/s  34 s left\n"
    "step 16/100  loss 0.1  0.0104 steps/s  2 h 14 min left\n"
  )


def test_progress_on_a_terminal_stays_on_its_line(tmp_path):
  stream, clock = Terminal(), Clock()
  with _reporter(tmp_path, stream=stream, clock=clock) as reporter:
    clock.now = 1.0
    reporter.progress(1, 1.0)
    reporter.evaluating(1, 2)
    reporter.say("done")
  assert stream.getvalue() == (
    "\r\x1b[Kstep 1/100  loss 1  1 steps/s  1 min 39 s left"
    "\r\x1b[Kevaluating 1/2\ndone\n"
  )


def test_a_folder_belongs_to_one_configuration(tmp_path):
  workdir = tmp_path / "runs" / "toy"
  config = {"model": {"depth": 2}, "train": {"keep": 3, "mesh": {"data": 1}}}
  log.claim(workdir, json.dumps(config))
  log.claim(workdir, json.dumps(config))
  changed = {"model": {"depth": 4}, "train": {"keep": 5, "mesh": {"data": 2}}}
  with pytest.raises(log.ConfigError) as caught:
    log.claim(workdir, json.dumps(changed), ("train.keep", "train.mesh"))
  assert "model.depth: 2 then, 4 now" in str(caught.value)
  assert "keep" not in str(caught.value)
  assert "mesh" not in str(caught.value)
  assert json.loads((workdir / "config.json").read_text()) == config


def test_fields_that_may_differ_may(tmp_path):
  log.claim(tmp_path, '{"train": {"keep": 3, "keepsake": 1}}')
  now = '{"train": {"keep": 5, "keepsake": 1}}'
  log.claim(tmp_path, now, ("train.keep",))
  assert (tmp_path / "config.json").read_text() == now
  with pytest.raises(log.ConfigError, match="keepsake: 1 then, 2 now"):
    log.claim(
      tmp_path, '{"train": {"keep": 5, "keepsake": 2}}', ("train.keep",)
    )


def test_event_files_can_be_read_back(tmp_path):
  with _reporter(tmp_path, first_step=5) as reporter:
    reporter.write("train", 6, {"loss": 1.5, "skipped_steps": 2})
  (path,) = tmp_path.glob("events.out.tfevents.*")
  data, events = path.read_bytes(), []
  while data:  # Length, its checksum, the event, its checksum.
    (length,) = struct.unpack("<Q", data[:8])
    events.append(event_pb2.Event.FromString(data[12 : 12 + length]))
    data = data[16 + length :]
  assert events[0].file_version == "brain.Event:2"
  assert (events[1].step, events[1].session_log.status) == (6, 1)
  (value,) = events[2].summary.value
  assert (events[2].step, value.tag, value.simple_value) == (
    6,
    "train/loss",
    1.5,
  )
  assert len(events) == 3
