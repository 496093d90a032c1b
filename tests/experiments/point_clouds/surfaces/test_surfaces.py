"""Surfaces: distances, examples, training, and grids from the command line."""

import numpy as np
import pytest

from experiments import evaluate
from experiments import train
from experiments.data import files
from experiments.point_clouds.files import meshes
from experiments.point_clouds.surfaces import data as surfaces_data
from experiments.point_clouds.surfaces import distances
from experiments.point_clouds.surfaces import grids
from experiments.point_clouds.synthetic import primitives
from tests.helpers import commands
from tests.helpers.recipes import surfaces

TINY = "tests.helpers.recipes.surfaces"
BOX = primitives.box((-1, -1, -1), (1, 1, 1))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
  """The folder of a finished run."""
  return commands.finished(tmp_path_factory, TINY)


# ------------------------------------------------------------------- distances


def test_distances_from_a_box_are_exact():
  points = np.random.default_rng(0).uniform(-2, 2, (200, 3))
  outside = np.maximum(np.abs(points) - 1, 0)
  inside = np.min(1 - np.abs(points), axis=-1)
  expected = np.where(inside > 0, inside, np.linalg.norm(outside, axis=-1))
  corners = BOX.vertices[BOX.faces]  # [F, 3, 3]
  found = distances.to_triangles(points[:, None], corners).min(axis=1)
  np.testing.assert_allclose(found, expected, atol=1e-12)
  generator = np.random.default_rng(1)
  samples, faces = meshes.sample_faces(BOX, 4000, generator)
  sampled = distances.from_samples(BOX, points, samples, faces)
  assert (sampled >= expected - 1e-6).all()
  np.testing.assert_allclose(sampled, expected, atol=0.02)
  away = distances.from_samples(BOX, samples, samples, faces)
  np.testing.assert_allclose(away, 0, atol=1e-6)


@pytest.mark.parametrize(
  "corners", [[(0, 0, 0)] * 3, [(0, 0, 0), (1, 0, 0), (2, 0, 0)]]
)
def test_triangles_without_area_are_points_and_lines(corners):
  found = distances.to_triangles(
    np.array([0.5, 3, 4.0]), np.array(corners, float)
  )
  first, last = np.array(corners[0]), np.array(corners[-1])
  expected = np.hypot(5, 0.5) if (first == last).all() else 5
  assert found == pytest.approx(expected)


# -------------------------------------------------------------------- examples


def test_an_example():
  config = surfaces.MINI.data
  transform = surfaces_data.Transform(config, 32)
  mesh = meshes.Mesh(3 * BOX.vertices + 7, BOX.faces)
  example = transform(mesh, np.random.default_rng(0))
  shapes = {name: array.shape for name, array in example.items()}
  assert shapes == {"points": (32, 3), "queries": (20, 3), "distances": (20,)}
  assert {array.dtype for array in example.values()} == {np.dtype(np.float32)}
  reach = np.abs(example["points"]).max(axis=-1)
  np.testing.assert_allclose(reach, surfaces_data.SIDE, rtol=1e-6)
  assert np.abs(example["queries"]).max() <= 1
  assert example["distances"].max() <= surfaces_data.TRUNCATED
  near, anywhere = example["distances"][:10], example["distances"][10:]
  assert near.mean() < anywhere.mean()


def test_evaluation_samples_the_same_points():
  _, held_out = surfaces_data.splits(surfaces.MINI.data, 32)
  one, two = (
    held_out.transform(held_out.source[3], np.random.default_rng(seed))
    for seed in (0, 1)
  )
  for name, array in one.items():
    np.testing.assert_array_equal(array, two[name])


def write_off(path, mesh):
  path.parent.mkdir(parents=True, exist_ok=True)
  lines = ["OFF", f"{len(mesh.vertices)} {len(mesh.faces)} 0"]
  lines += [" ".join(map(str, vertex)) for vertex in mesh.vertices]
  lines += [f"3 {a} {b} {c}" for a, b, c in mesh.faces]
  path.write_text("\n".join(lines))


def test_meshes_of_a_folder(tmp_path):
  for i in range(6):
    write_off(tmp_path / f"{i % 2}" / f"{i}.off", BOX)
  text = "".join(f"v {x} {y} {z}\n" for x, y, z in BOX.vertices)
  text += "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in BOX.faces)
  (tmp_path / "last.OBJ").write_text(text)
  source = surfaces_data.Source(surfaces_data.Kind.MESHES, tmp_path)
  config = surfaces_data.DataConfig(source=source)
  kept, held_out = surfaces_data.surfaces(config)
  assert (len(kept), len(held_out)) == (6, 1)
  for mesh in (*kept, *held_out):
    np.testing.assert_allclose(mesh.vertices, BOX.vertices)
  (tmp_path / "last.OBJ").write_text("v 1 2\nf 1 2 3\n")
  with pytest.raises(files.InputError, match=r"last\.OBJ"):
    list(kept)
  for path in list(tmp_path.rglob("*.off"))[:3]:
    path.unlink()
  with pytest.raises(files.InputError, match="has 4 meshes; expected at least"):
    surfaces_data.surfaces(config)


# -------------------------------------------------------------------- commands


def test_training_leaves_numbers_and_pictures(workdir):
  last = commands.rows(workdir)[-1]
  assert (last["examples"], last["expected"]) == (6, 6)
  assert {"loss", "near_error"} <= set(last)
  names = sorted(path.name for path in (workdir / "figures").iterdir())
  assert names == ["curve.png", "slices.png"]


def test_grids_are_compared(workdir, capsys):
  out = commands.command(
    *(capsys, evaluate.main, "coarse-to-fine", "--checkpoint", workdir),
    *("--surfaces", 2, "--grid.size", 8, "--grid.coarsest", 4),
    *("--grid.batch-size", 64, "--threshold", 30, "--slope", 30),
  )
  whole, fine = out.splitlines()[-2:]
  assert [cell.strip() for cell in whole.split("|")][1:4] == [
    *("whole", "512", "100"),
  ]
  # Every cell is near by so large a threshold: nothing is missed.
  cells = [cell.strip() for cell in fine.split("|")]
  assert cells[2] == "576"
  assert float(cells[-2]) == 0


def test_a_surface_without_cells_has_no_error():
  samples = np.zeros((9, 3))
  assert grids.surface_error(BOX, samples, [0] * 9, samples[:0]) == np.inf


def test_wrong_checkpoints(tmp_path, capsys):
  arguments = ["coarse-to-fine", "--checkpoint", str(tmp_path / "none")]
  assert evaluate.main(arguments) == 1
  assert "There is no checkpoint" in capsys.readouterr().err


def test_full_recipes_need_meshes(capsys):
  assert train.main([TINY, "--recipe", "files"]) == 1
  assert "Any folder of meshes" in capsys.readouterr().err
