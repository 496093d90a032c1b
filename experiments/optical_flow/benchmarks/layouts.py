"""Layouts of the folders of public data sets.

Examples are listed by their first frames. All other files of an example are
listed whether they exist or not, so that missing ones can be reported.
"""

import itertools
import pathlib
import re

from experiments.data import files
from experiments.data import tables
from experiments.optical_flow.benchmarks import pairs


def autoflow(root: pathlib.Path) -> list[pairs.Pair]:
  """Returns the examples of AutoFlow (arXiv 2104.14544), by part and name.

  The static data set: static_40k_png_1_of_4 to static_40k_png_4_of_4, with a
  folder of im0.png, im1.png and forward.flo for each example.
  """
  return [
    pairs.Pair(
      name=f"{part.name}/{folder.name}",
      frames=(folder / "im0.png", folder / "im1.png"),
      flow=folder / "forward.flo",
    )
    for part in files.list_folders(root, "static_40k_png_*_of_4")
    for folder in _folders(part)
  ]


def flying_chairs(
  root: pathlib.Path, split_file: pathlib.Path | None, kept: int
) -> list[pairs.Pair]:
  """Returns the examples of FlyingChairs with `kept` in the split file.

  FlyingChairs (Dosovitskiy et al., FlowNet, 2015): the folder data, with
  00001_img1.ppm, 00001_img2.ppm, 00001_flow.flo and so on.
  """
  data = root / "data"
  numbers = sorted(
    path.name.removesuffix("_img1.ppm") for path in _files(data, "*_img1.ppm")
  )
  path = split_file or _chairs_split_file(root)
  marks = tables.read_bytes(path).split()
  if strange := sorted(set(marks) - {b"1", b"2"}):
    raise files.InputError(
      f"{path} contains {strange[0]!r}; expected lines of 1 and 2."
    )
  found = []
  for number in numbers:
    if not (number.isdecimal() and 1 <= int(number) <= len(marks)):
      raise files.InputError(
        f"{path} has {len(marks)} lines, none for {data / number}_img1.ppm."
      )
    if int(marks[int(number) - 1]) == kept:
      frames = (data / f"{number}_img1.ppm", data / f"{number}_img2.ppm")
      flow = data / f"{number}_flow.flo"
      found.append(pairs.Pair(name=number, frames=frames, flow=flow))
  return found


def sintel(
  root: pathlib.Path, render_pass: str, train: bool, without_invalid: bool
) -> list[pairs.Pair]:
  """Returns the pairs of MPI Sintel (Butler et al., 2012), by scene and frame.

  The folders training and test have clean and final, and these a folder of
  frame_0001.png and so on for each scene; training has flow, and may have
  occlusions and invalid. Without the folder of occlusions, they are unknown.
  """
  folder = root / ("training" if train else "test")
  known = train and (folder / "occlusions").is_dir()
  found = []
  for scene in _folders(folder / render_pass):
    for frames in _neighbours(_files(scene, "frame_*.png")):
      name = f"{scene.name}/{frames[0].stem}"
      file = lambda kind: folder / kind / f"{name}.png"  # noqa: B023
      found.append(
        pairs.Pair(
          name=name,
          frames=frames,
          flow=file("flow").with_suffix(".flo") if train else None,
          occluded=file("occlusions") if known else None,
          invalid=file("invalid") if without_invalid else None,
        )
      )
  return found


def kitti(root: pathlib.Path, images: str, train: bool) -> list[pairs.Pair]:
  """Returns the pairs of KITTI, whose flow is not known at every pixel.

  The folders training and testing have image_2 (2015) or colored_0 (2012) with
  000000_10.png and 000000_11.png and so on; training has flow_occ, for all
  pixels, and may have flow_noc, for those that are visible in both frames.
  Without the folder flow_noc, occlusions are unknown.

  Args:
    root: folder with training and testing.
    images: name of the folder of the left colour camera.
    train: whether to list the pairs with flow, or those without.
  """
  folder = root / ("training" if train else "testing")
  visible = train and (folder / "flow_noc").is_dir()
  return [
    pairs.Pair(
      name=first.stem,
      frames=(first, first.with_name(f"{first.stem[:-3]}_11.png")),
      flow=folder / "flow_occ" / first.name if train else None,
      flow_visible=folder / "flow_noc" / first.name if visible else None,
    )
    for first in _files(folder / images, "*_10.png")
  ]


def middlebury(root: pathlib.Path, train: bool) -> list[pairs.Pair]:
  """Returns the scenes of Middlebury (Baker et al., 2011).

  The folders other-data and other-gt-flow, or eval-data without flow, have
  frame10.png, frame11.png and flow10.flo in a folder for each scene.
  """
  data = root / ("other-data" if train else "eval-data")
  truth = root / "other-gt-flow"
  return [
    pairs.Pair(
      name=f"{scene.name}/frame10",
      frames=(
        data / scene.name / "frame10.png",
        data / scene.name / "frame11.png",
      ),
      flow=scene / "flow10.flo" if train else None,
    )
    for scene in _folders(truth if train else data)
  ]


def hd1k(root: pathlib.Path, train: bool) -> list[pairs.Pair]:
  """Returns the pairs of neighbouring frames of HD1K (Kondermann et al., 2016).

  The folders hd1k_input/image_2 and hd1k_flow_gt/flow_occ, or
  hd1k_challenge/image_2 without flow, have 000000_0010.png and so on: the
  number of the sequence, and of the frame.
  """
  images = root / ("hd1k_input" if train else "hd1k_challenge") / "image_2"
  truth = root / "hd1k_flow_gt" / "flow_occ"
  return [
    pairs.Pair(
      name=first.stem,
      frames=(first, second),
      flow=truth / first.name if train else None,
    )
    for first, second in _neighbours(_files(images, "*.png"))
  ]


def _neighbours(
  paths: list[pathlib.Path],
) -> list[tuple[pathlib.Path, pathlib.Path]]:
  """Returns every frame but the last of its sequence, and the next frame.

  Names are the sequence's name and the frame's number. The next frame has the
  next number, also where it is missing.
  """
  found = []
  for first, other in itertools.pairwise(paths):
    (sequence, number), (next_sequence, _) = map(_parse, (first, other))
    if sequence == next_sequence:
      following = f"{int(number) + 1:0{len(number)}d}"
      second = first.with_name(f"{sequence}{following}{first.suffix}")
      found.append((first, second))
  return found


def _parse(path: pathlib.Path) -> tuple[str, str]:
  """Returns the sequence of a frame and its number, digits."""
  match = re.fullmatch(r"(.*?)(\d+)", path.stem)
  if match is None:
    raise files.InputError(f"{path} is not named by a frame's number.")
  return match[1], match[2]


def _chairs_split_file(root: pathlib.Path) -> pathlib.Path:
  for name in ("FlyingChairs_train_val.txt", "chairs_split.txt"):
    if (root / name).exists():
      return root / name
  raise files.InputError(
    f"{root} has neither FlyingChairs_train_val.txt, which the authors of "
    "FlyingChairs publish, nor chairs_split.txt."
  )


def _folders(path: pathlib.Path) -> list[pathlib.Path]:
  return files.list_folders(_existing(path))


def _files(path: pathlib.Path, pattern: str) -> list[pathlib.Path]:
  return files.list_files(_existing(path), pattern)


def _existing(folder: pathlib.Path) -> pathlib.Path:
  if not folder.is_dir():
    raise files.InputError(f"There is no folder {folder}.")
  return folder
