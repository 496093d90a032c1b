"""Classification of texts from the command line."""

import json

import numpy as np

from experiments import predict
from experiments.language import predict as predict_text
import perceiver
from tests.helpers import commands
from tests.helpers import noise
from tests.helpers import tiny_models


def test_texts_are_encoded_as_by_their_tokenizer():
  ids, mask = predict_text.encode("aé", 7)  # two bytes of the second letter
  assert ids.tolist() == [4, 103, 201, 175, 5, 0, 0]
  assert mask.tolist() == [True] * 5 + [False] * 2
  ids, mask = predict_text.encode("abcdefgh", 5)
  assert ids.tolist() == [4, 103, 104, 105, 5]
  assert mask.all()


def test_texts_are_classified(tmp_path, capsys):
  config = tiny_models.text_classifier()
  model = perceiver.Model(config, class_names=tuple("abcdefg"))
  variables = noise.variables(model)
  perceiver.save(tmp_path / "model", model, variables)
  given = ("classify-text", "x y", "z", "--checkpoint", tmp_path / "model")
  output = tmp_path / "out.jsonl"
  out = commands.command(
    capsys, predict.main, *given, "--output", output, "--top", 2
  )
  assert out.count("%") == 4
  ids, mask = predict_text.encode("x y", 24)
  logits = np.asarray(model.apply(variables, ids[None], mask=mask[None]))[0]
  row = json.loads(output.read_text().splitlines()[0])
  assert row["text"] == "x y"
  assert [x["name"] for x in row["predictions"]] == [
    "abcdefg"[i] for i in np.argsort(-logits)[:2]
  ]
  other = perceiver.create(tiny_models.language_model())
  perceiver.save(tmp_path / "lm", other, noise.variables(other))
  error = commands.command(
    capsys, predict.main, *given[:3], "--checkpoint", tmp_path / "lm", code=2
  )
  assert "needs a model of kind TextClassifierConfig" in error
