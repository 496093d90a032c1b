"""Public data sets, on tiny copies in their published folders."""

import dataclasses
import pathlib

import pytest

from experiments.data import files
from experiments.optical_flow.benchmarks import datasets
from tests.helpers import flow_folders
from tests.helpers import foreign

TEST, TRAIN = datasets.Part.TEST, datasets.Part.TRAIN
Dataset = datasets.Dataset


def described(source):
  """Returns names, the greys of both frames, and u of all examples."""
  return [
    (
      example.name,
      *example.frames[:, 0, 0, 0].tolist(),
      float(example.flow[0, 0, 0]) if example.valid.all() else None,
    )
    for example in source
  ]


@pytest.mark.parametrize(
  ("make", "changes", "expected"),
  [
    (
      flow_folders.autoflow,
      {},
      [
        ("static_40k_png_1_of_4/table_0", 10, 20, 0),
        ("static_40k_png_1_of_4/table_1", 11, 21, 1),
        ("static_40k_png_4_of_4/table_9", 19, 29, 9),
      ],
    ),
    (
      flow_folders.chairs,
      {},
      [("00001", 1, 11, 101), ("00003", 3, 13, 103), ("00004", 4, 14, 104)],
    ),
    (
      flow_folders.chairs,
      {"part": datasets.Part.VALIDATION},
      [("00002", 2, 12, 102)],
    ),
    (
      flow_folders.sintel,
      {},
      [
        ("alley_1/frame_0001", 1, 2, 1),
        ("alley_1/frame_0002", 2, 3, 2),
        ("market_2/frame_0001", 11, 12, 11),
        ("market_2/frame_0002", 12, 13, 12),
      ],
    ),
    (
      flow_folders.sintel,
      {"part": TEST, "dataset": Dataset.SINTEL_FINAL},
      [
        ("alley_1/frame_0001", 101, 102, None),
        ("alley_1/frame_0002", 102, 103, None),
        ("market_2/frame_0001", 111, 112, None),
        ("market_2/frame_0002", 112, 113, None),
      ],
    ),
    (
      flow_folders.kitti,
      {},
      [("000000_10", 10, 11, 5), ("000001_10", 20, 21, 6)],
    ),
    (
      flow_folders.kitti,
      {"part": TEST},
      [("000000_10", 10, 11, None), ("000001_10", 20, 21, None)],
    ),
    (
      flow_folders.middlebury,
      {},
      [("RubberWhale/frame10", 20, 21, 1), ("Venus/frame10", 30, 31, 2)],
    ),
    (
      flow_folders.middlebury,
      {"part": TEST},
      [
        ("Beanbags/frame10", 60, 61, None),
        ("RubberWhale/frame10", 70, 71, None),
        ("Venus/frame10", 80, 81, None),
      ],
    ),
    (
      flow_folders.hd1k,
      {},
      [
        ("000000_0010", 10, 11, 10),
        ("000000_0011", 11, 12, 11),
        ("000007_0010", 80, 81, 10),
      ],
    ),
    (
      flow_folders.hd1k,
      {"part": TEST},
      [
        ("000000_0010", 10, 11, None),
        ("000000_0011", 11, 12, None),
        ("000007_0010", 80, 81, None),
      ],
    ),
  ],
)
def test_examples_of_each_data_set(tmp_path, make, changes, expected):
  config = dataclasses.replace(make(tmp_path), **changes)
  source = datasets.open_dataset(config)
  assert described(source) == expected
  assert source.expected == config.expected


def test_the_older_kitti_has_another_folder(tmp_path):
  config = dataclasses.replace(
    flow_folders.kitti(tmp_path, "colored_0"), dataset=Dataset.KITTI_2012
  )
  expected = [("000000_10", 10, 11, 5), ("000001_10", 20, 21, 6)]
  assert described(datasets.open_dataset(config)) == expected


def test_occlusions_of_kitti(tmp_path):
  """All pixels of the second pair are occluded."""
  first, second = datasets.open_dataset(flow_folders.kitti(tmp_path))
  assert not first.occluded.any()
  assert second.occluded.all()
  for path in (tmp_path / "training" / "flow_noc").iterdir():
    path.unlink()
  (tmp_path / "training" / "flow_noc").rmdir()
  config = flow_folders.partial(Dataset.KITTI_2015, tmp_path)
  assert datasets.open_dataset(config)[0].occluded is None


def test_masks_of_sintel(tmp_path):
  config = flow_folders.sintel(tmp_path)
  source = datasets.open_dataset(config)
  assert [bool(x.occluded.all()) for x in source] == [True, False] * 2
  assert all(x.valid.all() for x in source)
  config = dataclasses.replace(config, without_invalid=True)
  source = datasets.open_dataset(config)
  assert [bool(x.valid.any()) for x in source] == [True, False] * 2
  with pytest.raises(
    ValueError, match="without_invalid is True; expected False"
  ):
    dataclasses.replace(config, part=TEST)


def test_sintel_without_occlusions(tmp_path):
  config = flow_folders.sintel(tmp_path)
  (tmp_path / "training" / "occlusions").rename(tmp_path / "elsewhere")
  assert datasets.open_dataset(config)[0].occluded is None


def test_official_numbers():
  assert datasets.COUNTS == {
    (Dataset.AUTOFLOW, TRAIN): 40_000,
    (Dataset.FLYING_CHAIRS, TRAIN): 22_232,
    (Dataset.FLYING_CHAIRS, datasets.Part.VALIDATION): 640,
    (Dataset.SINTEL_CLEAN, TRAIN): 1_041,
    (Dataset.SINTEL_CLEAN, TEST): 552,
    (Dataset.SINTEL_FINAL, TRAIN): 1_041,
    (Dataset.SINTEL_FINAL, TEST): 552,
    (Dataset.KITTI_2012, TRAIN): 194,
    (Dataset.KITTI_2012, TEST): 195,
    (Dataset.KITTI_2015, TRAIN): 200,
    (Dataset.KITTI_2015, TEST): 200,
    (Dataset.MIDDLEBURY, TRAIN): 8,
    (Dataset.MIDDLEBURY, TEST): 12,
    (Dataset.HD1K, TRAIN): None,
    (Dataset.HD1K, TEST): None,
  }


@pytest.mark.parametrize("dataset", [Dataset.AUTOFLOW, Dataset.FRAMES])
def test_a_part_that_there_is_not_is_refused(dataset):
  with pytest.raises(ValueError, match=f"expected one that {dataset.value}"):
    datasets.DatasetConfig(
      dataset=dataset, data_dir=pathlib.Path("data"), part=TEST
    )


@pytest.mark.parametrize(
  ("make", "message"),
  [
    (
      flow_folders.autoflow,
      "3 examples of autoflow train; expected 40000. Set allow",
    ),
    (flow_folders.chairs, "3 examples of flying_chairs train; expected 22232"),
    (flow_folders.sintel, "4 examples of sintel_clean train; expected 1041"),
    (flow_folders.kitti, "2 examples of kitti_2015 train; expected 200"),
    (
      flow_folders.middlebury,
      "2 examples of middlebury train; expected 8",
    ),
  ],
)
def test_another_number_is_refused(tmp_path, make, message):
  config = dataclasses.replace(make(tmp_path), allow_partial=False)
  with pytest.raises(files.InputError, match=message):
    datasets.open_dataset(config)


def test_the_official_number_is_accepted(tmp_path):
  """Opening checks that files exist, and reads none."""
  for i in range(195):
    for time in (10, 11):
      path = tmp_path / "testing" / "colored_0" / f"{i:06d}_{time}.png"
      path.parent.mkdir(parents=True, exist_ok=True)
      path.touch()
  config = datasets.DatasetConfig(
    dataset=Dataset.KITTI_2012, data_dir=tmp_path, part=TEST
  )
  assert len(datasets.open_dataset(config)) == 195
  path.unlink()
  path.with_name("000194_10.png").unlink()
  with pytest.raises(files.InputError, match="194 examples"):
    datasets.open_dataset(config)


@pytest.mark.parametrize(
  ("make", "lost"),
  [
    (flow_folders.autoflow, "static_40k_png_1_of_4/table_1/im0.png"),
    (flow_folders.autoflow, "static_40k_png_1_of_4/table_1/im1.png"),
    (flow_folders.autoflow, "static_40k_png_4_of_4/table_9/forward.flo"),
    (flow_folders.chairs, "data/00003_img2.ppm"),
    (flow_folders.chairs, "data/00003_flow.flo"),
    (flow_folders.sintel, "training/clean/alley_1/frame_0002.png"),
    (flow_folders.sintel, "training/flow/alley_1/frame_0002.flo"),
    (flow_folders.sintel, "training/occlusions/alley_1/frame_0002.png"),
    (flow_folders.kitti, "training/image_2/000001_11.png"),
    (flow_folders.kitti, "training/flow_occ/000001_10.png"),
    (flow_folders.kitti, "training/flow_noc/000001_10.png"),
    (flow_folders.middlebury, "other-data/Venus/frame10.png"),
    (flow_folders.middlebury, "other-data/Venus/frame11.png"),
    (flow_folders.hd1k, "hd1k_input/image_2/000000_0011.png"),
    (flow_folders.hd1k, "hd1k_flow_gt/flow_occ/000000_0011.png"),
  ],
)
def test_a_missing_file_is_named(tmp_path, make, lost):
  config = make(tmp_path)
  (tmp_path / lost).unlink()
  with pytest.raises(files.InputError, match=f"lacks .*{lost}\\.$"):
    datasets.open_dataset(config)


def test_missing_files_are_counted(tmp_path):
  config = flow_folders.chairs(tmp_path)
  for i in (1, 3, 4):
    (tmp_path / "data" / f"0000{i}_flow.flo").unlink()
  with pytest.raises(files.InputError, match=r"00001_flow\.flo, and 2 more"):
    datasets.open_dataset(config)


@pytest.mark.parametrize(
  "dataset",
  [
    Dataset.FLYING_CHAIRS,
    Dataset.SINTEL_CLEAN,
    Dataset.KITTI_2015,
    Dataset.MIDDLEBURY,
    Dataset.HD1K,
  ],
)
def test_a_missing_folder_is_named(tmp_path, dataset):
  for name in ("nowhere", "."):
    with pytest.raises(files.InputError, match=f"no folder {tmp_path}"):
      datasets.open_dataset(flow_folders.partial(dataset, tmp_path / name))


def test_an_empty_folder_is_no_data_set(tmp_path):
  with pytest.raises(files.InputError, match="has 0 examples of autoflow"):
    datasets.open_dataset(flow_folders.partial(Dataset.AUTOFLOW, tmp_path))
  (tmp_path / "hd1k_challenge" / "image_2").mkdir(parents=True)
  config = dataclasses.replace(
    flow_folders.partial(Dataset.HD1K, tmp_path), part=TEST
  )
  with pytest.raises(files.InputError, match="has 0 examples of hd1k test"):
    datasets.open_dataset(config)


def test_split_files_of_chairs(tmp_path):
  config = flow_folders.chairs(tmp_path / "chairs")
  names = lambda config: [x.name for x in datasets.open_dataset(config).pairs]
  assert names(config) == ["00001", "00003", "00004"]
  official = tmp_path / "chairs" / "FlyingChairs_train_val.txt"
  official.rename(official.with_name("chairs_split.txt"))
  assert names(config) == ["00001", "00003", "00004"]
  (tmp_path / "mine.txt").write_text("\ufeff2 1 2 2")
  mine = dataclasses.replace(config, split_file=tmp_path / "mine.txt")
  assert names(mine) == ["00002"]
  (tmp_path / "chairs" / "chairs_split.txt").unlink()
  with pytest.raises(files.InputError, match=r"neither FlyingChairs_train_va"):
    names(config)


@pytest.mark.parametrize(
  ("content", "message"),
  [
    ("1\n2\n1\n", r"has 3 lines, none for .*00004_img1\.ppm"),
    ("1\n0\n1\n1\n", "contains b'0'; expected lines of 1 and 2"),
  ],
)
def test_a_split_file_that_does_not_fit_is_refused(tmp_path, content, message):
  config = flow_folders.chairs(tmp_path)
  (tmp_path / "FlyingChairs_train_val.txt").write_text(content)
  with pytest.raises(files.InputError, match=message):
    datasets.open_dataset(config)


def test_a_frame_without_a_number_is_refused(tmp_path):
  config = flow_folders.sintel(tmp_path)
  flow_folders.grey(
    tmp_path / "training" / "clean" / "alley_1" / "frame_last.png", 0
  )
  with pytest.raises(files.InputError, match=r"frame_last\.png is not named"):
    datasets.open_dataset(config)


@pytest.mark.parametrize(
  "make",
  [
    flow_folders.autoflow,
    flow_folders.chairs,
    flow_folders.sintel,
    flow_folders.kitti,
    flow_folders.middlebury,
    flow_folders.hd1k,
  ],
)
def test_foreign_files_are_no_examples(tmp_path, make):
  config = make(tmp_path)
  before = described(datasets.open_dataset(config))
  foreign.add(tmp_path)
  assert described(datasets.open_dataset(config)) == before
