"""Folders of texts: documents, held-out parts, refusals."""

import gzip
import json
import pickle
import tracemalloc
import zlib

import pytest

from experiments.data import files
from experiments.data import text_files
from tests.helpers import foreign


def write_many(folder, count=60):
  lines = [json.dumps({"text": f"document ü {i}\n"}) for i in range(count)]
  (folder / "deep").mkdir()
  content = "\n".join(lines).encode()
  (folder / "deep" / "many.jsonl").write_bytes(content)
  return {f"document ü {i}\n".encode() for i in range(count)}


def test_documents_are_read_and_divided(tmp_path):
  expected = write_many(tmp_path)
  content = " a\ntext\r\n of its own "
  (tmp_path / "one.txt").write_bytes(content.encode())
  (tmp_path / "other.md").write_text("not read")
  train, held_out = text_files.read(tmp_path)
  sides = [{side[i] for i in range(len(side))} for side in (train, held_out)]
  assert not sides[0] & sides[1]
  assert sides[0] | sides[1] == expected | {content.encode()}
  assert len(train) + len(held_out) == 61
  assert 1 <= len(held_out) <= 9


def test_byte_order_marks_are_no_text(tmp_path):
  expected = write_many(tmp_path)
  path = tmp_path / "deep" / "many.jsonl"
  path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
  (tmp_path / "one.txt").write_bytes(b"\xef\xbb\xbfone")
  found = {text for side in text_files.read(tmp_path) for text in side}
  assert found == expected | {b"one"}


def test_equal_documents_are_on_one_side_whatever_else_there_is(tmp_path):
  write_many(tmp_path)
  _, before = text_files.read(tmp_path)
  (tmp_path / "a.txt").write_bytes(before[0])
  (tmp_path / "more.txt").write_text("something else")
  _, after = text_files.read(tmp_path)
  assert len(after) - len(before) in (1, 2)
  assert after[0] == before[0]
  assert after.describe(0) == f"{tmp_path / 'a.txt'}, line 1"


def test_empty_documents_are_counted(tmp_path, capsys):
  write_many(tmp_path)
  (tmp_path / "empty.txt").write_text(" \n")
  (tmp_path / "z.jsonl").write_text('{"text": ""}\n\n{"text": "x"}\n')
  train, held_out = text_files.read(tmp_path)
  assert len(train) + len(held_out) == 61
  message = capsys.readouterr().err
  assert "skipped 3 of 64 documents" in message
  assert f"the first is {tmp_path / 'empty.txt'}, line 1" in message


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("a.txt", b"fine\nnot \xff fine", "a.txt, line 2: byte 0xff is not UTF-8"),
    ("a.txt", "ö".encode("latin-1"), "a.txt, line 1: byte 0xf6"),
    ("a.jsonl", b'{"text": "x"}\n{"text": "\xff"}', "a.jsonl, line 2: byte"),
    ("a.jsonl", b'\n{"text": "x"', "a.jsonl, line 2 is not JSON"),
    ("a.jsonl", b'{"content": "x"}', 'line 1 is .* whose "text" is a string'),
    ("a.jsonl", b'{"text": 3}', 'line 1 is .* whose "text" is a string'),
    ("a.jsonl", b'["text"]', 'line 1 is .* whose "text" is a string'),
    ("a.jsonl", b'{"text": "\\ud83d"}', "line 1: .* half of a surrogate pair"),
  ],
)
def test_bad_files_are_named(tmp_path, name, content, message):
  write_many(tmp_path)
  (tmp_path / name).write_bytes(content)
  with pytest.raises(files.InputError, match=message):
    text_files.read(tmp_path)


def test_folders_without_texts_are_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match="There is no folder"):
    text_files.read(tmp_path / "missing")
  with pytest.raises(files.InputError, match="has 0 documents"):
    text_files.read(tmp_path)
  (tmp_path / "a.txt").write_text("x")
  with pytest.raises(files.InputError, match=r"1 documents .* expected more"):
    text_files.read(tmp_path)


@pytest.mark.parametrize(
  ("name", "text", "end"),
  [
    ("a.txt", "a word " * 40, "word "),
    ("a.jsonl", "a word " * 40, "word "),
    ("a.text", "字" * 100, "字" * 5),
    ("a.txt", "\n" + "x" * 100, "x" * 6),
  ],
)
def test_of_a_single_document_the_end_is_held_out(
  tmp_path, capsys, name, text, end
):
  path = tmp_path / name
  line = json.dumps({"text": text}) if name.endswith("l") else text
  path.write_text(line, encoding="utf-8")
  train, held_out = text_files.read(path)
  assert (len(train), len(held_out)) == (1, 1)
  assert (train[0] + held_out[0]).decode() == text
  assert held_out[0].decode().endswith(end)
  assert len(end.encode()) <= len(held_out[0]) < len(text.encode()) / 10
  held_out[0].decode()  # no character is cut
  assert "the last 20th of each is held out" in capsys.readouterr().err
  if name != "a.text":
    again = text_files.read(tmp_path)
    assert [list(side) for side in again] == [list(train), list(held_out)]


def test_foreign_files_are_no_documents(tmp_path, capsys):
  write_many(tmp_path)
  (tmp_path / "ONE.TXT").write_text("one")
  before = [list(side) for side in text_files.read(tmp_path)]
  foreign.add(tmp_path)
  capsys.readouterr()
  assert [list(side) for side in text_files.read(tmp_path)] == before
  assert capsys.readouterr().err == ""


def lines(*texts):
  return "".join(json.dumps({"text": x}) + "\n" for x in texts).encode()


def texts(folder):
  return {text.decode() for text in text_files.read_all(folder)}


def test_all_spellings_of_texts_are_read(tmp_path, capsys):
  root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
  root.mkdir()
  elsewhere.mkdir()
  array = json.dumps([{"text": "array ü 1"}, {"text": "array 2", "n": [1, {}]}])
  for name, content in {
    "a.jsonl": lines("a1", "a2"),
    "B.JSONL": lines("b"),
    "c.json": lines("c1", "c2"),
    "array.json": array.encode(),
    "spread.json": json.dumps(json.loads(array), indent=2)
    .replace("array", "spread")
    .encode(),
    "object.json": b'\xef\xbb\xbf{\n "text":\n "object"\n}\n',
    "d.jsonl.gz": gzip.compress(lines("d1", "d2"), mtime=0),
    "e.json.gz": gzip.compress(lines("e1", "ü e2"), mtime=0),
    "F.TXT": b"f",
    "g.txt.gz": gzip.compress(b"g\n", mtime=0) + gzip.compress(b"g", mtime=0),
  }.items():
    (root / name).write_bytes(content)
  (elsewhere / "h.txt").write_text("h")
  (root / "linked").symlink_to(elsewhere)
  (root / "again").symlink_to(elsewhere)
  (elsewhere / "back").symlink_to(root)
  expected = [
    "a1",
    "a2",
    "b",
    "c1",
    "c2",
    "object",
    "d1",
    "d2",
    "e1",
    "f",
    "g\ng",
    "h",
  ]
  expected += ["array ü 1", "array 2", "spread ü 1", "spread 2", "ü e2"]
  found = text_files.read_all(root)
  assert sorted(text.decode() for text in found) == sorted(expected)
  assert capsys.readouterr().err == ""
  copied = pickle.loads(pickle.dumps(found))
  assert list(copied) == list(found)
  assert len(pickle.dumps(found)) < 5000


def test_other_files_are_named_and_counted(tmp_path, capsys):
  write_many(tmp_path)
  (tmp_path / "settings.json").write_text('{"name": "corpus"}')
  (tmp_path / "spread.json").write_text('{\n"name": "corpus"\n}')
  for number in range(4):
    (tmp_path / f"table{number}.csv").write_text("a,b")
  text_files.read(tmp_path)
  message = capsys.readouterr().err
  assert "6 files are not read: table0.csv, table1.csv, table2.csv" in message
  assert message.endswith(
    "…; texts are .txt, .jsonl and .json files, also with .gz\n"
  )
  with pytest.raises(files.InputError, match='is an object without "text"'):
    text_files.read(tmp_path / "settings.json")


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("a.json", b'[{"text": "x"}\n, {"text": 3}]', r"a\.json, line 2 is .*\b3"),
    ("a.json", b'[{"text": "x"}, 3', r"a\.json.* is b'3'"),
    ("a.json", b'[{"text": "x"}', r"a\.json is not all documents"),
    ("a.txt.gz", b"no gzip", r"a\.txt\.gz is damaged"),
    (
      "a.txt.gz",
      gzip.compress(b"text" * 99, mtime=0)[:-9],
      r"a\.txt\.gz is damaged",
    ),
    ("a.jsonl.gz", gzip.compress(b"[]", mtime=0), r"a\.jsonl\.gz, line 1 is "),
  ],
)
def test_damage_is_named(tmp_path, name, content, message):
  write_many(tmp_path)
  (tmp_path / name).write_bytes(content)
  with pytest.raises(files.InputError, match=message):
    text_files.read(tmp_path)


@pytest.mark.parametrize("count", [2, 5, 39])
def test_few_documents_are_divided_by_length(tmp_path, capsys, count):
  contents = [f"{i} " + "a word " * 40 for i in range(1000)]
  # The first would be held out as a whole if there were more.
  contents.sort(key=lambda text: zlib.crc32(text.encode()) % 20)
  del contents[count:]
  (tmp_path / "a.jsonl").write_bytes(lines(*contents))
  train, held_out = text_files.read(tmp_path)
  assert len(train) == len(held_out) == count
  pairs = zip(train, held_out, strict=True)
  assert {(a + b).decode() for a, b in pairs} == set(contents)
  assert f"too few documents, {count}, to hold" in capsys.readouterr().err


def test_large_file_takes_little_memory(tmp_path):
  path, count = tmp_path / "large.jsonl", 20_000
  with path.open("wb") as file:
    for number in range(count):
      file.write(lines(f"{number} " + "word " * 40))
  tracemalloc.start()
  try:
    train, held_out = text_files.read(tmp_path)
    pickled = pickle.loads(pickle.dumps(train))
    assert pickled[7] == train[7]
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert len(train) + len(held_out) == count
  assert peak < path.stat().st_size / 4
