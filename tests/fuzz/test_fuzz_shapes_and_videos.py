"""Damaged meshes, point clouds, videos and lists of clips."""

from hypothesis import example
from hypothesis import given
import numpy as np
import pytest

from experiments.audio_video.clips import clip_folder
from experiments.audio_video.clips import video_files
from experiments.audio_video.clips import video_writer
from experiments.data import files
from experiments.point_clouds.files import datasets
from experiments.point_clouds.files import hdf5_files
from experiments.point_clouds.files import off_files
from tests.helpers import mutations

_MESH = b"OFF\n# a tetrahedron\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n" + (
  b"3 0 1 2\n3 0 1 3\n3 0 2 3 255 0 0\n3 1 2 3\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("fuzz")


@given(mutations.damaged(_MESH, _MESH.replace(b"OFF\n", b"OFF")))
@example(b"OFF 99999999999999999999 1 0\n")
@example(b"OFF 1000000000 1000000000 0\n0 0 0\n")
def test_meshes(folder, data):
  path = folder / "mesh.off"
  path.write_bytes(data)
  mesh = mutations.assert_read_or_refused(
    files.InputError, off_files.read, path
  )
  if mesh is not None:
    assert np.all(np.isfinite(mesh.vertices))
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices)


@pytest.fixture(scope="module")
def clouds(folder):
  """A file of one point cloud, in a folder that lists it."""
  h5py = pytest.importorskip("h5py")
  (folder / "test_files.txt").write_text("data/clouds.h5\n")
  with h5py.File(folder / "clouds.h5", "w") as file:
    file["data"] = np.zeros([1, 2048, 3], np.float32)
    file["label"] = np.zeros([1, 1], np.uint8)
  return (folder / "clouds.h5").read_bytes()


_CHANGES = mutations.changes()


@given(_CHANGES)
def test_clouds(folder, clouds, changes):
  (folder / "clouds.h5").write_bytes(mutations.changed(clouds, changes))
  config = datasets.ModelNet40(
    data_dir=folder, split=datasets.Split.TEST, allow_partial=True
  )
  found = mutations.assert_read_or_refused(
    files.InputError, hdf5_files.open_dataset, config, 8
  )
  assert found is None or found[0].points.shape == (8, 3)


_KINETICS = (
  b"label,youtube_id,time_start,time_end,split\n"
  b'"blowing out candles",abcdefghijk,10,20,train\nsneezing,lmnop,0,10,train\n'
)
_AUDIOSET = (
  b"# Segments csv created\n# YTID, start_seconds, end_seconds, labels\n"
  b'--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"\n'
)


@given(mutations.damaged(_KINETICS, _AUDIOSET))
@example(b"# \r" + b'"' + b"x" * 140_000)
def test_lists_of_clips(folder, data):
  path = folder / "list.csv"
  path.write_bytes(data)
  found = mutations.assert_read_or_refused(
    files.InputError, clip_folder.read_list, path
  )
  assert found is None or all(0 <= row.start < row.end for row in found.rows)


@given(
  mutations.damaged(
    b'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male, man"\n'
  )
)
@example(b"index,mid,display_name\n0,a," + b"x" * 140_000)
def test_lists_of_classes(folder, data):
  path = folder / "classes.csv"
  path.write_bytes(data)
  found = mutations.assert_read_or_refused(
    files.InputError, clip_folder.read_classes, path
  )
  assert found is None or len(found.keys) > 0


@pytest.fixture(scope="module")
def video(folder):
  """A video file of three frames with audio."""
  pytest.importorskip("av")
  path = folder / "whole.mp4"
  frames = np.zeros([3, 16, 16, 3], np.uint8)
  audio = np.zeros([480, 1], np.float32)
  video_writer.write(path, frames, 25.0, audio, 8000)
  return path.read_bytes()


@given(_CHANGES)
def test_videos(folder, video, changes):
  path = folder / "video.mp4"
  path.write_bytes(mutations.changed(video, changes))
  form = video_files.Format(sample_rate=8000, short_side=16)
  found = mutations.assert_read_or_refused(
    files.InputError, video_files.decode, path, form, 0.0, 1.0
  )
  if found is None:
    return
  shapes = {frame.shape for frame in found.frames}
  if shapes != {(16, 16, 3)}:
    assert not _is_square(path)  # The header is changed.
    ((height, width, colours),) = shapes
    assert (min(height, width), colours) == (16, 3)


def _is_square(path):
  """Returns whether the picture in a video file is one, by its header."""
  av = pytest.importorskip("av")
  with av.open(str(path)) as container:
    (stream,) = container.streams.video
    frame = next(container.decode(stream))
    pixel = float(stream.sample_aspect_ratio or 1)
    return frame.width * pixel == frame.height
