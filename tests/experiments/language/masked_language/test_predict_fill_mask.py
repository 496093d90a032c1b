"""Filling in missing bytes, from the command line."""

import json

import numpy as np
import pytest

from experiments import predict
from experiments.cli import errors
from experiments.data import bytes_tokenizer
from experiments.language.masked_language import predict as language_predict
import perceiver
from tests.helpers import tiny_models

MASK = bytes_tokenizer.MASK
SENTENCE = (
  b"This is an incomplete sentence where some words are missing."  # 60 bytes
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
  return tiny_models.save(
    tmp_path_factory.mktemp("model"), tiny_models.language_model()
  )


def test_spans_mask_bytes():
  """The span of the released example: the word and the space before it."""
  found = language_predict.mask_spans(SENTENCE, [(51, 60)])
  np.testing.assert_array_equal(found.positions, np.arange(51, 60))
  assert bytes_tokenizer.to_bytes(found.ids) == SENTENCE[:51]
  assert (
    bytes_tokenizer.to_bytes(bytes_tokenizer.encode(SENTENCE)[found.positions])
    == b" missing."
  )
  assert np.all(found.ids[found.positions] == MASK)


def test_markers_are_replaced_by_masks():
  with_markers = SENTENCE.replace(b" missing.", b"[MASK*9]")
  by_marker = language_predict.mask_markers(with_markers)
  by_span = language_predict.mask_spans(SENTENCE, [(51, 60)])
  np.testing.assert_array_equal(by_marker.ids, by_span.ids)
  np.testing.assert_array_equal(by_marker.positions, by_span.positions)
  found = language_predict.mask_markers("ö[MASK]b[MASK*2]".encode())
  letters = [6 + x for x in "ö".encode()]
  assert list(found.ids) == [*letters, MASK, 6 + ord("b"), MASK, MASK]
  assert list(found.positions) == [2, 4, 5]


@pytest.mark.parametrize(
  ("text", "expected"),
  [("are[MASK*8].", False), ("are [MASK*7].", True), ("[MASK] a", False)],
)
def test_masks_after_a_space_are_noticed(text, expected):
  masked = language_predict.mask_markers(text.encode())
  assert language_predict.follows_a_space(masked) == expected


@pytest.mark.parametrize(
  ("content", "expected"),
  [
    ('{"data": {"mask_spaces": true}}', True),
    ('{"data": {"mask_spaces": false}}', False),
    ('{"data": {}}', False),
    ("no JSON", False),
    (None, False),
  ],
)
def test_the_run_states_whether_spaces_were_masked(
  trained, tmp_path, capsys, content, expected
):
  model, variables, _ = trained
  perceiver.save(tmp_path / "model.safetensors", model, variables)
  if content is not None:
    (tmp_path / "config.json").write_text(content)
  for path in (tmp_path, tmp_path / "model.safetensors"):
    assert language_predict.masks_spaces(path) == expected
  if content == '{"data": {"mask_spaces": true}}':
    command = ["fill-mask", "a [MASK]", "--checkpoint", str(tmp_path)]
    assert predict.main(command) == 0
    assert "a mask follows a space" in capsys.readouterr().err


def test_released_models_were_trained_with_masked_spaces(tmp_path):
  assert not language_predict.masks_spaces(None)
  released = tmp_path / "language_perceiver_io_bytes.pickle"
  released.write_bytes(b"")
  assert language_predict.masks_spaces(released)


def test_spans_take_the_text_as_it_is():
  found = language_predict.mask_spans(b"a[MASK]", [(0, 1), (0, 2)])
  assert list(found.positions) == [0, 1]
  assert bytes_tokenizer.to_bytes(found.ids) == b"MASK]"


@pytest.mark.parametrize(
  "text", ["nothing", "[MASK*0]", "[MASK] [MASK*x]", "[MASK *3]"]
)
def test_misspelt_markers_are_refused(text):
  with pytest.raises(errors.UsageError, match=r"expected \[MASK\]"):
    language_predict.mask_markers(text.encode())


@pytest.mark.parametrize("span", ["3", "5:5", "6:5", "-1:3", "a:b"])
def test_wrong_spans_are_refused(span):
  with pytest.raises(errors.UsageError, match="expected START:END"):
    language_predict.parse_span(span)


def test_only_masked_bytes_change_to_the_likeliest_ones(
  trained, tmp_path, capsys
):
  model, variables, path = trained
  output = tmp_path / "out.jsonl"
  arguments = ["fill-mask", "a[MASK]c[MASK*2]", "--checkpoint", path]
  arguments += ["--top-k", "3", "--output", str(output)]
  assert predict.main(arguments) == 0
  row = json.loads(output.read_text())
  ids = np.zeros((1, tiny_models.LENGTH), np.int32)
  ids[0, :5] = [6 + ord("a"), MASK, 6 + ord("c"), MASK, MASK]
  mask = np.arange(tiny_models.LENGTH)[None] < 5
  logits = np.asarray(model.apply(variables, ids, input_mask=mask))[0, :5, 6:]
  expected = logits.argmax(-1)
  assert [m["position"] for m in row["masked"]] == [1, 3, 4]
  first = [m["bytes"][0]["byte"] for m in row["masked"]]
  assert first == [expected[i] for i in (1, 3, 4)]
  assert [len(m["bytes"]) for m in row["masked"]] == [3, 3, 3]
  filled = bytes([ord("a"), first[0], ord("c"), first[1], first[2]])
  assert row["text"] == filled.decode("utf-8", "replace")
  out = capsys.readouterr().out
  assert out.startswith(row["text"] + "\n")
  assert "  byte 3: b" in out


def test_a_file_is_one_text(trained, tmp_path, capsys):
  file = tmp_path / "text.txt"
  file.write_bytes(b"\xff two\nlines")
  arguments = ["fill-mask", "--file", str(file), "--span", "2:3"]
  assert predict.main([*arguments, "--checkpoint", trained[2]]) == 0
  out = capsys.readouterr().out
  assert out.startswith("\ufffd ")
  assert out.endswith("wo\nlines\n")


def test_a_batch_has_a_text_in_every_line(trained, tmp_path, capsys):
  batch, output = tmp_path / "texts.txt", tmp_path / "out.jsonl"
  batch.write_text("\ufeffa[MASK]c\nde[MASK*2]\n")
  arguments = ["fill-mask", "--batch", str(batch), "--checkpoint", trained[2]]
  assert predict.main([*arguments, "--output", str(output)]) == 0
  alone = ["fill-mask", "de[MASK*2]", "--checkpoint", trained[2]]
  assert predict.main(alone) == 0
  out = capsys.readouterr().out.splitlines()
  assert out[1] == out[2]
  rows = [json.loads(line) for line in output.read_text().splitlines()]
  assert [row["text"] for row in rows] == out[:2]
  batch.write_text("a[MASK]c\nnothing\n")
  assert predict.main(arguments) == 2
  assert f"{batch}, line 2: no mask" in capsys.readouterr().err
  batch.write_text("a[MASK]c\n[MASK*65]\n")
  assert predict.main(arguments) == 2
  assert f"{batch}, line 2: 65 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([], "name a text"),
    (["x" * 60 + "[MASK*5]"], "65 bytes, masks included; expected at most 64"),
    (["abc", "--span", "2:4"], "beyond the text of 3 bytes"),
    (["abc"], "no mask in the text"),
    (["[MASK]", "--top-k", "300"], "--top-k must be from 0 to 256"),
  ],
)
def test_impossible_commands(trained, capsys, arguments, message):
  command = ["fill-mask", *arguments, "--checkpoint", trained[2]]
  assert predict.main(command) == 2
  assert message in capsys.readouterr().err


def test_models_of_other_tokens_are_refused(tmp_path, capsys):
  path = tiny_models.save(tmp_path, tiny_models.language_model(300))[2]
  assert predict.main(["fill-mask", "[MASK]", "--checkpoint", path]) == 2
  assert "300 tokens; expected one that reads bytes" in capsys.readouterr().err
