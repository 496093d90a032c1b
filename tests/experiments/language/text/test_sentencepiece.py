"""Making and reading SentencePiece models."""

import io
import pickle

import pytest
import sentencepiece as library

from experiments import prepare
from experiments.data import files
from experiments.language.text import sentencepiece
from tests.helpers import tiny_language


@pytest.fixture(scope="module")
def model():
  return tiny_language.pieces()


def test_the_first_pieces(model):
  processor = library.SentencePieceProcessor(model_proto=model)
  assert [processor.id_to_piece(i) for i in range(9)] == [
    "[PAD]",
    "[BOS]",
    "[EOS]",
    "[MASK]",
    "[CLS]",
    "[SEP]",
    "<unk>",
    "\n",
    "<0x00>",
  ]
  assert processor.vocab_size() == tiny_language.NUM_PIECES


def test_words_are_not_spelt_in_letters(model):
  tokenizer = sentencepiece.SentencePiece(model, "pieces")
  assert tokenizer.vocab_size == tiny_language.NUM_PIECES
  assert len(tokenizer.encode(" the string is returned")) < 8


def test_models_survive_pickling(model):
  tokenizer = sentencepiece.SentencePiece(model, "pieces")
  before = tokenizer.encode("a string")
  again = pickle.loads(pickle.dumps(tokenizer))
  assert again == tokenizer
  assert list(again.encode("a string")) == list(before)


def test_files_that_are_no_model_are_refused(tmp_path):
  path = tmp_path / "a.model"
  with pytest.raises(files.InputError, match=r"a\.model cannot be read"):
    sentencepiece.tokenizer(path)
  path.write_bytes(b"nothing of the kind")
  with pytest.raises(files.InputError, match=r"a\.model is not a Sentence"):
    sentencepiece.tokenizer(path)


def test_models_with_other_special_ids_are_refused(tmp_path):
  foreign = io.BytesIO()
  library.SentencePieceTrainer.train(
    sentence_iterator=iter(["a few words", "and others"]),
    model_writer=foreign,
    vocab_size=20,
    hard_vocab_limit=False,
    minloglevel=2,
  )
  (tmp_path / "foreign.model").write_bytes(foreign.getvalue())
  with pytest.raises(files.InputError, match=r"no piece \[PAD\] of id 0"):
    sentencepiece.tokenizer(tmp_path / "foreign.model")


def test_the_command_makes_a_model(tmp_path, capsys):
  folder, output = tmp_path / "texts", tmp_path / "out" / "pieces.model"
  folder.mkdir()
  for number in range(60):
    text = f"the number {number} is written here\nand once more: {number}"
    (folder / f"{number}.txt").write_text(text)
  arguments = ["sentencepiece", "--source", str(folder)]
  arguments += ["--output", str(output)]
  assert not prepare.main([*arguments, "--vocab-size", "310"])
  assert "310 pieces of 5" in capsys.readouterr().out
  assert sentencepiece.tokenizer(output).vocab_size == 310
  assert prepare.main([*arguments, "--vocab-size", "31000"]) == 1
  assert "no 31000 pieces can be made" in capsys.readouterr().err
