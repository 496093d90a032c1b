"""Files of audio alone, wherever clips are read."""

import numpy as np
from PIL import Image
import pytest

from experiments import prepare
from experiments.audio_video.audioset import data
from experiments.audio_video.audioset import examples
from experiments.audio_video.autoencoding import data as autoencoding_data
from experiments.audio_video.clips import audio_files
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import prepared
from experiments.audio_video.clips import user_files
from experiments.audio_video.clips import video_files
from experiments.data import files
from tests.helpers import tiny_audioset
from tests.helpers import tiny_clips

pytest.importorskip("av", reason='needs the extra "video"')

RATE = 16_000
FORM = video_files.Format(sample_rate=RATE, short_side=8)


def tone(seconds):
  return 0.5 * np.sin(2 * np.pi * 500 * np.arange(round(seconds * RATE)) / RATE)


def write_picture(path):
  Image.new("RGB", (32, 16), (10, 200, 30)).save(path)


@pytest.mark.parametrize("suffix", audio_files.SUFFIXES)
def test_audio_of_all_kinds(tmp_path, suffix):
  path = tmp_path / f"a{suffix}"
  tiny_clips.write_audio(path, tone(0.5), RATE)
  found = audio_files.decode(path, FORM)
  assert found.frames == []
  np.testing.assert_allclose(found.audio[:, 0], tone(0.5), atol=1e-3)
  assert not found.remarks
  part = audio_files.decode(path, FORM, 0.1, 0.3)
  np.testing.assert_allclose(part.audio[:, 0], tone(0.5)[1600:4800], atol=1e-3)


def test_a_picture_beside_is_every_frame(tmp_path):
  tiny_clips.write_audio(tmp_path / "a.flac", tone(0.41), RATE)
  write_picture(tmp_path / "a.png")
  frames = audio_files.decode(tmp_path / "a.flac", FORM).frames
  assert [frame.shape for frame in frames] == [(8, 16, 3)] * 11
  assert frames[10][0, 0].tolist() == [10, 200, 30]


def test_silence_at_the_beginning_is_left_out(tmp_path):
  silence = 0.001 * np.ones(8000)
  tiny_clips.write_audio(
    tmp_path / "a.wav", np.concatenate([silence, tone(0.5)]), RATE
  )
  found = audio_files.decode(tmp_path / "a.wav", FORM, 0.0, 0.2, trim=True)
  assert len(found.audio) == 3200
  np.testing.assert_allclose(found.audio[:, 0], tone(0.5)[1:3201], atol=1e-3)
  short = audio_files.decode(tmp_path / "a.wav", FORM, trim=True)
  assert len(short.audio) == 7999


def test_unusable_files_are_named(tmp_path):
  tiny_clips.write_audio(tmp_path / "a.wav", tone(0.1), RATE)
  (tmp_path / "b.ogg").write_text("no audio")
  with pytest.raises(files.InputError, match=r"a\.wav: it has no audio after"):
    audio_files.decode(tmp_path / "a.wav", FORM, 3.0)
  with pytest.raises(files.InputError, match=r"b\.ogg: it cannot be decoded"):
    audio_files.decode(tmp_path / "b.ogg", FORM)


def test_users_clips_may_be_audio_with_a_picture(tmp_path):
  tiny_clips.write_audio(tmp_path / "a.flac", tone(0.2), RATE)
  write_picture(tmp_path / "a.png")
  found = user_files.read(tmp_path / "a.flac", rate=8000)
  assert (len(found.frames), len(found.audio), found.rate) == (5, 1600, 8000)
  # The folder has a frame, and one file of audio.
  found = user_files.read(tmp_path, rate=RATE)
  assert len(found.frames) == 1
  np.testing.assert_allclose(found.audio, tone(0.2), atol=1e-3)
  tiny_clips.write_audio(tmp_path / "b.ogg", tone(0.2), RATE)
  with pytest.raises(files.InputError, match="has 2 files of audio"):
    user_files.read(tmp_path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
  """A data set of a video, audio alone, and audio with a picture."""
  root = tmp_path_factory.mktemp("clips")
  videos = root / "videos"
  tiny_clips.write_video(videos / "video.mp4", seconds=0.4)
  tiny_clips.write_audio(videos / "alone.wav", tone(0.3), RATE)
  tiny_clips.write_audio(videos / "shown.ogg", tone(0.3), RATE)
  write_picture(videos / "shown.png")
  rows = "".join(f"x,{name},0,0.4,x\n" for name in ("video", "alone", "shown"))
  text = f"label,youtube_id,time_start,time_end,split\n{rows}"
  (root / "list.csv").write_text(text)
  arguments = ["clips", videos, root / "out", "--validation", root / "list.csv"]
  arguments += ["--workers", "0", "--storage.sample-rate", "2000"]
  assert prepare.main([str(argument) for argument in arguments]) == 0
  return root / "out"


def test_audio_is_prepared_as_videos_are(dataset):
  source = prepared.open_split(dataset, "validation")
  every = [source[i] for i in range(3)]
  found = {clip.name.split()[0]: clip for clip in every}
  has_video = {name: clip.has_video for name, clip in found.items()}
  assert has_video == {"video": True, "alone": False, "shown": True}
  assert [len(found[name].frames) for name in ("alone", "shown")] == [8, 8]
  assert found["alone"].has_audio
  assert found["alone"].audio.shape == (640, 1)
  assert found["alone"].frames[2:5].shape == (3, 1, 1, 3)
  config = tiny_audioset.data_config(num_segments=1)
  model = tiny_audioset.model_config()
  inputs = data.model_inputs(model.inputs, 4, config)
  transform = examples.EvalTransform(config, inputs)
  example = transform(found["alone"], np.random.default_rng(0))
  flags = [bool(example[f"has_{name}"]) for name in ("video", "audio")]
  assert flags == [False, True]
  report = prepared.read_report(dataset).splits["validation"]
  assert report.remarks["no video"] == 1
  assert prepare.main(["verify-clips", str(dataset)]) == 0


def test_autoencoders_need_video(dataset):
  source = prepared.open_split(dataset, "validation")
  shape = clips.ClipShape(
    num_frames=2, size=(8, 8), num_samples=160, channels=1, num_classes=1
  )
  transform = autoencoding_data._Transform(shape)
  alone = next(
    clip for clip in map(source.__getitem__, range(3)) if not clip.has_video
  )
  with pytest.raises(files.InputError, match=r"clip alone .* has no video"):
    transform(alone, np.random.default_rng(0))
