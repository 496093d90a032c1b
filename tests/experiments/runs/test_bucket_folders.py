"""Runs in buckets, as a local server plays them."""

import os
import re
import shutil
import signal

import pytest

from experiments import evaluate
from experiments import predict
from experiments import train
from experiments.cli import arguments
from experiments.cli import predicting
from experiments.cli import registry
from experiments.data import bucket_copies
from experiments.data import buckets
from experiments.data import paths
from experiments.runs import bucket_folders
from experiments.runs import claims
from experiments.runs import occupancy
from experiments.runs import outside_files
from experiments.training import checksums
from experiments.training import memory
from tests.helpers import commands
from tests.helpers import fake_storage
from tests.helpers import process_groups

storage = fake_storage.storage
ADDRESS = paths.place("gs://b/runs/a")
COMMAND = (
  "tests.helpers.recipes.sums",
  *("--train.steps", "12"),
  *("--train.checkpoint-every", "2"),
  *("--train.eval-every", "4"),
  *("--train.best-metric", "top_1"),
)


def go_on(workdir="gs://b/runs/a", *more):
  return train.main([*COMMAND, "--workdir", str(workdir), *more])


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
  """A run that is left alone, in a folder of this machine."""
  folder = tmp_path_factory.mktemp("alone")
  assert go_on(folder) == 0
  return folder


@pytest.fixture
def other_machine(monkeypatch, tmp_path):
  """Returns a function that leaves all that is on this machine."""

  def leave():
    folder = tmp_path / f"cache-{len(list(tmp_path.iterdir()))}"
    monkeypatch.setenv("PERCEIVER_CACHE", str(folder))
    return folder

  return leave


@pytest.fixture
def impatient(monkeypatch):
  """Claims are not renewed, and end at once."""
  monkeypatch.setattr(claims, "_RENEWED_SECONDS", 1e6)
  monkeypatch.setattr(claims, "_LEASE_SECONDS", 0.0)


def assert_finished(alone, machine):
  """Compares what a third machine gets with the run that was left alone."""
  machine()
  bucket_copies.forget()
  found = bucket_copies.local(ADDRESS)
  for name in ("metrics.jsonl", "model.safetensors", "best.safetensors"):
    assert (found / name).read_bytes() == (alone / name).read_bytes(), name
  assert files_of(found) - {claims.NAME} == files_of(alone)


def files_of(folder):
  """Returns the files of a run but for those whose names are random."""
  names = {
    path.relative_to(folder).as_posix()
    for path in folder.rglob("*")
    if path.is_file() and "tfevents" not in path.name
  }
  return {re.sub(r"/[0-9a-f]{32}$", "/…", name) for name in names}


def interrupted(monkeypatch, step, number=signal.SIGTERM):
  """Sends this process a signal after a step."""
  compile_within = memory.compile_within

  def compiling(*args):
    compiled = compile_within(*args)

    def make_step(state, batch):
      result = compiled(state, batch)
      if int(result[0].step) == step:
        os.kill(os.getpid(), number)
      return result

    return make_step

  with monkeypatch.context() as patched:
    patched.setattr(memory, "compile_within", compiling)
    with pytest.raises(SystemExit) as caught:
      go_on()
  assert caught.value.code == 143


def steps(storage):
  """Returns the steps of the checkpoints that are complete in the bucket."""
  names = storage.names("b", "runs/a/checkpoints")
  return sorted(
    int(name.partition("/")[0]) for name in names if "digests.json" in name
  )


def test_goes_on_on_another_machine(
  storage, alone, other_machine, monkeypatch, capsys
):
  interrupted(monkeypatch, 5)
  assert steps(storage) == [2, 4, 5]
  other_machine()
  capsys.readouterr()
  assert go_on() == 0
  assert "Going on from step 5" in capsys.readouterr().err
  assert_finished(alone, other_machine)
  # It was given up, so that nobody waits.
  assert b'"is_released": true' in storage.read("b", "runs/a/in-use.json")
  assert_order(storage.writes)


def assert_order(writes):
  """Checks that an upload which ends anywhere leaves a run that goes on."""
  writes = [name.replace("runs/a/", "") for name in writes]
  for step in (8, 10):  # one that is removed again, and one that is not
    parts = [name for name in writes if name.startswith(f"checkpoints/{step}/")]
    marker = f"checkpoints/{step}/{checksums.NAME}"
    assert len(parts) > 3
    assert parts[-1] == marker
    assert parts.count(marker) == 1
    first, last = writes.index(parts[0]), writes.index(marker)
    before = [i for i, name in enumerate(writes) if name == "metrics.jsonl"]
    assert any(i < first for i in before)
    assert not any(first < i < last for i in before)
  first_note = writes.index("checkpointed.txt")
  assert writes.index(f"checkpoints/2/{checksums.NAME}") < first_note
  assert writes.index("config.json") < writes.index("checkpointed.txt")
  removed = [n for n in writes if n.startswith("-checkpoints/2/")]
  assert removed[0] == f"-checkpoints/2/{checksums.NAME}"
  assert len(removed) > 3
  assert "-metrics.jsonl" not in writes


def test_upload_that_fails(
  storage, alone, other_machine, impatient, tmp_path, monkeypatch, capsys
):
  seen = []

  def refuse(bucket, name):
    seen.extend([name] if "checkpoints/8/" in name else [])
    return 403 if len(seen) > 3 else None

  storage.before_write = refuse
  assert go_on() == 1
  last = capsys.readouterr().err.splitlines()[-1]
  assert last.startswith("error: The checkpoint of step 8 cannot be written")
  assert "gs://b/runs/a/checkpoints/8/" in last
  assert "no permission: Some reason." in last
  assert steps(storage) == [2, 4, 6]
  assert len(storage.names("b", "runs/a/checkpoints/8")) == 3
  assert b"is_released" not in storage.read("b", "runs/a/in-use.json")
  storage.before_write = lambda bucket, name: None
  half, here = dict(storage.objects["b"]), os.environ["PERCEIVER_CACHE"]
  other_machine()
  assert go_on() == 0
  assert "Going on from step 6" in capsys.readouterr().err
  assert_finished(alone, other_machine)
  # Had the same machine gone on, nothing would have been made again.
  storage.objects["b"] = half
  monkeypatch.setenv("PERCEIVER_CACHE", here)
  assert go_on() == 0
  output = capsys.readouterr().err
  assert "Going on from step 8" in output
  assert "is claimed by" not in output
  assert_finished(alone, other_machine)


def _child(words):
  raise SystemExit(train.main(words))


def test_killed_between_checkpoint_and_upload(
  storage, alone, other_machine, impatient, tmp_path
):
  process = None

  def kill(bucket, name):
    if "checkpoints/6/" in name:
      os.kill(process.pid, signal.SIGKILL)
      return 503
    return None

  storage.before_write = kill
  names = ("STORAGE_EMULATOR_HOST", "PERCEIVER_CACHE")
  process = process_groups.Process(
    tmp_path / "output",
    _child,
    [*COMMAND, "--workdir", "gs://b/runs/a"],
    devices=4,
    environment={name: os.environ[name] for name in names},
  )
  assert process.join() == -signal.SIGKILL, (tmp_path / "output").read_text()
  assert steps(storage) == [2, 4]
  storage.before_write = lambda bucket, name: None
  other_machine()
  assert go_on() == 0
  assert_finished(alone, other_machine)


def test_two_on_one_machine(storage, capsys):
  bucket_folders.open_folder(ADDRESS)
  match = "another process on this machine"
  with (
    bucket_folders.closing(),
    pytest.raises(occupancy.InUseError, match=match),
  ):
    bucket_folders.BucketFolder(ADDRESS)
  again = bucket_folders.BucketFolder(ADDRESS)  # The first has ended.
  again.close()


def test_two_on_two_machines(storage, other_machine, monkeypatch, capsys):
  monkeypatch.setattr(claims, "_RENEWED_SECONDS", 0.01)
  monkeypatch.setattr(claims, "_PAUSE_SECONDS", 0.01)
  first = claims.Claim(ADDRESS, [])
  first.begin()
  try:
    assert go_on() == 1
  finally:
    first.release()
  lines = capsys.readouterr().err.splitlines()
  assert re.fullmatch(
    r"gs://b/runs/a is claimed by process \d+ on .*; this run goes on if the "
    r"claim is not renewed within 90 seconds\.",
    lines[0],
  )
  assert lines[1].startswith("error: gs://b/runs/a is in use by process ")
  assert len(lines) == 2


def test_claim_that_was_lost(storage, other_machine, impatient):
  first = bucket_folders.BucketFolder(ADDRESS)
  other_machine()
  second = bucket_folders.BucketFolder(ADDRESS)
  (second.folder / "log.jsonl").write_text("second")
  second.push()
  (first.folder / "log.jsonl").write_text("first")
  for _ in range(2):
    with pytest.raises(occupancy.InUseError, match="claimed by another run"):
      first.push()
  first.close()
  second.push()
  second.close()
  assert storage.read("b", "runs/a/log.jsonl") == b"second"


def test_files_of_others_stay(storage, other_machine):
  first = bucket_folders.BucketFolder(ADDRESS)
  (first.folder / "a").write_text("a")
  (first.folder / ".hidden").write_text("a")
  (first.folder / "in-use.json").write_text("of this machine")
  first.push()
  storage.put("b", "runs/a/notes.md", b"by hand")
  first.push()
  first.close()
  assert storage.names("b", "runs/a") == ["a", "in-use.json", "notes.md"]
  second = bucket_folders.BucketFolder(ADDRESS)
  second.push()
  assert storage.read("b", "runs/a/notes.md") == b"by hand"
  second.close()


def test_lost_folder_of_this_machine_is_fetched_again(storage):
  def make(*names):
    found = bucket_folders.BucketFolder(ADDRESS)
    for name in names:
      (found.folder / name).parent.mkdir(parents=True, exist_ok=True)
      (found.folder / name).write_text(name)
    found.push()
    return found

  step = [f"checkpoints/4/{checksums.NAME}", "checkpoints/4/params/a"]
  found = make("config.json", *step)
  shutil.rmtree(found.folder / "checkpoints")
  found.push()  # An accident, which is not carried over.
  found.close()
  for lost in ("checkpoints", "."):
    found = make()
    assert (found.folder / "checkpoints/4/params/a").exists()
    found.close()
    assert len(storage.names("b", "runs/a")) == 4
    shutil.rmtree(found.folder / lost)


def test_looking_at_a_run(storage, alone, monkeypatch, capsys):
  storage.put_folder(alone, "b", "runs/a")
  storage.put("b", "runs/a/checkpoints/99/params/half", b"an upload")
  expected = commands.command(capsys, evaluate.main, alone)
  expected = expected.splitlines()[1:]
  found = commands.command(capsys, evaluate.main, "gs://b/runs/a")
  assert found.splitlines()[1:] == expected
  copy = bucket_copies.cache() / "gs" / "b" / "runs" / "a"
  steps = sorted(path.name for path in (copy / "checkpoints").iterdir())
  assert steps == ["10", "12", "8"]
  words = [COMMAND[0], "--checkpoint", "gs://b/runs/a/model.safetensors"]
  assert expected[0] in commands.command(capsys, evaluate.main, *words)
  shutil.rmtree(copy)
  step = "gs://b/runs/a/checkpoints/10"
  assert "step 10" in commands.command(capsys, evaluate.main, step)
  assert [path.name for path in (copy / "checkpoints").iterdir()] == ["10"]
  step = "gs://b/runs/a/checkpoints/99"
  message = commands.command(capsys, evaluate.main, step, code=2)
  assert f"{step!r}; There is nothing at {step}." in message
  words = ["gs://b/runs/a", "--follow"]
  message = commands.command(capsys, evaluate.main, *words, code=2)
  assert "--follow needs a folder on this machine" in message


def test_predicting_with_a_model(storage, capsys):
  storage.put("b", "m/model.safetensors", b"no model")
  words = ["--checkpoint", "gs://b/m/model.safetensors"]
  options = arguments.parse(predicting.Weights, words, "predict")
  assert options.checkpoint.read_bytes() == b"no model"
  words = ["classify", "a.png", "--checkpoint", "gs://b/none"]
  message = commands.command(capsys, predict.main, *words, code=2)
  assert message == (
    "error: --checkpoint is 'gs://b/none'; There is nothing at gs://b/none.\n"
  )


def test_files_that_a_configuration_names(storage, tmp_path):
  storage.put("b", "m/pieces.model", b"pieces")
  words = ["--data.sentencepiece-model", "gs://b/m/pieces.model"]
  words += ["--data.evaluate-on", "gs://b/texts"]
  choice = registry.choose("masked_language")
  experiment = arguments.override(
    train.Train, choice, ["masked-language", *words], "train"
  )
  assert experiment.data.sentencepiece_model.read_bytes() == b"pieces"
  experiment = outside_files.for_run(experiment, tmp_path)
  assert experiment.data.evaluate_on == paths.place("gs://b/texts")


def test_run_that_cannot_begin(storage, monkeypatch, capsys):
  def refused(code, *more, workdir="gs://b/runs/a"):
    assert go_on(workdir, *more) == code
    message = capsys.readouterr().err
    assert message.count("\n") == 1  # Nothing was traced, and nothing is said.
    return message

  message = refused(1, workdir="gs://none/a")
  assert message == "error: gs://none/a/in-use.json: there is no bucket none.\n"
  storage.refusals["b", "POST"] = 403
  assert "no permission: Some reason." in refused(1)
  distributed = ["--distributed.coordinator", "localhost:1"]
  distributed += ["--distributed.num-processes", "2"]
  message = refused(2, *distributed, "--distributed.process-id", "1")
  assert "--workdir is gs://b/runs/a; expected a folder that all pro" in message
  assert "`gcsfuse --implicit-dirs" in message
  assert not storage.objects["b"]
  monkeypatch.setattr(buckets, "_READING_SECONDS", 0.0)
  monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:1")
  assert "Connection refused" in refused(1)


def test_run_whose_checkpoints_are_gone(storage, capsys):
  storage.put("b", "runs/a/checkpointed.txt", b"")
  assert go_on() == 1
  assert "none is left" in capsys.readouterr().err
  assert go_on("gs://b/runs/a", "--restart") == 1
  message = capsys.readouterr().err
  assert "--restart does not move folders of buckets: choose another" in message
