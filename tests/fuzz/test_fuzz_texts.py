"""Damaged texts, tables, tokenizer models, logs and configurations."""

import json

from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from experiments.cli import errors
from experiments.data import bytes_tokenizer
from experiments.data import files
from experiments.data import text_files
from experiments.language.glue import glue_tasks
from experiments.language.glue import tsv
from experiments.language.masked_language import predict
from experiments.language.text import sentencepiece
from experiments.runs import folder as run_folder
from experiments.runs import log
from tests.helpers import mutations
from tests.helpers import tiny_language


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp("fuzz")


_TEXTS = st.text(st.characters(exclude_categories=[]), max_size=20)
_IDS = st.lists(st.integers(-3, 300) | st.integers(), max_size=8)


@given(_TEXTS | st.binary(max_size=20))
def test_bytes_come_back(text):
  ids = mutations.assert_read_or_refused(
    UnicodeEncodeError, bytes_tokenizer.encode, text
  )
  if ids is not None:
    found = bytes_tokenizer.to_bytes(ids)
    if isinstance(text, str):
      text = text.encode("utf-8", "surrogateescape")
    assert found == text


@given(_IDS)
@example([2**70])
def test_ids_of_bytes(ids):
  mutations.assert_read_or_refused(ValueError, bytes_tokenizer.decode, ids)


@pytest.fixture(scope="module")
def model():
  return tiny_language.pieces()


@given(data=st.data())
def test_models_of_pieces(model, data):
  found = data.draw(mutations.damaged(model, model[:500]))
  mutations.assert_read_or_refused(
    files.InputError, sentencepiece.SentencePiece, found, "the model"
  )


@pytest.mark.parametrize("found", [b"", b"\n"])
def test_models_of_pieces_that_once_failed(found):
  with pytest.raises(files.InputError):
    sentencepiece.SentencePiece(found, "the model")


@given(_TEXTS | st.binary(max_size=20), _IDS)
def test_pieces(model, text, ids):
  tokenizer = _tokenizer(model)
  found = mutations.assert_read_or_refused(ValueError, tokenizer.encode, text)
  assert found is None or found.dtype == np.int32
  mutations.assert_read_or_refused(ValueError, tokenizer.decode, ids)


_tokenizers = {}


def _tokenizer(model):
  if model not in _tokenizers:
    _tokenizers[model] = sentencepiece.SentencePiece(model, "pieces")
  return _tokenizers[model]


_JSON_LINES = b'{"text": "apple"}\n{"text": "caf\\u00e9", "more": [1, {}]}\n'


@pytest.mark.parametrize("suffix", ["jsonl", "txt"])
@given(data=mutations.damaged(_JSON_LINES, "Some café.\n".encode()))
@example(data=b'{"text": "\\ud800"}')
@example(data=b"[" * 100_000)
@example(data=b'{"text": ' + b"9" * 5000 + b"}")
def test_documents(folder, data, suffix):
  inside = folder / suffix
  inside.mkdir(exist_ok=True)
  # Whole documents for training and for evaluation.
  if not (inside / "both.jsonl").exists():
    rows = (json.dumps({"text": f"Document {n}."}) for n in range(40))
    (inside / "both.jsonl").write_text("\n".join(rows))
  (inside / f"fuzzed.{suffix}").write_bytes(data)
  found = mutations.assert_read_or_refused(
    files.InputError, text_files.read, inside
  )
  assert found is None or all(
    isinstance(text, bytes) for side in found for text in side
  )


_TABLES = {
  name: (
    "\t".join(task.headerless or (*task.texts, task.label, "index")).encode()
    + b"\n"
    + b"\t".join([b"a text"] * 6)
    + b"\n"
  )
  for name, task in glue_tasks.TASKS.items()
}


@pytest.mark.parametrize("is_test", [False, True])
@given(
  name=st.sampled_from(sorted(glue_tasks.TASKS)),
  data=mutations.damaged(*_TABLES.values()),
)
def test_tables(folder, name, data, is_test):
  path = folder / "table.tsv"
  path.write_bytes(data)
  mutations.assert_read_or_refused(
    files.InputError,
    lambda: tsv.read(glue_tasks.TASKS[name], path, is_test=is_test),
  )


@given(st.from_regex(r"[0-9:]*", fullmatch=True) | st.text(max_size=8))
def test_spans(text):
  found = mutations.assert_read_or_refused(
    errors.UsageError, predict.parse_span, text
  )
  assert found is None or 0 <= found[0] < found[1]


_ROWS = b'{"step": 3, "kind": "train", "loss": 1.5}\n{"step": 6, "kind": "eval"'


@pytest.mark.filterwarnings("ignore:.* lines that are no rows")
@given(mutations.damaged(_ROWS))
@example(b"5\n")
@example(b'{"step": "3", "kind": "train"}\n')
@example(b"\xff\n")
@example(b"[" * 100_000)
def test_logs(folder, data):
  (folder / log.METRICS).write_bytes(data)
  for row in log.read_rows(folder / log.METRICS):
    assert isinstance(row["step"], int)
    assert isinstance(row["kind"], str)


@given(mutations.damaged(b'{"train": {"seed": 1, "keep": 3}}'))
@example(b"[]")
@example(b"\xff")
def test_configurations_of_runs(folder, data):
  (folder / "config.json").write_bytes(data)
  mutations.assert_read_or_refused(
    run_folder.ConfigError, run_folder.claim, folder, '{"train": {"seed": 1}}'
  )
