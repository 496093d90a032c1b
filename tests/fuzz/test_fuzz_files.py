"""Damaged files of images, flow, clips and labels."""

import io
import struct

from hypothesis import example
from hypothesis import given
import numpy as np
from PIL import Image
import pytest
from scipy.io import wavfile

from experiments.audio_video.clips import user_files
from experiments.cli import predicting
from experiments.data import files
from experiments.optical_flow.benchmarks import flow_files
from tests.helpers import mutations

_PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def _encoded(kind, mode="RGB", **options):
  stream = io.BytesIO()
  Image.fromarray(_PIXELS).convert(mode).save(stream, kind, **options)
  return stream.getvalue()


_IMAGES = (
  _encoded("PNG"),
  _encoded("PNG", "P"),
  _encoded("PNG", "LA"),
  _encoded("JPEG"),
  _encoded("JPEG", "CMYK"),
  _encoded("BMP"),
  _encoded("GIF"),
  _encoded("PPM"),
  _encoded("TIFF", compression="tiff_lzw"),
  _encoded("WEBP", lossless=True),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("fuzz")


@given(mutations.damaged(*_IMAGES))
def test_images(folder, data):
  path = folder / "image"
  path.write_bytes(data)
  image = mutations.assert_read_or_refused(
    files.InputError, files.read_image, path
  )
  assert image is None or (image.dtype, image.shape[2]) == (np.uint8, 3)


def _flo():
  return b"PIEH" + struct.pack("<ii", 2, 3) + bytes(8 * 6)


@given(mutations.damaged(_flo()))
def test_flo_files(folder, data):
  path = folder / "flow.flo"
  path.write_bytes(data)
  found = mutations.assert_read_or_refused(
    files.InputError, flow_files.read_flow, path
  )
  assert found is None or np.all(np.isfinite(found[0]))


def _kitti():
  stream = io.BytesIO()
  writer = flow_files.png.Writer(3, 2, greyscale=False, bitdepth=16)
  writer.write(stream, np.full([2, 9], 2**15, np.uint16))
  return stream.getvalue()


@given(mutations.damaged(_kitti()))
def test_kitti_files(folder, data):
  path = folder / "flow.png"
  path.write_bytes(data)
  found = mutations.assert_read_or_refused(
    files.InputError, flow_files.read_flow, path
  )
  assert found is None or np.all(np.isfinite(found[0]))


def _npz(**arrays):
  stream = io.BytesIO()
  np.savez(stream, **arrays)
  return stream.getvalue()


_CLIP = np.zeros([2, 3, 4, 3], np.uint8)


@given(
  mutations.damaged(
    _npz(image=_CLIP, audio=np.zeros([6], np.float32), rate=48000),
    _npz(image=_CLIP / 255.0),
  )
)
@example(b"")
@example(_npz(image=_CLIP[:0]))
@example(_npz(image=_CLIP, rate=np.nan))
@example(_npz(image=_CLIP, audio=np.zeros(9, np.float32), rate=2**31 - 1))
@example(_npz(image=_CLIP.astype("c8")))
@example(_npz(image=_CLIP, audio=np.array(["a"])))
def test_clips_in_arrays(folder, data):
  path = folder / "clip.npz"
  path.write_bytes(data)
  errors = files.InputError
  found = mutations.assert_read_or_refused(errors, user_files.read, path)
  assert found is None or {f.dtype for f in found.frames} == {np.dtype("u1")}


def _wav(values, rate=48000):
  stream = io.BytesIO()
  wavfile.write(stream, rate, values)
  return stream.getvalue()


@given(
  mutations.damaged(
    _wav(np.zeros([6, 2], np.int16)), _wav(np.zeros([6], np.float32))
  )
)
@example(b"RIFF\0\0\0\0WAVE")
@example(_wav(np.zeros([6], np.int16), rate=2**30))
def test_audio(folder, data):
  clip, path = folder / "silent.npz", folder / "audio.wav"
  if not clip.exists():
    clip.write_bytes(_npz(image=_CLIP))
  path.write_bytes(data)
  found = mutations.assert_read_or_refused(
    files.InputError, user_files.read, clip, path
  )
  assert found is None or found.audio.dtype == np.float32
  assert found is None or found.rate <= 2**20


@given(mutations.damaged(b"cat\ndog\n", "café\r\nthé\r\n".encode()))
@example(b"\xff")
def test_labels(folder, data):
  path = folder / "labels.txt"
  path.write_bytes(data)
  mutations.assert_read_or_refused(
    files.InputError, predicting.read_labels, path, 2
  )
