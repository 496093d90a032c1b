"""Folders in the form of the benchmarks."""

import pathlib

import numpy as np
import pytest

from experiments.data import files
from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import flow_files
from experiments.optical_flow.benchmarks import submissions

ROOT = pathlib.Path("data")
CLEAN = datasets.Sintel(data_dir=ROOT)
FINAL = datasets.Sintel(data_dir=ROOT, render_pass=datasets.RenderPass.FINAL)
KITTI = datasets.Kitti(data_dir=ROOT)
OLD_KITTI = datasets.Kitti(data_dir=ROOT, year=datasets.KittiYear.KITTI_2012)
MIDDLEBURY = datasets.Middlebury(data_dir=ROOT)
FLOW = np.float32([[(1, -2), (3.25, 4), (0, 0.5)], [(0, 0), (9, 9), (8, 8)]])


@pytest.mark.parametrize(
  ("config", "name", "path"),
  [
    (CLEAN, "ambush_1/frame_0021", "clean/ambush_1/frame0021.flo"),
    (FINAL, "temple_1/frame_0001", "final/temple_1/frame0001.flo"),
    (KITTI, "000000_10", "flow/000000_10.png"),
    (OLD_KITTI, "000194_10", "000194_10.png"),
    (MIDDLEBURY, "Army/frame10", "Army/flow10.flo"),
  ],
)
def test_paths_of_flow(tmp_path, config, name, path):
  written = submissions.write(tmp_path / "mine", config, name, FLOW)
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
  "config",
  [
    datasets.AutoFlow(data_dir=ROOT),
    datasets.FlyingChairs(data_dir=ROOT),
    datasets.Hd1k(data_dir=ROOT),
  ],
)
def test_data_sets_without_a_benchmark_are_refused(tmp_path, config):
  message = f"no submission of {type(config).__name__}"
  with pytest.raises(files.InputError, match=message):
    submissions.write(tmp_path, config, "00001", FLOW)


@pytest.mark.parametrize(
  ("config", "name"),
  [
    (CLEAN, "frame_0001"),
    (CLEAN, "../alley_1/frame_0001"),
    (KITTI, "alley_1/frame_0001"),
    (KITTI, "000000_11"),
    (MIDDLEBURY, "Army/frame11"),
  ],
)
def test_names_of_other_data_sets_are_refused(tmp_path, config, name):
  with pytest.raises(files.InputError, match=f"is named {name}; expected"):
    submissions.write(tmp_path, config, name, FLOW)
  assert not list(tmp_path.iterdir())


def test_flow_that_is_not_finite_is_refused(tmp_path):
  flow = FLOW.copy()
  flow[0, 0, 0] = np.nan
  message = r"000000_10: the flow for .*flow/000000_10\.png is not finite"
  with pytest.raises(files.InputError, match=message):
    submissions.write(tmp_path, KITTI, "000000_10", flow)
