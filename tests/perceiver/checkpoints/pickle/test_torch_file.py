"""State dicts of PyTorch, honest and hostile, without PyTorch."""

import pickle
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.pickle import torch_file
from perceiver.checkpoints.pickle import unpickler
from tests.helpers import torch_files as made

NUMBERS = np.arange(6, dtype=np.float32)


@pytest.fixture
def path(tmp_path):
  return tmp_path / "pytorch_model.bin"


def write(path, *tensors, numbers=NUMBERS, **members):
  names = {f"x{i}": tensor for i, tensor in enumerate(tensors)}
  pickled = made.state_dict(names)
  content = {"data.pkl": pickled, "data/0": numbers.tobytes(), **members}
  made.write_members(path, content)


def refusal(path):
  with pytest.raises(perceiver.CheckpointError) as caught:
    torch_file.read(path)
  assert str(path) in str(caught.value)
  return str(caught.value)


@pytest.mark.parametrize("dtype", made.STORAGES)
def test_types_and_orders(path, dtype):
  generator = np.random.default_rng(0)
  numbers = generator.integers(0, 2, (3, 4)).astype(jnp.dtype(dtype))
  arrays = {"a.b": numbers, "c": numbers[0], "d": numbers[0, 0, ...]}
  made.write(path, arrays)
  found = torch_file.read(path)
  assert list(found) == ["a.b", "c", "d"]
  for key, array in arrays.items():
    assert found[key].dtype == array.dtype
    assert found[key].flags.c_contiguous
    np.testing.assert_array_equal(found[key], array)


def test_parts_of_one_storage(path):
  parts = (((2, 3), (3, 1), 0), ((3, 2), (1, 3), 0), ((2,), (2,), 1))
  tensors = [made.tensor("float32", "0", 6, *part) for part in parts]
  write(path, *tensors, made.tensor("float32", "0", 6, (0, 2), (2, 1)))
  rows = NUMBERS.reshape(2, 3)
  for array, expected in zip(
    torch_file.read(path).values(),
    (rows, rows.T, NUMBERS[1:4:2], np.zeros((0, 2), np.float32)),
    strict=True,
  ):
    np.testing.assert_array_equal(array, expected)
    assert array.base is None  # with memory of its own


@pytest.mark.parametrize(
  ("shape", "strides", "offset"),
  [
    ((7,), (1,), 0),
    ((6,), (1,), 1),
    ((2, 3), (4, 1), 0),
    ((2**31 - 1,), (2**31 - 1,), 0),
    ((-1,), (1,), 0),
    ((6,), (-1,), 5),
    ((1,), (1,), -1),
    ((2, 3), (1,), 0),
  ],
)
def test_tensors_stay_within_their_storage(path, shape, strides, offset):
  write(path, made.tensor("float32", "0", 6, shape, strides, offset))
  message = refusal(path)
  assert "impossible shape" in message or "larger than its storage" in message


def test_a_number_repeated_for_ever_is_refused(path):
  write(path, made.tensor("float32", "0", 6, (2**31 - 1,), (0,)))
  assert "larger than the file" in refusal(path)


@pytest.mark.parametrize(
  "tensor",
  [
    b"cos\nsystem\n" + made.text("true") + b"\x85R",
    b"ctorch\nload\n" + made.text("x") + b"\x85R",
    b"ctorch.storage\n_load_from_bytes\n" + made.text("x") + b"\x85R",
    b"cbuiltins\neval\n" + made.text("1") + b"\x85R",
  ],
)
def test_nothing_else_is_called(path, tensor):
  write(path, tensor)
  assert "it names" in refusal(path)


@pytest.mark.parametrize(
  "tensor",
  [
    made.text("storage") + b"Q",
    b"(" + made.text("module") + b"NNNNtQ",
    b"(" + made.text("storage") + made.text("Float") + b"NNNtQ",
    made.tensor("float32", "1", 6, (6,), (1,)),
    made.tensor("float32", "../data.pkl", 6, (6,), (1,)),
    made.integer(3),
    b"ctorch\nFloatStorage\n",
    b"ctorch\nFloatStorage\n)R",
    b"ctorch\nFloatStorage\n}" + made.text("dtype") + b"Nsb",
    made.tensor("float32", "0", 6, (6,), (1,)) + b"}" + made.text("a") + b"Nsb",
  ],
  ids=range(10),
)
def test_what_is_no_tensor_is_refused(path, tensor):
  write(path, tensor)
  assert "expected a file that torch.save wrote" in refusal(path)


def test_other_files_are_refused(path):
  tensor = made.tensor("float32", "0", 6, (6,), (1,))
  write(path, tensor, byteorder=b"big")
  assert "little-endian" in refusal(path)
  members = {"data.pkl": made.state_dict({"x": tensor}), "data/0": bytes(24)}
  made.write_members(path, members, zipfile.ZIP_DEFLATED)
  assert "is compressed" in refusal(path)
  made.write_members(path, members | {"a/data.pkl": b""})
  assert "2 members data.pkl" in refusal(path)
  made.write_members(path, members | {"data.pkl": b"\x80\x02]."})
  assert "EMPTY_LIST" in refusal(path)
  path.write_bytes(pickle.dumps({"x": 1}))  # as before version 1.6
  assert "no zip of PyTorch" in refusal(path)
  with pytest.raises(FileNotFoundError, match="there is no file"):
    torch_file.read(path.parent / "nothing")


def test_large_files_are_refused_before_they_are_read(path, monkeypatch):
  write(path, made.tensor("float32", "0", 6, (6,), (1,)))
  monkeypatch.setattr(unpickler, "MAX_BYTES", 100)
  assert "expected at most 100" in refusal(path)


def test_damage_is_named(path):
  write(path, made.tensor("float32", "0", 6, (2, 3), (3, 1)))
  content = path.read_bytes()
  for end in range(0, len(content), 40):
    path.write_bytes(content[:end])
    refusal(path)
  generator = np.random.default_rng(0)
  for _ in range(200):
    damaged = bytearray(content)
    damaged[generator.integers(len(content))] ^= 1 << generator.integers(8)
    path.write_bytes(damaged)
    try:
      found = torch_file.read(path)
    except perceiver.CheckpointError:
      continue
    assert all(isinstance(x, np.ndarray) for x in found.values())
