"""The official files, line by line."""

import pytest

from experiments.data import files
from experiments.language.glue import glue_tasks
from experiments.language.glue import tsv


def read(tmp_path, name, text, is_test=False):
  path = tmp_path / "file.tsv"
  path.write_bytes(text if isinstance(text, bytes) else text.encode())
  return tsv.read(glue_tasks.TASKS[name], path, is_test=is_test)


# Two lines in the layout of each training file, and their examples.
LAYOUTS = {
  "cola": (
    "gj04\t1\t\tOur friends left.\ncj99\t0\t*\tThey drank it thin",
    [("Our friends left.", 1), ("They drank it thin", 0)],
  ),
  "mnli": (
    "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\t"
    "sentence2_binary_parse\tsentence1_parse\tsentence2_parse\tsentence1\t"
    "sentence2\tlabel1\tgold_label\n"
    "0\t1\t1n\tfiction\t(a)\t(b)\t(c)\t(d)\tone\ttwo\tneutral\tneutral\n"
    "1\t2\t2c\tfiction\t(a)\t(b)\t(c)\t(d)\tx\ty\tneutral\tcontradiction",
    [("one", "two", 1), ("x", "y", 2)],
  ),
  "mrpc": (
    "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    '1\t7\t8\tHe said "yes\tHe agreed\n0\t9\t9\ta\tb',
    [('He said "yes', "He agreed", 1), ("a", "b", 0)],
  ),
  "qnli": (
    "index\tquestion\tsentence\tlabel\n0\tWho?\tMe.\tentailment\n"
    "1\tWhen?\tMe.\tnot_entailment",
    [("Who?", "Me.", 0), ("When?", "Me.", 1)],
  ),
  "qqp": (
    "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    "5\t1\t2\tWhy?\tHow?\t0\n6\t1\t2\tWhy so?\tWhy?\t1",
    [("Why?", "How?", 0), ("Why so?", "Why?", 1)],
  ),
  "rte": (
    "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n"
    "1\tc\td\tentailment",
    [("a", "b", 1), ("c", "d", 0)],
  ),
  "sst2": (
    "sentence\tlabel\nhide new secretions \t0\nloves its characters \t1",
    [("hide new secretions ", 0), ("loves its characters ", 1)],
  ),
  "stsb": (
    "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\t"
    "sentence2\tscore\n0\tn\tf\t2012\t1\tnone\tnone\tA plane.\tA jet.\t3.800\n"
    "1\tn\tf\t2012\t1\tnone\tnone\tA\tB\t5",
    [("A plane.", "A jet.", 3.8), ("A", "B", 5)],
  ),
  "wnli": (
    "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n1\tc\td\t0",
    [("a", "b", 1), ("c", "d", 0)],
  ),
}


def test_layouts_of_all_nine_tasks_are_here():
  assert set(LAYOUTS) == set(glue_tasks.TASKS)
  assert len(glue_tasks.TASKS) == 9
  assert set(glue_tasks.AVERAGED) == set(LAYOUTS) - {"wnli"}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_training_files(tmp_path, name, end):
  text, expected = LAYOUTS[name]
  if end == "\r\n":
    text = text.replace("\n", end)
  found = read(tmp_path, name, text + end)
  assert [(*e.texts, e.label) for e in found.examples] == expected
  assert found.skipped == ()
  assert found.name == str(tmp_path / "file.tsv")


def test_test_files_have_an_index_and_no_labels(tmp_path):
  text = "index\tsentence\n0\tBill left.\n7\tBill\x85 \u2028sang."
  found = read(tmp_path, "cola", text, is_test=True)
  assert found.examples == [
    (("Bill left.",), -1, "0"),
    (("Bill\x85 \u2028sang.",), -1, "7"),  # no line breaks of the format
  ]
  text = "id\tquestion1\tquestion2\n3\tWhy?\t\n"
  found = read(tmp_path, "qqp", text, is_test=True)
  assert found.examples == [(("Why?", ""), -1, "3")]  # must be answered


BAD = (
  b"\xef\xbb\xbf Sentence\tLabel \nfine\t1\nno label\nbad \xff\t0\na\tb\t1\n"
  b" \t0\nopen\t-\nopen\t\nlast\t0 \r\n"
)


def test_bad_lines_are_listed(tmp_path):
  found = read(tmp_path, "sst2", BAD)
  assert [e.texts for e in found.examples] == [("fine",), ("last",)]
  path = tmp_path / "file.tsv"
  assert found.skipped == (
    f"{path}, line 3: it has 1 columns; expected 2",
    f"{path}, line 4: it is not UTF-8",
    f"{path}, line 5: it has 3 columns; expected 2",
    f"{path}, line 6: a text is empty",
    f"{path}, line 7: it has no label",
    f"{path}, line 8: it has no label",
  )


def test_no_line_of_a_test_file_is_left_out(tmp_path):
  text = "index\tsentence\n0\tfine\n1"
  with pytest.raises(files.InputError, match="line 3: it has 1 columns"):
    read(tmp_path, "sst2", text, is_test=True)


@pytest.mark.parametrize(
  ("name", "text", "message"),
  [
    ("sst2", "sentence\tscore\na\t1", "no column 'label', only 'sentence', 's"),
    ("rte", "index\tlabel\n0\t1", "no column 'sentence1', 'sentence2'"),
    ("sst2", "sentence\tlabel\na\t2", r"tsv, line 2: label is '2'; .* 0, 1"),
    ("rte", "sentence1\tsentence2\tlabel\na\tb\t0", "label is '0'; expected o"),
    ("stsb", "sentence1\tsentence2\tscore\na\tb\t5.1", "'5.1'; .* from 0 to 5"),
    ("stsb", "sentence1\tsentence2\tscore\na\tb\tnan", "score is 'nan'"),
    ("stsb", "sentence1\tsentence2\tscore\na\tb\tx", "score is 'x'"),
    ("sst2", "sentence\tlabel\n", "no examples among 1 lines"),
    ("sst2", "sentence\tlabel\n\t1", "no examples .* line 2: a text is empty"),
    ("cola", "", "no examples among 0 lines"),
    ("sst2", "", "there is no column 'sentence', 'label'"),
  ],
)
def test_unusable_files_are_named(tmp_path, name, text, message):
  with pytest.raises(files.InputError, match=message) as caught:
    read(tmp_path, name, text)
  assert str(tmp_path / "file.tsv") in str(caught.value)


def test_a_missing_file(tmp_path):
  with pytest.raises(files.InputError, match=r"none\.tsv cannot be read"):
    tsv.read(glue_tasks.TASKS["rte"], tmp_path / "none.tsv", is_test=False)
