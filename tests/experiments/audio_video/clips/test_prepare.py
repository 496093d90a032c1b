"""Data sets made of folders of video files, defective ones included."""

import dataclasses
import json
import re
import sys

import numpy as np
import pytest

from experiments import prepare as experiments_prepare
from experiments.audio_video.audioset import configs as audioset
from experiments.audio_video.autoencoding import configs as autoencoding
from experiments.audio_video.clips import clip_folder
from experiments.audio_video.clips import decoding
from experiments.audio_video.clips import prepare
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import sampling
from experiments.audio_video.clips import sources
from experiments.cli import registry
from experiments.data import files
from tests.helpers import tiny_clips

pytest.importorskip("av", reason='needs the extra "video"')

STORAGE = decoding.StorageConfig(short_side=24, sample_rate=16_000)
HEADER = "label,youtube_id,time_start,time_end,split\n"


def write_list(path, rows):
  lines = [f"{label},{name},0,{end},x\n" for label, name, end in rows]
  path.write_text(HEADER + "".join(lines))
  return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
  """A folder of videos, some of them defective."""
  root = tmp_path_factory.mktemp("kinetics")
  at = lambda name, end=1: root / "videos" / f"{name}_000000_{end:06d}.mp4"
  tiny_clips.write_video(at("whole"), seconds=1.0, channels=2)
  tiny_clips.write_video(at("short"), seconds=0.4)
  tiny_clips.write_video(at("silent"), seconds=1.0, audio=False)
  tiny_clips.write_video(at("fast"), seconds=1.0, rate=50.0)
  whole = at("whole").read_bytes()
  at("cut").write_bytes(whole[: len(whole) // 2])
  at("text").write_text("no video")
  names = ("whole", "short", "silent", "fast", "cut", "text", "gone", "lost")
  classes = ("b", "a", "b", "a", "a", "a", "a", "a")
  write_list(root / "train.csv", [(c, n, 1) for c, n in zip(classes, names)])
  write_list(root / "validate.csv", [("b", "whole", 1)])
  return root


@pytest.fixture(scope="module")
def dataset(videos):
  """The data set made of the videos."""
  output = videos / "prepared"
  arguments = ["clips", str(videos / "videos"), str(output)]
  arguments += ["--train", str(videos / "train.csv")]
  arguments += ["--validation", str(videos / "validate.csv")]
  arguments += ["--storage.short-side", "24", "--workers", "0"]
  arguments += ["--storage.sample-rate", "16000"]
  assert experiments_prepare.main(arguments) == 0
  return output


def by_name(source):
  found = [source[i] for i in range(len(source))]
  return {clip.name.split()[0]: clip for clip in found}


def test_clips_are_read(dataset):
  source = prepared.open_split(dataset, "train", allow_partial=True)
  assert source.class_names == ("a", "b")
  clips = by_name(source)
  assert {name: clip.labels for name, clip in clips.items()} == {
    "whole": (1,),
    "short": (0,),
    "silent": (1,),
    "fast": (0,),
  }
  whole = clips["whole"]
  assert (whole.frame_rate, whole.sample_rate) == (25.0, 16_000)
  assert len(whole.frames) == 25
  means = whole.frames[3:6].mean(axis=(1, 2, 3))
  np.testing.assert_allclose(means, [30, 40, 50], atol=3)
  time = np.arange(16_000) / 16_000
  tone = 0.5 * np.sin(2 * np.pi * 500 * time)
  assert np.sqrt(np.mean((whole.audio[:, 0] - tone) ** 2)) < 0.05
  np.testing.assert_allclose(
    clips["fast"].frames[:3].mean(axis=(1, 2, 3)), [0, 20, 40], atol=3
  )
  assert len(clips["short"].frames) == 10
  assert len(clips["short"].audio) == 10 * 640
  assert not clips["silent"].has_audio
  assert not clips["silent"].audio.any()
  segment = sampling.segment(clips["short"], 5, 8)
  assert segment.frames.shape == (8, 24, 32, 3)


def test_missing_and_defective_clips_are_reported(dataset, videos, capsys):
  report = prepared.read_report(dataset)
  train = report.splits["train"]
  assert (train.listed, train.kept, train.official) == (8, 4, False)
  assert train.missing == ("gone 0-1", "lost 0-1")
  assert [str(videos) in damaged for damaged in train.damaged] == [True, True]
  assert train.remarks == {
    "other number of channels": 1,
    "other sample rate": 3,
    "other frame rate": 1,
    "short": 1,
    "silent": 1,
  }
  assert experiments_prepare.main(["verify-clips", str(dataset)]) == 0
  out = capsys.readouterr().out
  assert "train: 4 of 8 clips of no official list, 2 missing, 2 damaged" in out
  assert "  silent: 1\n" in out
  assert "  missing: gone 0-1\n" in out
  assert "  damaged: 2 × it cannot be decoded: Invalid data found" in out
  assert out.endswith("all that is there can be read\n")


def test_reasons_of_unreadable_clips_are_counted(dataset, monkeypatch, capsys):
  def fail(self, part):
    raise files.InputError(f"clip {self.name}: not a readable image")

  monkeypatch.setattr(prepared.EncodedFrames, "__getitem__", fail)
  assert experiments_prepare.main(["verify-clips", str(dataset)]) == 1
  error = capsys.readouterr().err
  assert error.count(": not a readable image\n") == 5
  assert "5 in all: 5 × not a readable image\n" in error


def test_incomplete_splits_must_be_allowed(dataset):
  with pytest.raises(files.InputError, match="4 of the 8 clips"):
    prepared.open_split(dataset, "train")
  assert len(prepared.open_split(dataset, "validation")) == 1
  source = prepared.open_split(dataset, "train[:2]", allow_partial=True)
  assert len(source) == 2
  with pytest.raises(files.InputError, match="no split 'test'"):
    prepared.open_split(dataset, "test")


def test_models_follow_the_number_of_classes(dataset):
  source = sources.Source(sources.Kind.PREPARED, dataset)
  assert sources.num_classes(sources.ClipsConfig(source=source)) == 2
  assert sources.num_classes(sources.ClipsConfig()) is None
  for experiment in (audioset.MINI, autoencoding.MINI):
    data = dataclasses.replace(experiment.data, source=source)
    experiment = dataclasses.replace(experiment, data=data)
    choice = registry.Choice("clips", "mini", experiment, None)
    model = registry.fit(choice, experiment).model
    assert (experiment.model.num_classes > 2, model.num_classes) == (True, 2)
    assert model.inputs.input_channels == model.perceiver.encoder.input_channels


def test_a_data_set_needs_no_pyav(dataset, monkeypatch):
  monkeypatch.setitem(sys.modules, "av", None)
  assert prepared.open_split(dataset, "validation")[0].frames[:].any()


def test_nothing_is_overwritten(dataset, videos):
  config = prepare.PrepareConfig(
    videos=videos / "videos", output=dataset, train=(videos / "train.csv",)
  )
  with pytest.raises(files.InputError, match="is there already"):
    prepare.prepare(config)


def test_a_damaged_file_stops_the_job_if_asked(videos, tmp_path, capsys):
  arguments = ["clips", str(videos / "videos"), str(tmp_path / "out")]
  arguments += ["--train", str(videos / "train.csv")]
  arguments += ["--workers", "0", "--stop-at-damaged"]
  assert experiments_prepare.main(arguments) == 1
  error = capsys.readouterr().err
  assert re.search(
    r"(cut|text)_000000_000001\.mp4: it cannot be decoded", error
  )
  # Finished clips are kept for the next attempt, and nothing else.
  assert {path.name for path in tmp_path.iterdir()} <= {"out.unfinished"}


def test_finished_clips_are_kept(videos, tmp_path, monkeypatch, capsys):
  rows = [("a", name, 1) for name in ("whole", "short", "silent", "fast")]
  config = prepare.PrepareConfig(
    videos=videos / "videos",
    output=tmp_path / "out",
    train=(write_list(tmp_path / "list.csv", rows),),
    storage=STORAGE,
    workers=0,
  )
  decoded, decode = [], decoding.decode

  def interrupted(job, config):
    if len(decoded) == 2:
      raise KeyboardInterrupt
    decoded.append(job.key)
    return decode(job, config)

  with monkeypatch.context() as patch:
    patch.setattr(decoding, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
      prepare.prepare(config)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out.unfinished" / ".DS_Store").touch()
    other = dataclasses.replace(STORAGE, quality=50)
    with pytest.raises(files.InputError, match="other data, lists or settings"):
      prepare.prepare(dataclasses.replace(config, storage=other))
  again = []
  monkeypatch.setattr(
    decoding,
    "decode",
    lambda job, config: again.append(job.key) or decode(job, config),
  )
  report = prepare.prepare(config)
  assert "train: 2 clips are there" in capsys.readouterr().err
  assert not set(decoded) & set(again)
  assert len(again) == 2
  assert (report.splits["train"].kept, len(report.splits["train"].remarks)) == (
    4,
    5,
  )
  source = prepared.open_split(tmp_path / "out", "train")
  assert set(by_name(source)) == {"whole", "short", "silent", "fast"}
  assert not (tmp_path / "out.unfinished").exists()


def test_sound_that_changes_midway_loses_no_clip(tmp_path):
  frames = [(tick, tiny_clips.grey(0)) for tick in range(0, 76, 4)]
  one = tiny_clips.tone(1152 * 16)
  audio = [(0, one.repeat(2, axis=1)), (38, one)]
  (tmp_path / "videos").mkdir()
  tiny_clips.write_changing_video(tmp_path / "videos/abc.mkv", frames, audio)
  tiny_clips.write_video(tmp_path / "videos/def.mp4", seconds=0.4)
  rows = [("a", "abc", 1), ("a", "def", 1)]
  config = prepare.PrepareConfig(
    videos=tmp_path / "videos",
    output=tmp_path / "out",
    train=(write_list(tmp_path / "list.csv", rows),),
    storage=STORAGE,
    workers=0,
  )
  report = prepare.prepare(config).splits["train"]
  assert (report.kept, report.damaged) == (2, ())
  assert report.remarks["audio that changes"] == 1


def test_without_pyav_nothing_is_begun(videos, tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "av", None)
  config = prepare.PrepareConfig(
    videos=videos / "videos",
    output=tmp_path / "out",
    train=(videos / "train.csv",),
  )
  with pytest.raises(files.InputError, match=r"need PyAV.*\[video\]"):
    prepare.prepare(config)
  assert not list(tmp_path.iterdir())


def test_lists_without_a_readable_clip(videos, tmp_path):
  config = prepare.PrepareConfig(
    videos=videos / "videos",
    output=tmp_path / "out",
    train=(
      write_list(
        tmp_path / "list.csv",
        [("a", "text", 1), ("a", "cut", 1), ("a", "gone", 1)],
      ),
    ),
    workers=0,
  )
  message = (
    "none of the 3 clips of train .*: 2 × it cannot be decoded: Invalid data "
    "found when processing input; 1 × it has no file"
  )
  with pytest.raises(files.InputError, match=message):
    prepare.prepare(config)
  assert not (tmp_path / "out").exists()


AUDIOSET = "# created\n# num_ytids=1\n# YTID, start, end, positive_labels\n"


def test_audioset_with_worker_processes(tmp_path):
  tiny_clips.write_video(tmp_path / "videos" / "abc.mp4", seconds=1.0)
  (tmp_path / "eval.csv").write_text(AUDIOSET + 'abc, 0.4, 0.8, "/m/2,/m/1"\n')
  (tmp_path / "classes.csv").write_text(
    "index,mid,display_name\n0,/m/1,Fire\n1,/m/2,Bell\n2,/m/3,Bell\n"
  )
  config = prepare.PrepareConfig(
    videos=tmp_path / "videos",
    output=tmp_path / "out",
    validation=(tmp_path / "eval.csv",),
    classes=tmp_path / "classes.csv",
    storage=dataclasses.replace(STORAGE, whole_videos=True, channels=2),
    workers=1,
  )
  assert prepare.prepare(config).kind == "audioset"
  source = prepared.open_split(tmp_path / "out", "validation")
  assert source.class_names == ("Fire", "Bell (/m/2)", "Bell (/m/3)")
  clip = source[0]
  assert (clip.labels, len(clip.frames)) == ((0, 1), 10)
  assert clip.audio.shape == (6400, 2)
  np.testing.assert_allclose(
    clip.frames[:2].mean(axis=(1, 2, 3)), [100, 110], atol=3
  )


def plan_error(tmp_path, **changes):
  (tmp_path / "videos").mkdir(exist_ok=True)
  (tmp_path / "videos" / "abc.mp4").touch()
  config = prepare.PrepareConfig(
    videos=tmp_path / "videos", output=tmp_path / "out", workers=0, **changes
  )
  with pytest.raises(files.InputError) as error:
    prepare.prepare(config)
  return str(error.value)


def test_lists_that_do_not_fit_together(tmp_path):
  one = write_list(tmp_path / "one.csv", [("a", "abc", 1)])
  other = tmp_path / "other.csv"
  other.write_text(AUDIOSET + 'abc, 0.0, 1.0, "/m/2"\n')
  assert "use one" in plan_error(tmp_path, train=(one,), validation=(other,))
  assert "--classes" in plan_error(tmp_path, train=(other,))
  assert "name a clip twice" in plan_error(tmp_path, train=(one, one))
  one.write_text(HEADER.replace("label", "class") + "a,abc,0,1,x\n")
  assert "have no labels" in plan_error(tmp_path, train=(one,))
  with pytest.raises(ValueError, match="no lists"):
    prepare.PrepareConfig(videos=tmp_path, output=tmp_path / "out")


def test_official_numbers():
  assert (
    sum(
      clip_folder.OFFICIAL_COUNTS["kinetics", s][0]
      for s in ("train", "validation", "test")
    )
    == 647_907
  )
  both, unbalanced, balanced = clip_folder.OFFICIAL_COUNTS["audioset", "train"]
  assert both == unbalanced + balanced


def test_a_missing_or_damaged_report(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"experiments\.prepare clips"):
    prepared.open_split(tmp_path, "train")
  (tmp_path / prepared.REPORT).write_text(json.dumps({"kind": "kinetics"}))
  with pytest.raises(files.InputError, match="is damaged"):
    prepared.read_report(tmp_path)


def test_a_damaged_frame_is_named():
  frames = prepared.EncodedFrames([b"no JPEG"], "abc 0-1")
  with pytest.raises(files.InputError, match="clip abc 0-1: not a readable"):
    frames[:1]


def test_audio_is_stored_in_16_bits():
  audio = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
  kept = decoding.from_bytes(decoding.to_bytes(audio), 2, 5)
  np.testing.assert_allclose(kept[:4], audio, atol=1e-4)
  np.testing.assert_array_equal(kept[4], [0, 0])
  assert len(decoding.from_bytes(decoding.to_bytes(audio), 2, 3)) == 3


@pytest.mark.parametrize(
  "changes",
  [{"sample_rate": 48_001}, {"channels": 3}, {"quality": 96}],
)
def test_impossible_storage(changes):
  with pytest.raises(ValueError, match="StorageConfig"):
    decoding.StorageConfig(**changes)
