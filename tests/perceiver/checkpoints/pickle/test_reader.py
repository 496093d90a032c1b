"""Pickles of arrays: whole, cut short, damaged, and of other things."""

import collections
import io
import pickle
from typing import ClassVar

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.pickle import reader
from tests.helpers import refusals

TREE = {
  "module/~/linear": {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.zeros(3, np.float32),
  },
  "norm": {"scale": np.ones((), np.float32)},
}


@pytest.fixture
def path(tmp_path):
  return tmp_path / "weights.pickle"


def assert_same(found, expected):
  assert type(found) is dict
  assert list(found) == list(expected)
  for name, value in expected.items():
    if isinstance(value, collections.abc.Mapping):
      assert_same(found[name], value)
    else:
      value = np.asarray(value)
      assert type(found[name]) is np.ndarray
      assert found[name].dtype == value.dtype.newbyteorder("=")
      np.testing.assert_array_equal(found[name], value)
      assert found[name].flags.writeable


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
  "make",
  [
    dict,
    collections.OrderedDict,
    hk.data_structures.to_immutable_dict,
    lambda x: {"params": hk.data_structures.to_immutable_dict(x), "state": {}},
    lambda x: jax.tree.map(jnp.asarray, x),
    lambda x: {"m": {"w": np.asfortranarray(x["module/~/linear"]["w"])}},
    lambda x: {"m": {"w": x["module/~/linear"]["w"].astype(">f4")}},
    lambda x: {"m": {"w": np.zeros((0, 3), np.int64), "x": np.ones(300, bool)}},
    lambda x: {"m": {"w": np.float32(2), "x": np.float64(3), "y": np.int8(1)}},
    lambda x: {"m": x["norm"], "n": x["norm"]},
    lambda x: {},
  ],
  ids=range(11),
)
def test_arrays_and_mappings_are_read(path, make, protocol):
  path.write_bytes(pickle.dumps(make(TREE), protocol))
  assert_same(reader.read(path), make(TREE))


def names_of(content):
  """Returns the functions and classes that a pickle names."""
  found = []

  class Reader(pickle.Unpickler):
    def find_class(self, module, name):
      found.append(f"{module}.{name}")
      return super().find_class(module, name)

  Reader(io.BytesIO(content)).load()
  return found


class Renamed:
  """Pickles as some function of old times, called with given arguments."""

  def __init__(self, module, name, *arguments):
    self.function = module, name
    self.arguments = arguments


class Pickler(pickle._Pickler):
  """Writes objects of `Renamed`, which name what is not there any more."""

  dispatch: ClassVar = dict(pickle._Pickler.dispatch)

  def save_renamed(self, value):
    module, name = value.function
    self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
    if value.arguments:
      self.save(value.arguments[0])
      self.write(pickle.REDUCE)

  dispatch[Renamed] = save_renamed


def dumps(value):
  stream = io.BytesIO()
  Pickler(stream, 3).dump(value)
  return stream.getvalue()


def old_array(array, core="core"):
  """Returns the pieces that an array is pickled with."""
  _, arguments, state = array.__reduce__()
  kind = Renamed(f"numpy.{core}.multiarray", "_reconstruct")
  return kind, arguments, state


@pytest.mark.parametrize(
  "function",
  [
    ("jax.interpreters.xla", "reconstruct_device_array"),
    ("jax._src.device_array", "reconstruct_device_array"),
    ("jax._src.array", "_reconstruct_array"),
  ],
)
@pytest.mark.parametrize("core", ["core", "_core"])
def test_arrays_of_old_jax_are_read(path, function, core):
  array = TREE["module/~/linear"]["w"]
  aval = {"weak_type": False, "named_shape": {}}
  pieces = (*old_array(array, core), aval)
  path.write_bytes(dumps({"m": {"w": Renamed(*function, pieces)}}))
  assert_same(reader.read(path), {"m": {"w": array}})


@pytest.mark.parametrize("name", ["FlatMapping", "FlatMap", "frozendict"])
def test_mappings_of_old_haiku_are_read(path, name):
  make = lambda x: Renamed("haiku._src.data_structures", name, (x,))
  content = make({k: make(x) for k, x in TREE.items()})
  path.write_bytes(dumps(content))
  assert_same(reader.read(path), TREE)


def test_names_in_pickles_of_current_libraries():
  tree = hk.data_structures.to_immutable_dict(TREE)
  assert set(names_of(pickle.dumps(tree, 4))) == {
    "haiku._src.data_structures.FlatMapping",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
  }


def test_arrays_that_stand_twice_are_read_once(path):
  array = np.ones(1000)
  path.write_bytes(pickle.dumps({"a": {"w": array}, "b": {"w": array}}))
  found = reader.read(path)
  assert found["a"]["w"] is found["b"]["w"]


def test_a_missing_file_is_named(path):
  with pytest.raises(FileNotFoundError, match="there is no file"):
    reader.read(path)


# -------------------------------------------------------------- damaged files

CONTENT = pickle.dumps(TREE, 4)


def test_files_cut_short_anywhere_are_refused(path):
  for length in range(len(CONTENT)):
    refusals.refusal(path, CONTENT[:length])
  assert "it ends at byte" in refusals.refusal(path, CONTENT + b"\0")
  assert "it ends at byte" in refusals.refusal(path, CONTENT + CONTENT)


def test_no_changed_byte_does_harm(path):
  """A file with any byte changed is refused or gives arrays."""
  refused = 0
  generator = np.random.default_rng(0)
  for position in generator.choice(len(CONTENT), 600):
    damaged = bytearray(CONTENT)
    damaged[position] = generator.integers(256)
    path.write_bytes(damaged)
    try:
      reader.read(path)
    except perceiver.CheckpointError:
      refused += 1
  assert refused > 300


@pytest.mark.parametrize(
  "content",
  [
    b"",
    b"\x80",
    b"\x80\x04",
    b"PK\x03\x04",
    b"{}",
    b"I1\n.",
    bytes(100),
    pickle.dumps(TREE, 0),
    pickle.dumps(TREE, 1),
    b"\x80\x04" + b"\xff" * 50,
  ],
  ids=range(10),
)
def test_other_formats_are_refused(path, content):
  assert refusals.refusal(path, content)


@pytest.mark.parametrize(
  ("value", "message"),
  [
    (None, "it holds nothing"),
    (1.5, "it holds float"),
    (np.zeros(3), "it holds array"),
    ("text", "it holds str"),
    ((), "it holds tuple"),
    ([], "instruction EMPTY_LIST"),
    ({"a": [np.zeros(3)]}, "instruction EMPTY_LIST"),
    ({"a": {1, 2}}, "instruction"),
    ({"a": 1}, "entry 'a' is int; expected an array or a mapping"),
    ({"a": {"b": None}}, "entry 'b' is nothing"),
    ({"a": "x" * 10**5}, "entry 'a' is str"),
    ({"a" * 10**5: 1}, "is int"),
    ({1: np.zeros(3)}, "has a key of kind int; expected a string"),
    ({("a", "b"): np.zeros(3)}, "has a key of kind tuple"),
    ({"a": np.array(["text"])}, "dtype 'U4'"),
    ({"a": np.array([b"text"])}, "dtype 'S4'"),
    ({"a": np.array([None])}, "instruction EMPTY_LIST"),
    ({"a": np.zeros(2, complex)}, "dtype 'c16'"),
    ({"a": np.zeros(2, "M8[s]")}, "dtype 'M8'"),
    ({"a": np.zeros(2, [("x", "f4")])}, "dtype 'V4'"),
    ({"a": np.ma.zeros(2)}, "it names 'numpy.ma.core._mareconstruct'"),
    ({"a": np.dtype("f4")}, "entry 'a' is dtype"),
    ({"a": 2**100}, "entry 'a' is int"),
    ({"a": print}, "it names 'builtins.print'"),
    ({"a": np.zeros}, "it names 'numpy.zeros'"),
    ({"a": np.ndarray}, "entry 'a' is function"),
    ({"a": jnp.zeros}, "it names 'jax"),
  ],
  ids=range(27),
)
def test_values_that_are_no_arrays_are_refused(path, value, message):
  assert message in refusals.refusal(path, pickle.dumps(value, 4))
