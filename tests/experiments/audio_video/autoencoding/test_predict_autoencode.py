"""The autoencode command."""

import dataclasses
import json
import sys

import numpy as np
from PIL import Image
import pytest
from scipy.io import wavfile

from experiments import predict
from experiments.audio_video.autoencoding import predict as autoencoding_predict
from experiments.audio_video.clips import clips
from experiments.audio_video.clips import user_files
from experiments.data import files
from tests.helpers import tiny_clips
from tests.helpers import tiny_models
from tests.helpers import tiny_video

SHAPE = clips.ClipShape(  # 1,600 Hz
  num_frames=2, size=(16, 16), num_samples=128, channels=1, num_classes=9
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return tiny_models.save(tmp_path_factory.mktemp("model"), tiny_video.config())


def video(num_frames=4, size=(16, 16)):
  generator = np.random.default_rng(0)
  return generator.integers(0, 256, (num_frames, *size, 3), np.uint8)


def audio(num_samples=256):
  time = np.arange(num_samples) / 1600
  return (0.5 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)


def clip(**changes):
  values = {
    "frames": list(video()),
    "fps": 25.0,
    "audio": audio(),
    "rate": 1600,
  }
  return user_files.Clip(**{**values, **changes})


# --------------------------------------------------------------------- fitting


def test_a_clip_of_the_right_shape_is_not_changed():
  inputs, changes = user_files.fit(clip(), SHAPE, 0.04)
  assert not changes
  np.testing.assert_allclose(inputs["image"][0], video()[1:3] / 255, rtol=1e-6)
  np.testing.assert_array_equal(inputs["audio"][0, :, 0], audio()[64:192])
  assert user_files.sample_rate(SHAPE) == 1600
  released = dataclasses.replace(SHAPE, num_frames=16, num_samples=30_720)
  assert user_files.sample_rate(released) == 48_000


def test_missing_frames_and_samples_are_padded():
  short = clip(frames=list(video(1)), audio=audio(100))
  inputs, changes = user_files.fit(short, SHAPE, 0.0)
  np.testing.assert_array_equal(inputs["image"][0, 1], inputs["image"][0, 0])
  assert not inputs["audio"][0, 100:].any()
  assert "ends 1 frames early" in changes[0]
  assert "ends 28 samples early" in changes[1]
  inputs, changes = user_files.fit(clip(audio=None), SHAPE, 0.0)
  assert not inputs["audio"].any()
  assert changes == ["no audio: silence"]


def test_frames_are_chosen_by_time():
  faster, _ = user_files.fit(clip(fps=75.0), SHAPE, 0.0)
  np.testing.assert_allclose(faster["image"][0], video()[[0, 3]] / 255)
  slower, changes = user_files.fit(clip(fps=12.5), SHAPE, 0.04)
  np.testing.assert_allclose(slower["image"][0], video()[[1, 1]] / 255)
  assert "12.5 frames per second" in changes[0]


def test_frames_are_cropped_to_the_models_shape():
  wide = np.zeros((2, 32, 96, 3), np.uint8)
  wide[:, :, 32:64] = 200  # the middle square
  inputs, changes = user_files.fit(clip(frames=list(wide)), SHAPE, 0.0)
  np.testing.assert_allclose(inputs["image"], 200 / 255)
  assert "32 × 96" in changes[0]


def test_audio_of_another_rate_is_resampled():
  time = np.arange(1000) / 4000
  fine = (0.5 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)
  inputs, changes = user_files.fit(clip(audio=fine, rate=4000), SHAPE, 0.0)
  inside = slice(20, 108)
  np.testing.assert_allclose(
    inputs["audio"][0, inside, 0], audio()[inside], atol=0.01
  )
  assert "4000 Hz: resampled to 1600 Hz" in changes[0]


@pytest.mark.parametrize("start", [-1.0, 0.16, 9.0])
def test_clips_begin_within_the_video(start):
  with pytest.raises(files.InputError, match=r"the video has 0\.16 s"):
    user_files.fit(clip(), SHAPE, start)


@pytest.mark.parametrize(
  ("samples", "expected"),
  [
    (np.int16([-32768, 16384]), [-1, 0.5]),
    (np.uint8([0, 192]), [-1, 0.5]),
    (np.float32([[1, 0], [0, -1]]), [0.5, -0.5]),
  ],
)
def test_wav_files_of_all_kinds(tmp_path, samples, expected):
  wavfile.write(tmp_path / "a.wav", 8000, samples)
  Image.fromarray(video()[0]).save(tmp_path / "0.png")
  found = user_files.read(tmp_path, None, 25)
  np.testing.assert_allclose(found.audio, expected)
  assert found.rate == 8000


# -------------------------------------------------------------------- decoding


@pytest.mark.parametrize("chunk", [100, 511, 9999])
def test_chunks_equal_one_decoding(trained, chunk):
  model, variables, _ = trained
  inputs = {k: v[:1] for k, v in tiny_video.inputs().items()}
  latents = model.encode(variables, inputs)
  whole = model.decode(variables, latents)
  found = autoencoding_predict.decode(model, variables, latents, chunk)
  assert found["image"].shape == (2, 16, 16, 3)
  np.testing.assert_allclose(
    found["image"].reshape(-1, 3), whole["image"][0], atol=1e-5
  )
  for name in ("audio", "label"):
    np.testing.assert_allclose(found[name], whole[name][0], atol=1e-5)


def test_psnr():
  zeros = np.zeros((2, 3))
  assert autoencoding_predict.psnr(zeros, zeros) == np.inf
  assert autoencoding_predict.psnr(zeros, zeros + 0.1) == pytest.approx(20)


# ----------------------------------------------------------------- the command


def test_an_array_file(trained, tmp_path, capsys):
  file, out = tmp_path / "clip.npz", tmp_path / "out"
  labels = tmp_path / "labels.txt"
  labels.write_text("\n".join(f"class {i}" for i in range(9)) + "\n")
  np.savez(file, image=video(), audio=audio(), rate=1600)
  arguments = ["autoencode", str(file), "--checkpoint", trained[2]]
  arguments += ["--output", str(out), "--labels", str(labels)]
  assert predict.main([*arguments, "--chunk", "200"]) == 0
  printed = capsys.readouterr().out
  assert "video PSNR" in printed
  assert printed.count("class") == 5
  result = json.loads((out / "result.json").read_text())
  assert result["clip"] == []
  assert len(result["labels"]) == 5
  model, variables, _ = trained
  inputs, _ = user_files.fit(clip(), SHAPE, 0.0)
  whole = model.apply(variables, inputs)
  expected_image = np.clip(
    np.asarray(whole["image"][0]).reshape(2, 16, 16, 3), 0, 1
  )
  expected = autoencoding_predict.psnr(inputs["image"][0], expected_image)
  assert result["video_psnr_db"] == pytest.approx(expected, abs=1e-3)
  frame = np.asarray(Image.open(out / "frames" / "001.png"))
  np.testing.assert_array_equal(frame[:, :16], video()[1])
  assert np.abs(frame[:, 16:] - 255.0 * expected_image[1]).max() < 0.51
  rate, samples = wavfile.read(out / "reconstruction.wav")
  assert (rate, samples.shape, samples.dtype) == (1600, (128,), np.int16)
  with Image.open(out / "comparison.gif") as gif:
    assert (gif.n_frames, gif.size) == (2, (32, 16))


def test_a_folder_of_frames(trained, tmp_path, capsys):
  folder, out = tmp_path / "in", tmp_path / "out"
  folder.mkdir()
  for i, frame in enumerate(video(2, (20, 30))):
    Image.fromarray(frame).save(folder / f"{i}.png")
  arguments = ["autoencode", str(folder), "--checkpoint", trained[2]]
  assert predict.main([*arguments, "--output", str(out)]) == 0
  err = capsys.readouterr().err
  assert "no audio: silence" in err
  assert "20 × 30" in err
  changes = json.loads((out / "result.json").read_text())["clip"]
  assert len(changes) == 2


def test_video_files_need_pyav(trained, tmp_path, monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, "av", None)
  (tmp_path / "a.mp4").write_bytes(b"video")
  arguments = ["autoencode", str(tmp_path / "a.mp4"), "--checkpoint"]
  assert predict.main([*arguments, trained[2]]) == 1
  assert "pip install -e '.[video]'" in capsys.readouterr().err


def test_video_files(tmp_path):
  path = tmp_path / "a.mp4"
  tiny_clips.write_video(path, seconds=0.8, audio=False)
  found = user_files.read(path)
  assert (len(found.frames), found.fps, found.audio) == (20, 25, None)
  for i, frame in enumerate(found.frames):
    assert frame.shape == (24, 32, 3)
    assert abs(frame.mean() - 10 * i) < 6
  part = user_files.read(path, start=0.4, end=0.6)
  assert (len(part.frames), part.start) == (5, 0.4)
  inputs, _ = user_files.fit(part, SHAPE, 0.44)
  np.testing.assert_allclose(
    inputs["image"].mean(axis=(0, 2, 3, 4)) * 255, [110, 120], atol=6
  )
  with pytest.raises(files.InputError, match="no frames after 3 seconds"):
    user_files.read(path, start=3.0, end=4.0)


def test_frames_of_a_varying_rate_are_chosen_by_their_times(tmp_path):
  pytest.importorskip("av", reason='needs the extra "video"')
  path = tmp_path / "a.mkv"
  tiny_clips.write_irregular_video(path, [0, 4, 8, 28, 32])
  inputs, changes = user_files.fit(
    user_files.read(path, start=0.16, end=9.0), SHAPE, 0.16
  )
  means = inputs["image"].mean(axis=(0, 2, 3, 4)) * 255
  np.testing.assert_allclose(means, [20, 30], atol=6)
  assert "of them the nearest in time to 25 per second" in changes[0]


def test_audio_from_elsewhere_begins_with_the_video(tmp_path):
  tiny_clips.write_video(tmp_path / "a.mp4", seconds=0.4)
  ramp = (np.arange(640) * 50).astype(np.int16)
  wavfile.write(tmp_path / "a.wav", 1600, ramp)
  alone = user_files.read(tmp_path / "a.mp4", rate=4000)
  assert any("resampled" in change for change in alone.changes)
  part = user_files.read(tmp_path / "a.mp4", tmp_path / "a.wav", start=0.2)
  assert not any("audio" in change for change in part.changes)
  inputs, _ = user_files.fit(part, SHAPE, 0.2)
  np.testing.assert_allclose(inputs["audio"][0, 0], 320 * 50 / 32768)


@pytest.mark.parametrize(
  ("name", "arrays", "expected"),
  [
    ("audio", {"audio": np.float32([1.003, -0.5])}, [1, -0.5]),
    ("image", {"image": np.float64([[[[-0.02, 0.5, 1.01]]]])}, [0, 128, 255]),
  ],
)
def test_a_little_too_much_is_clipped_and_mentioned(
  tmp_path, name, arrays, expected
):
  np.savez(tmp_path / "a.npz", **{"image": video(), **arrays})
  found = user_files.read(tmp_path / "a.npz")
  values = found.audio if name == "audio" else found.frames[0][0, 0]
  np.testing.assert_allclose(values, expected)
  assert "clipped to" in found.changes[0]
  _, changes = user_files.fit(found, SHAPE, 0.0)
  assert found.changes[0] in changes


@pytest.mark.parametrize(
  ("arrays", "message"),
  [
    ({"video": video()}, "nothing under the name 'image'"),
    ({"image": video()[0]}, "an array of (16, 16, 3)"),
    ({"image": video().astype(np.float32)}, "or floats from 0 to 1"),
    ({"image": video()[:0]}, "an array of (0, 16, 16, 3)"),
    (
      {"image": video(), "audio": 2 * np.ones(9)},
      "the audio goes from 2 to 2; expected",
    ),
    (
      {"image": video(), "audio": np.ones(9), "rate": 0},
      "'rate' is 0; expected a whole number",
    ),
  ],
)
def test_invalid_arrays(trained, tmp_path, capsys, arrays, message):
  np.savez(tmp_path / "clip.npz", **arrays)
  arguments = ["autoencode", str(tmp_path / "clip.npz"), "--checkpoint"]
  arguments += [trained[2], "--output", str(tmp_path / "out")]
  assert predict.main(arguments) == 1
  assert message in capsys.readouterr().err
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
  ("extra", "code", "message"),
  [
    (["--chunk", "0"], 2, "--chunk must be at least 1"),
    (["--start", "3"], 1, "to begin after 3 s"),
    (["--audio", "nothing.wav"], 1, "There is no nothing.wav"),
    (["--audio", "clip.npz"], 1, "is not a .wav file"),
  ],
)
def test_impossible_options(
  trained, tmp_path, monkeypatch, capsys, extra, code, message
):
  monkeypatch.chdir(tmp_path)
  np.savez("clip.npz", image=video())
  arguments = ["autoencode", "clip.npz", "--checkpoint", trained[2], *extra]
  assert predict.main(arguments) == code
  assert message in capsys.readouterr().err
