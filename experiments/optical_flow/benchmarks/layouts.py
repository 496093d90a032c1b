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
  """Returns AutoFlow's examples, by part and name."""
  found = []
  for part in files.list_folders(root, "static_40k_png_*_of_4"):
    for folder in _folders(part):
      found.append(
        pairs.Pair(
          name=f"{part.name}/{folder.name}",
          frames=(folder / "im0.png", folder / "im1.png"),
          flow=folder / "forward.flo",
        )
      )
  return found


def flying_chairs(
  root: pathlib.Path, split_file: pathlib.Path | None, kept: int
) -> list[pairs.Pair]:
  """Returns the examples of FlyingChairs with `kept` in the split file."""
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


def sintel_train(
  root: pathlib.Path, render_pass: str, without_invalid: bool
) -> list[pairs.Pair]:
  """Returns Sintel's pairs with flow, by scene and frame.

  Without the folder of occlusions, they are unknown.
  """
  training = root / "training"
  occlusions = training / "occlusions"
  known = occlusions.is_dir()
  found = []
  for name, frames in _sintel_frames(training / render_pass):
    found.append(
      pairs.Pair(
        name=name,
        frames=frames,
        flow=training / "flow" / f"{name}.flo",
        occluded=occlusions / f"{name}.png" if known else None,
        invalid=training / "invalid" / f"{name}.png"
        if without_invalid
        else None,
      )
    )
  return found


def sintel_test(root: pathlib.Path, render_pass: str) -> list[pairs.Pair]:
  """Returns Sintel's pairs without flow, by scene and frame."""
  return [
    pairs.Pair(name=name, frames=frames)
    for name, frames in _sintel_frames(root / "test" / render_pass)
  ]


def kitti(root: pathlib.Path, images: str, train: bool) -> list[pairs.Pair]:
  """Returns KITTI's pairs.

  Without the folder flow_noc, occlusions are unknown.

  Args:
    root: folder with training and testing.
    images: name of the folder of the left colour camera.
    train: whether to list the pairs with flow, or those without.
  """
  folder = root / ("training" if train else "testing")
  visible = (folder / "flow_noc").is_dir()
  found = []
  for first in _files(folder / images, "*_10.png"):
    second = first.with_name(first.name.replace("_10.png", "_11.png"))
    found.append(
      pairs.Pair(
        name=first.stem,
        frames=(first, second),
        flow=folder / "flow_occ" / first.name if train else None,
        flow_visible=folder / "flow_noc" / first.name
        if train and visible
        else None,
      )
    )
  return found


def middlebury(root: pathlib.Path, train: bool) -> list[pairs.Pair]:
  """Returns Middlebury's scenes: those with flow, or those without."""
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
  """Returns the pairs of neighbouring frames of HD1K."""
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


def _sintel_frames(
  folder: pathlib.Path,
) -> list[tuple[str, tuple[pathlib.Path, pathlib.Path]]]:
  """Returns the names and frames of all pairs in a folder of scenes."""
  return [
    (f"{scene.name}/{first.stem}", (first, second))
    for scene in _folders(folder)
    for first, second in _neighbours(_files(scene, "frame_*.png"))
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
  candidates = [
    root / "FlyingChairs_train_val.txt",
    root / "chairs_split.txt",
  ]
  for path in candidates:
    if path.exists():
      return path
  raise files.InputError(
    f"{root} has neither {candidates[0].name}, which the authors of "
    f"FlyingChairs publish, nor {candidates[1].name}."
  )


def _folders(path: pathlib.Path) -> list[pathlib.Path]:
  return files.list_folders(_existing(path))


def _files(path: pathlib.Path, pattern: str) -> list[pathlib.Path]:
  return files.list_files(_existing(path), pattern)


def _existing(folder: pathlib.Path) -> pathlib.Path:
  if not folder.is_dir():
    raise files.InputError(f"There is no folder {folder}.")
  return folder
