"""Pickles that ask for code to be run, or for endless time or memory."""

import builtins
import os
import pickle
import struct
import subprocess

import haiku as hk
import numpy as np
import pytest

from perceiver.checkpoints.pickle import reader
from perceiver.checkpoints.pickle import unpickler
from tests.helpers import refusals

CONTENT = pickle.dumps({"a": {"w": np.zeros(30)}}, 4)


@pytest.fixture
def path(tmp_path):
  return tmp_path / "weights.pickle"


class Calls:
  """Unpickles as a call."""

  def __init__(self, *reduced):
    self.reduced = reduced

  def __reduce__(self):
    return self.reduced


def call(function, *arguments):
  return Calls(function, arguments)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
  ("make", "name"),
  [
    (lambda p: call(os.system, f"touch {p}"), "posix.system"),
    (lambda p: call(builtins.eval, f"open({p!r}, 'w')"), "eval"),
    (lambda p: call(builtins.exec, f"open({p!r}, 'w')"), "exec"),
    (lambda p: call(subprocess.check_call, ("touch", p)), "check_call"),
    (lambda p: call(open, p, "w"), "io.open"),
    (lambda p: call(os.mkdir, p), "posix.mkdir"),
    (lambda p: call(getattr, os, "system"), "getattr"),
    (lambda p: call(__import__, "antigravity"), "__import__"),
    (lambda p: call(np.load, p), "numpy.load"),
    (lambda p: call(np.save, p, 0), "numpy.save"),
    (lambda p: call(np.fromfile, p), "fromfile"),
    (lambda p: call(pickle.loads, b"N."), "pickle.loads"),
    (lambda p: call(bytearray, 2**40), "bytearray"),
    (lambda p: call(range, 2**40), "range"),
    (lambda p: call(type, "X", (), {}), "type"),
    (lambda p: call(hk.data_structures.to_mutable_dict, {}), "haiku"),
    (
      lambda p: Calls(dict, (), None, None, iter([("a", call(eval, "1"))])),
      "eval",
    ),
    (lambda p: call(np.dtype, call(os.system, f"touch {p}")), "posix.system"),
  ],
  ids=range(18),
)
def test_calls_are_refused_and_not_made(path, make, name, protocol):
  marker = str(path.parent / "marker")
  if make(marker).reduced[0] is getattr:
    content = b"\x80\x04cbuiltins\ngetattr\n(cos\nsystem\n\x8c\x01xtR."
  else:
    content = pickle.dumps({"a": make(marker)}, protocol)
  message = refusals.refusal(path, content)
  assert "it names" in message
  assert name in message


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
  ("make", "reason"),
  [
    (lambda p: call(subprocess.check_call, ["touch", p]), "EMPTY_LIST"),
    (
      lambda p: Calls(dict, (), None, None, iter([(call(os.mkdir, p), 1)])),
      "a key of kind any",
    ),
  ],
)
def test_calls_are_refused_for_their_arguments(path, make, reason, protocol):
  content = pickle.dumps({"a": make(str(path.parent / "marker"))}, protocol)
  assert reason in refusals.refusal(path, content)


NDARRAY = b"cnumpy\nndarray\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n\x8c\x02f4\x89\x88\x87R"
EMPTY = RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85C\x01btR"


def entry(value):
  """Returns a pickle of a mapping with one entry, made by instructions."""
  return b"\x80\x04}\x8c\x01a" + value + b"s."


def array(shape, content=b"C\x04abcd", dtype=DTYPE):
  return EMPTY + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"


def number(value):
  return b"\x8a\x08" + struct.pack("<q", value)


def test_the_array_made_by_hand_is_one(path):
  path.write_bytes(entry(array(b"K\x01\x85")))
  assert reader.read(path)["a"].tobytes() == b"abcd"


@pytest.mark.parametrize(
  ("content", "message"),
  [
    # Shapes that the bytes do not fill.
    (
      entry(array(number(2**40) + b"\x85")),
      "has 4 bytes; expected 43980465111",
    ),
    (entry(array(b"K\x02\x85")), "has 4 bytes; expected 8"),
    (entry(array(b"K\x00\x85")), "has 4 bytes; expected 0"),
    (entry(array(b")")), "__ok__"),
    (entry(array(number(-1) + number(-1) + b"\x86")), "impossible shape"),
    (entry(array(b"\x88\x85")), "impossible shape"),
    (entry(array(b"(" + b"K\x01" * 33 + b"t")), "impossible shape"),
    (entry(array(b"K\x00" + number(2**62) + b"\x86", b"C\x00")), "ValueError"),
    (entry(array(b"K\x01")), "TypeError"),
    (entry(array(b"}")), "TypeError"),
    (entry(array(b"K\x01\x85", b"K\x01")), "TypeError"),
    (entry(array(b"K\x01\x85", dtype=b"N")), "TypeError"),
    (entry(array(b"K\x01\x85", dtype=DTYPE.replace(b"f4", b"O8"))), "'O8'"),
    (entry(EMPTY), "an array has no content"),
    (entry(EMPTY + b"Nb"), "TypeError"),
    (entry(EMPTY + b")b"), "ValueError"),
    (entry(RECONSTRUCT + b")R"), "TypeError"),
    (entry(RECONSTRUCT + b"(NK\x00\x85C\x01btR"), "TypeError"),
    (entry(NDARRAY + b")R"), "it calls numpy.ndarray"),
    (entry(b"N)R"), "TypeError"),
    (entry(b"})R"), "TypeError"),
    (entry(DTYPE + b")R"), "TypeError"),
    (entry(DTYPE + b"(K\x03\x8c\x01<NN}K\x00K\x00K\x00tb"), "has parts"),
    (entry(DTYPE + b"(K\x03\x8c\x01?NNNK\x00K\x00K\x00tb"), "ValueError"),
    # Declared lengths beyond the file.
    (entry(b"B\xff\xff\xff\xff"), "expected 4294967295 bytes"),
    (entry(b"\x8e" + b"\xff" * 8), "ValueError"),
    (entry(b"\x96" + b"\xff" * 8), "ValueError"),
    (entry(b"\x8d" + b"\xff" * 8), "ValueError"),
    (entry(b"X\xff\xff\xff\xff"), "ValueError"),
    (entry(b"\x8b\xff\xff\xff\x7f"), "instruction"),
    # Memo and stack.
    (b"\x80\x04}r\xff\xff\xff\xff.", "expected at most 3"),
    (b"\x80\x04}r\x03\x00\x00\x00.", "__ok__"),
    (b"\x80\x04\x95" + b"\xff" * 8 + b"}.", "FRAME"),
    (b"\x80\x04\x95" + b"\0" * 7 + b"\x01}.", "FRAME"),
    (b"\x80\x04j\xff\xff\xff\xff.", "KeyError"),
    (b"\x80\x04h\x00.", "KeyError"),
    (b"\x80\x04q\x00.", "IndexError"),
    (b"\x80\x04\x94.", "IndexError"),
    (b"\x80\x04.", "IndexError"),
    (b"\x80\x04}}.", "more than one value"),
    (b"\x80\x04t.", "IndexError"),
    (b"\x80\x04(}.", "more than one value"),
    (b"\x80\x040.", "IndexError"),
    (b"\x80\x04R.", "IndexError"),
    (b"\x80\x04b.", "IndexError"),
    (b"\x80\x04s.", "IndexError"),
    (b"\x80\x04\x93.", "IndexError"),
    (b"\x80\x04}(\x8c\x01au.", "odd number"),
    (b"\x80\x04N(\x8c\x01aNu.", "TypeError"),
    (b"\x80\x04c" + b"a" * 1000, "ValueError"),
    (b"\x80\x04cos\nsystem\n.", "it names 'os.system'"),
    (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "it names 'os.system'"),
    (b"\x80\x04NN\x93.", "STACK_GLOBAL requires str"),
    (b"\x80\x04cnumpy\nndarray.__class__\n.", "it names"),
    (b"\x80\x04cnumpy\ndtype\n)\x81.", "NEWOBJ"),
    (b"\x80\x04coptax._src.base\nEmptyState\n)\x81}b.", "optax is a tuple"),
    (b"\x80\x04cnumpy\ndtype\n)}\x92.", "instruction"),  # NEWOBJ_EX
    (b"\x80\x04(ios\nsystem\n.", "instruction"),  # INST
    (b"\x80\x04(cos\nsystem\no.", "instruction OBJ"),
    (b"\x80\x04P1\n.", "instruction"),  # PERSID
    (b"\x80\x04NQ.", "instruction"),  # BINPERSID
    (b"\x80\x04\x82\x01.", "instruction"),  # EXT1
    (b"\x80\x05\x97.", "instruction"),  # NEXT_BUFFER
    (b"\x80\x04I" + b"9" * 5000 + b"\n.", "instruction"),
    (b"\x80\x04S'" + b"\\x41" * 50 + b"'\n.", "instruction"),
    (entry(b"\x8c\x02\xff\xff"), "UnicodeDecodeError"),
    (entry(b"c_codecs\nencode\n\x8c\x01a\x8c\x03rot\x86R"), "TypeError"),
  ],
  ids=range(67),
)
def test_instructions_that_do_not_fit_are_refused(path, content, message):
  if message == "__ok__":  # the neighbours of the refused are whole
    path.write_bytes(content)
    assert set(reader.read(path)) <= {"a"}
  else:
    assert message in refusals.refusal(path, content)


def test_mappings_in_themselves_are_refused(path):
  mapping = {}
  mapping["a"] = mapping
  assert "nested more than 8 times" in refusals.refusal(
    path, pickle.dumps(mapping, 4)
  )


def test_deep_nesting_is_refused(path):
  depth = 50_000
  keys = b"}\x8c\x01a" * depth + b"}" + b"s" * depth
  assert "nested more than" in refusals.refusal(path, b"\x80\x04" + keys + b".")
  tuples = b")" + b"\x85" * depth
  assert "is tuple" in refusals.refusal(path, entry(tuples))
  assert "it holds tuple" in refusals.refusal(path, b"\x80\x04" + tuples + b".")
  assert "a key of kind tuple" in refusals.refusal(
    path, b"\x80\x04}" + tuples + b"Ns."
  )
  assert "more than one" in refusals.refusal(
    path, b"\x80\x04" + b"(" * depth + b"}."
  )


def test_small_files_do_not_stand_for_large_trees(path):
  # Every mapping has the one before it twice, 2^40 in all.
  doubled = b"\x80\x04}\x94" + b"".join(
    b"0}\x8c\x01ah%cs\x8c\x01bh%cs\x94" % (i, i) for i in range(40)
  )
  assert "nested more than" in refusals.refusal(path, doubled + b".")
  # Tuples of that kind take for ever to be hashed.
  tuples = b"\x80\x04})\x94" + b"".join(
    b"0h%ch%c\x86\x94" % (i, i) for i in range(200)
  )
  assert "a key of kind tuple" in refusals.refusal(path, tuples + b"Ns.")


def test_shared_mappings_are_not_expanded(path):
  """Callers go through all entries: 60 KB once cost 1.5 GB."""
  content = b"\x80\x04}\x94"
  for depth in range(7):
    pairs = (b"\x8c\x03%03dh%c" % (i, depth) for i in range(999))
    content += b"0}(" + b"".join(pairs) + b"u\x94"
  # 999^7 entries if written out
  assert "more entries than" in refusals.refusal(path, content + b".")


def test_shared_mappings_of_the_file_s_size_are_read(path):
  inner = {str(i): np.zeros(()) for i in range(9)}
  path.write_bytes(pickle.dumps({"a": inner, "b": inner, "c": inner}))
  found = reader.read(path)
  assert found["a"] is found["c"]


def test_long_names_are_refused(path):
  """Callers join the names of modules and of all their arrays."""
  value = {"a" * 501: {"b": np.zeros(())}}
  assert "501 characters" in refusals.refusal(path, pickle.dumps(value, 4))


@pytest.mark.parametrize("use", [b"b", b"R"])
def test_long_tuples_are_not_copied_by_every_instruction(path, use):
  """The state of a dtype was: 2.5 MB took twenty minutes."""
  state = b"(K\x03\x8c\x01<NNN" + b"N" * 10**5 + b"t"
  function = DTYPE if use == b"b" else b"cnumpy\ndtype\n"
  uses = b"h\x01h\x00" + use + b"0"
  content = state + b"q\x000" + function + b"q\x010" + uses * 20_000
  found = refusals.refusal(path, b"\x80\x04" + content + b"}.")
  assert "it has a tuple of 100005 values" in found


def test_constructors_cannot_be_changed(path):
  """Python sets the attributes that a state of two mappings names."""
  change = b"N}\x8c\x08__call__Ns\x86b"
  for name in (b"cnumpy\ndtype\n", NDARRAY, b"cbuiltins\ndict\n"):
    assert "has no state" in refusals.refusal(path, entry(name + change))
  for value in (b"}", b")", b"K\x01", b"\x8c\x01a", b"N", EMPTY, DTYPE):
    assert "it is damaged" in refusals.refusal(path, entry(value + change))


def test_arrays_do_not_share_bytes(path):
  data = b"B" + struct.pack("<I", 10_000) + bytes(10_000) + b"\x94"
  one = b"\x8c\x01%c" + array(b"M\xc4\x09\x85", b"h\x00") + b"s"
  many = b"".join(one.replace(b"%c", b"%c" % (65 + i)) for i in range(40))
  content = b"\x80\x04" + data + b"0}" + many + b"."
  assert "its arrays are larger than the file" in refusals.refusal(
    path, content
  )


def test_endless_programs_are_refused(path, monkeypatch):
  content = b"\x80\x04" + b"N0" * 49_999 + b"}."
  path.write_bytes(content)
  assert reader.read(path) == {}
  monkeypatch.setattr(unpickler, "_MAX_INSTRUCTIONS", 10**5)
  assert "more than 100000 instructions" in refusals.refusal(path, content)


def test_large_files_are_refused_before_they_are_read(path, monkeypatch):
  monkeypatch.setattr(unpickler, "MAX_BYTES", 100)
  assert "expected at most 100" in refusals.refusal(path, CONTENT)
