"""Folders of texts: documents, held-out parts, refusals."""

import json

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
  assert after.locations[0].path.name == "a.txt"


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


def test_foreign_files_are_no_documents(tmp_path):
  write_many(tmp_path)
  (tmp_path / "ONE.TXT").write_text("one")
  before = text_files.read(tmp_path)
  foreign.add(tmp_path)
  assert text_files.read(tmp_path) == before
