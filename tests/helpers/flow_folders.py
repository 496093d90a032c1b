"""Public data sets of optical flow, tiny, in their published folders."""

import numpy as np
from PIL import Image

from experiments.optical_flow.benchmarks import datasets
from experiments.optical_flow.benchmarks import flow_files

SIZE = (4, 6)
Dataset = datasets.Dataset


def partial(dataset, root):
  return datasets.DatasetConfig(
    dataset=dataset, data_dir=root, allow_partial=True
  )


def grey(path, value):
  """Writes a frame, or a mask, of one grey."""
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full(SIZE, value, np.uint8)).save(path)


def moving(path, u):
  """Writes the flow (u, 1)."""
  flow = np.tile(np.float32([u, 1]), (*SIZE, 1))
  if path.suffix == ".flo":
    flow_files.write_flo(path, flow)
  else:
    flow_files.write_kitti(path, flow)


def autoflow(root):
  for part, names in {1: ["table_1", "table_0"], 4: ["table_9"]}.items():
    for name in names:
      folder = root / f"static_40k_png_{part}_of_4" / name
      grey(folder / "im0.png", 10 + int(name[-1]))
      grey(folder / "im1.png", 20 + int(name[-1]))
      moving(folder / "forward.flo", int(name[-1]))
  (root / "static_40k_png_1_of_4" / "notes.txt").touch()
  return partial(Dataset.AUTOFLOW, root)


def chairs(root):
  for i in range(1, 5):
    grey(root / "data" / f"0000{i}_img1.ppm", i)
    grey(root / "data" / f"0000{i}_img2.ppm", 10 + i)
    moving(root / "data" / f"0000{i}_flow.flo", 100 + i)
  (root / "FlyingChairs_train_val.txt").write_text("1\n2\n1\n1\n")
  return partial(Dataset.FLYING_CHAIRS, root)


def sintel(root):
  for split in ("training", "test"):
    for k, kind in enumerate(("clean", "final")):
      for s, scene in enumerate(("alley_1", "market_2")):
        for i in (1, 2, 3):
          name = f"{scene}/frame_000{i}"
          grey(root / split / kind / f"{name}.png", 100 * k + 10 * s + i)
          if split == "training" and i < 3:
            moving(root / split / "flow" / f"{name}.flo", 10 * s + i)
            grey(root / split / "occlusions" / f"{name}.png", 255 * (i == 1))
            grey(root / split / "invalid" / f"{name}.png", 255 * (i == 2))
  return partial(Dataset.SINTEL_CLEAN, root)


def kitti(root, images="image_2"):
  for split in ("training", "testing"):
    for i in range(2):
      for time in (10, 11):
        grey(root / split / images / f"00000{i}_{time}.png", 10 * i + time)
      if split == "training":
        moving(root / split / "flow_occ" / f"00000{i}_10.png", 5 + i)
        moving(root / split / "flow_noc" / f"00000{i}_10.png", 600 * i)
  grey(root / "testing" / images / "000000_12.png", 0)  # of the longer version
  return partial(Dataset.KITTI_2015, root)


def middlebury(root):
  for s, scene in enumerate(("Beanbags", "RubberWhale", "Venus")):
    for time in (9, 10, 11):
      frame = f"{scene}/frame{time:02d}.png"
      grey(root / "other-data" / frame, 10 * s + time)
      grey(root / "eval-data" / frame, 50 + 10 * s + time)
    if s:
      moving(root / "other-gt-flow" / scene / "flow10.flo", s)
  return partial(Dataset.MIDDLEBURY, root)


def hd1k(root):
  for folder in ("hd1k_input", "hd1k_challenge"):
    for sequence, last in ((0, 12), (7, 11)):
      for i in range(10, last + 1):
        name = f"00000{sequence}_00{i}.png"
        grey(root / folder / "image_2" / name, 10 * sequence + i)
        moving(root / "hd1k_flow_gt" / "flow_occ" / name, i)
  return partial(Dataset.HD1K, root)
