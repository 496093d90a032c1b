"""Text files and tables in the spellings of other programs."""

import pytest

from experiments.data import files
from experiments.data import tables


def write(tmp_path, content):
  path = tmp_path / "table.csv"
  path.write_bytes(content)
  return path


@pytest.mark.parametrize(
  "content",
  [
    "a\x85b,\u2028c\nd\n",
    "a\x85b,\u2028c\r\nd",
    "a\x85b,\u2028c\rd\r",
    "\ufeffa\x85b,\u2028c\nd\n",
  ],
)
def test_lines_end_where_they_end(tmp_path, content):
  path = write(tmp_path, content.encode())
  assert tables.read_lines(path) == ["a\x85b,\u2028c", "d"]
  rows = tables.read_csv(path)
  assert [row.fields for row in rows] == [["a\x85b", "c"], ["d"]]


def test_carriage_returns_within_lines_stay(tmp_path):
  path = write(tmp_path, b"a\rb\nc\n\n")
  assert tables.read_lines(path) == ["a\rb", "c", ""]


def test_quoted_fields_and_lines_are_counted(tmp_path):
  content = b'\xef\xbb\xbf"a, b" , c\r\n\r\n"two\r\nlines",d\r\nlast\r\n'
  assert tables.read_csv(write(tmp_path, content)) == [
    (1, ["a, b", "c"]),
    (4, ["two\nlines", "d"]),
    (5, ["last"]),
  ]
  assert tables.read_csv(write(tmp_path, b"")) == []


def test_what_is_no_text_is_named(tmp_path):
  with pytest.raises(files.InputError, match=r"table\.csv, line 2: .*0xff"):
    tables.read_text(write(tmp_path, b"fine\nnot \xff"))
  with pytest.raises(files.InputError, match="is no table: field larger"):
    tables.read_csv(write(tmp_path, b"x" * 140_000))


def test_names_of_columns():
  names = ["YouTube ID", " time-start ", "#1 String", "label"]
  expected = ["youtube_id", "time_start", "#1_string", "label"]
  assert tables.columns(names) == expected
