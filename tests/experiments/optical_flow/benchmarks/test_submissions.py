"""Folders in the form of the benchmarks."""

import numpy as np
import pytest

from experiments.data import files
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import flow_files
from experiments.optical_flow.benchmarks import submissions

CLEAN = datasets.Dataset.SINTEL_CLEAN
FINAL = datasets.Dataset.SINTEL_FINAL
KITTI = datasets.Dataset.KITTI_2015
OLD_KITTI = datasets.Dataset.KITTI_2012
MIDDLEBURY = datasets.Dataset.MIDDLEBURY
FLOW = np.float32([[(1, -2), (3.25, 4), (0, 0.5)], [(0, 0), (9, 9), (8, 8)]])


@pytest.mark.parametrize(
  ("dataset", "name", "path"),
  [
    (CLEAN, "ambush_1/frame_0021", "clean/ambush_1/frame0021.flo"),
    (FINAL, "temple_1/frame_0001", "final/temple_1/frame0001.flo"),
    (KITTI, "000000_10", "flow/000000_10.png"),
    (OLD_KITTI, "000194_10", "000194_10.png"),
    (MIDDLEBURY, "Army/frame10", "Army/flow10.flo"),
  ],
)
def test_paths_of_flow(tmp_path, dataset, name, path):
  written = submissions.write(tmp_path / "mine", dataset, name, FLOW)
  assert written == tmp_path / "mine" / path
  found, known = flow_files.read_flow(written)
  np.testing.assert_array_equal(found, FLOW)
  assert known.all()
  everything = [x for x in tmp_path.rglob("*") if x.is_file()]
  assert everything == [written]


def test_flow_beyond_kittis_range_is_clipped(tmp_path):
  flow = np.float32([[(-600, 0), (512, 511), (-512, 1e7)]])
  path = submissions.write(tmp_path, KITTI, "000000_10", flow)
  found, known = flow_files.read_kitti(path)
  assert known.all()
  end = 512 - 1 / 64
  assert found.tolist() == [[[-512, 0], [end, 511], [-512, end]]]


@pytest.mark.parametrize(
  "dataset",
  [
    datasets.Dataset.AUTOFLOW,
    datasets.Dataset.FLYING_CHAIRS,
    datasets.Dataset.HD1K,
  ],
)
def test_data_sets_without_a_benchmark_are_refused(tmp_path, dataset):
  message = f"no submission of {dataset.value}"
  with pytest.raises(files.InputError, match=message):
    submissions.write(tmp_path, dataset, "00001", FLOW)


@pytest.mark.parametrize(
  ("dataset", "name"),
  [
    (CLEAN, "frame_0001"),
    (CLEAN, "../alley_1/frame_0001"),
    (KITTI, "alley_1/frame_0001"),
    (KITTI, "000000_11"),
    (MIDDLEBURY, "Army/frame11"),
  ],
)
def test_names_of_other_data_sets_are_refused(tmp_path, dataset, name):
  with pytest.raises(files.InputError, match=f"is named {name}; expected"):
    submissions.write(tmp_path, dataset, name, FLOW)
  assert not list(tmp_path.iterdir())


def test_flow_that_is_not_finite_is_refused(tmp_path):
  flow = FLOW.copy()
  flow[0, 0, 0] = np.nan
  message = r"000000_10: the flow for .*flow/000000_10\.png is not finite"
  with pytest.raises(files.InputError, match=message):
    submissions.write(tmp_path, KITTI, "000000_10", flow)
