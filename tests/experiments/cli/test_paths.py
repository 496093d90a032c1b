"""Paths on the command line: `~` is expanded, addresses are refused."""

import pathlib
import pwd

import pytest

from experiments import evaluate
from experiments import list as experiments_list
from experiments import predict
from experiments import prepare
from experiments import train
from experiments.cli import arguments as cli_arguments
from experiments.cli import registry
from experiments.data import bucket_copies
from experiments.data import files
from experiments.data import paths
from experiments.data import tfds_reader
from scripts import convert_checkpoint
from tests.helpers import folders

TINY = "tests.helpers.recipes.sums"


@pytest.fixture
def home(tmp_path, monkeypatch):
  """An empty folder that is both the home and the current one."""
  monkeypatch.setenv("HOME", str(tmp_path))
  monkeypatch.chdir(tmp_path)
  monkeypatch.syspath_prepend(str(folders.ROOT))
  return tmp_path


@pytest.mark.parametrize(
  ("value", "remedy"),
  [
    ("gs://", "expected gs://BUCKET/PATH."),
    ("s3://bucket/a", "such as a folder where s3:// is mounted."),
    ("hdfs://a:9000/b", "such as a folder where hdfs:// is mounted."),
    ("FILE:///a/b", "without file://: /a/b"),
    ("~nobody-at-all/a", "no home folder ~nobody-at-all; expected a whole"),
    ("", "expected a path on this machine."),
  ],
)
@pytest.mark.parametrize("is_joined", [False, True])
def test_address_of_a_run_is_refused(home, capsys, value, remedy, is_joined):
  words = [f"--workdir={value}"] if is_joined else ["--workdir", value]
  assert train.main([TINY, "--mini", *words]) == 2
  message = capsys.readouterr().err
  assert message.startswith(f"error: --workdir is {value!r}; ")
  assert remedy in message
  assert message.count("\n") == 1  # and nothing else is said
  assert not list(home.iterdir())


@pytest.mark.parametrize(
  ("value", "remedy"),
  [
    (
      "gs://bucket/pages/a",
      "Mount the bucket, `gcsfuse --implicit-dirs --rename-dir-limit 100000 "
      "bucket DIR`, and give DIR/pages/a",
    ),
    ("gs:/bucket", "100000 bucket DIR`, and give DIR/"),
  ],
)
def test_bucket_is_refused_where_it_cannot_be_used(home, capsys, value, remedy):
  words = [TINY, "--checkpoint", "a", "--report", value]
  assert evaluate.main(words) == 2
  message = capsys.readouterr().err
  assert message.startswith(f"error: --report is {value!r}; expected a path on")
  assert remedy in message
  assert message.count("\n") == 1


@pytest.mark.parametrize(
  ("main", "words", "option"),
  [
    (train.main, ["imagenet", "--data.source"], "--data.source"),
    (train.main, ["glue", "--checkpoint"], "--checkpoint"),
    (train.main, ["glue-sweep", "--workdir"], "--workdir"),
    (evaluate.main, [TINY, "--checkpoint"], "--checkpoint"),
    (evaluate.main, [TINY, "--checkpoint", "a", "--report"], "--report"),
    (evaluate.main, [], "a path"),
    (experiments_list.main, ["--runs"], "--runs"),
    (predict.main, ["classify", "a.png", "--labels"], "--labels"),
    (predict.main, ["classify", "a.png"], "a path"),
    (prepare.main, ["images", "--name", "a"], "a path"),
  ],
)
def test_address_is_refused_everywhere(home, capsys, main, words, option):
  assert main([*words, "s3://a/b"]) == 2
  message = capsys.readouterr().err
  assert message.startswith(f"error: {option} is 's3://a/b'; expected a path")
  assert message.count("\n") == 1
  assert not list(home.iterdir())


def test_address_is_refused_by_scripts(home, capsys):
  assert convert_checkpoint.main(["gs://a/b", "c"]) == 1
  assert "'gs://a/b'; expected a path" in capsys.readouterr().err


def test_home_of_a_run(home, capsys):
  assert train.main([TINY, "--mini", "--workdir=~/run"]) == 0
  assert (home / "run" / "model.safetensors").exists()
  assert evaluate.main(["~/run"]) == 0
  assert experiments_list.main(["--runs", "~"]) == 0
  assert [path.name for path in home.iterdir()] == ["run"]


def test_home_of_an_option_below(home):
  choice = registry.choose("glue", None, False)
  words = ["glue", "--data.source=~/glue", "--checkpoint", "~/a"]
  experiment = cli_arguments.override(train.Train, choice, words, "train")
  assert experiment.data.source.path == home / "glue"
  options = cli_arguments.select(train.Train, words, "train")
  assert options.checkpoint == home / "a"


def test_other_signs_are_of_paths(home):
  for name in ("a~", "a/~", "c:/a", "a:b", "./gs:/a", "None:"):
    assert paths.local(name) == pathlib.Path(name)


def test_folder_of_data_sets(home, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", "~/data")
  assert tfds_reader.default_data_dir() == home / "data"
  monkeypatch.delenv("TFDS_DATA_DIR")
  assert tfds_reader.default_data_dir() == home / "tensorflow_datasets"
  monkeypatch.setenv("TFDS_DATA_DIR", "s3://a/b")
  with pytest.raises(files.InputError, match=r"DATA_DIR or .* is 's3://a/b'; "):
    tfds_reader.default_data_dir()


def test_user_without_a_home(tmp_path, monkeypatch, capsys):
  def unknown(number):
    raise KeyError(number)

  for name in ("HOME", "TFDS_DATA_DIR"):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setattr(pwd, "getpwuid", unknown)
  assert train.main([TINY, "--mini", "--workdir", "~/run"]) == 2
  message = capsys.readouterr().err
  assert message == (
    "error: --workdir is '~/run'; this machine has no home folder ~; expected "
    "a whole path.\n"
  )
  # The default folder of data sets is in the home.
  assert train.main(["masked-language", "--workdir", str(tmp_path)]) == 1
  last = capsys.readouterr().err.splitlines()[-1]
  assert last.startswith("error: the folder of data sets, $TFDS_DATA_DIR or ")
  assert "no home folder ~" in last
  # So are copies of what is in buckets, of which a local path is none.
  monkeypatch.delenv("PERCEIVER_CACHE", raising=False)
  with pytest.raises(
    files.InputError, match=r"\$PERCEIVER_CACHE, is .* no home"
  ):
    bucket_copies.cache()
  assert not bucket_copies.is_copy(tmp_path)


def test_every_command_line_reads_paths_alike():
  found = {
    file: text
    for room in ("experiments", "scripts")
    for file in (folders.ROOT / room).rglob("*.py")
    if "tyro.cli(" in (text := file.read_text())
    if file.name == "arguments.py" or "pathlib.Path" in text
  }
  assert len(found) > 3
  for file, text in found.items():
    assert "registry=paths.REGISTRY" in text, file
