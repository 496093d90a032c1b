"""Our models and those of `transformers`, with the same weights.

Runs where PyTorch and transformers are installed, which nothing else needs.
"""

import numpy as np
import pytest

import perceiver
from perceiver.checkpoints.huggingface import config
from perceiver.checkpoints.huggingface import folder
from tests.helpers import fill
from tests.helpers import huggingface_folders
from tests.helpers import noise
from tests.helpers import released
from tests.helpers import released_models
from tests.helpers import trees

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [
  pytest.mark.filterwarnings("ignore"),
  pytest.mark.optimized,
]

NAMES = huggingface_folders.NAMES


def inputs(name):
  """Returns inputs of the golden file's shapes with other numbers."""
  arrays = huggingface_folders.golden(name)
  return {
    key: fill.array(x.shape, "parity", key) if x.dtype == np.float32 else x
    for key, x in arrays.items()
    if key.startswith("in_")
  }


def their_outputs(model, arrays):
  """Returns outputs of a model of theirs, named as in the golden files."""
  tensors = {key: torch.from_numpy(x) for key, x in arrays.items()}
  model.eval()
  with torch.no_grad():
    if "in_ids" in arrays:
      return {
        "out_logits": model(
          inputs=tensors["in_ids"], attention_mask=tensors["in_mask"]
        ).logits
      }
    if "in_frames" in arrays:
      patches = around(arrays["in_frames"])
      logits = model(inputs=torch.from_numpy(patches)).logits
      return {"out_flow_network_output": logits}
    if "in_audio" not in arrays:
      return {"out_logits": model(inputs=tensors["in_images"]).logits}
    label = torch.zeros((len(tensors["in_audio"]), model.config.num_labels))
    logits = model(
      inputs={
        "image": tensors["in_images"],
        "audio": tensors["in_audio"],
        "label": label,
      },
      subsampled_output_points={
        "image": tensors["in_image_points"],
        "audio": tensors["in_audio_points"],
        "label": None,
      },
    ).logits
  return {f"out_{name}": x for name, x in logits.items()}


def around(frames):
  """Returns the 3×3 neighbourhoods of [B, 2, H, W, 3] as they take them."""
  padded = np.pad(frames, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
  height, width = frames.shape[2:4]
  shifted = [
    padded[:, :, i : i + height, j : j + width]
    for i in range(3)
    for j in range(3)
  ]
  return np.moveaxis(np.concatenate(shifted, axis=-1), -1, 2)


def assert_close(found, expected):
  assert set(found) == set(expected)
  for key, array in expected.items():
    assert released.relative_error(found[key], array.numpy()) < 1e-5, key


def their_class(name):
  (architecture,) = huggingface_folders.entries(name)["architectures"]
  return getattr(transformers, architecture)


@pytest.mark.parametrize("name", NAMES)
def test_what_they_write_we_read(name, tmp_path):
  torch.manual_seed(0)
  entries = huggingface_folders.entries(name)
  theirs = their_class(name)(transformers.PerceiverConfig(**entries))
  for parameter in theirs.parameters():  # so that nothing is small or zero
    torch.nn.init.normal_(parameter, std=0.1)
  theirs.save_pretrained(tmp_path / "theirs")
  arrays = inputs(name)
  model, variables = folder.read(tmp_path / "theirs")
  model = perceiver.create(huggingface_folders.sized(model.config, arrays))
  ours = huggingface_folders.outputs(model, variables, arrays)
  assert_close(ours, their_outputs(theirs, arrays))


@pytest.mark.parametrize("act", ["gelu", config.TANH_GELU])
@pytest.mark.parametrize("name", NAMES)
def test_what_we_write_they_read(name, act, tmp_path):
  entries = huggingface_folders.entries(name) | {"hidden_act": act}
  theirs = their_class(name)(transformers.PerceiverConfig(**entries))
  theirs.save_pretrained(tmp_path / "empty")
  model, _ = folder.read(tmp_path / "empty")
  variables = noise.variables(model)
  folder.save(tmp_path / "ours", model, variables)
  theirs, report = their_class(name).from_pretrained(
    tmp_path / "ours", output_loading_info=True
  )
  assert not any(report.values())
  assert type(theirs) is their_class(name)
  arrays = inputs(name)
  model = perceiver.create(huggingface_folders.sized(model.config, arrays))
  ours = huggingface_folders.outputs(model, variables, arrays)
  assert_close(ours, their_outputs(theirs, arrays))


def test_a_query_that_we_do_not_add_changes_nothing(tmp_path):
  name = "image_classification_learned"
  model, variables = folder.read(huggingface_folders.FOLDER / name)
  model = perceiver.create(
    released_models.with_query_residual(model.config, False)
  )
  folder.save(tmp_path / "ours", model, variables)
  theirs = their_class(name).from_pretrained(tmp_path / "ours")
  arrays = inputs(name)
  ours = huggingface_folders.outputs(model, variables, arrays)
  assert_close(ours, their_outputs(theirs, arrays))


def test_a_fine_tuned_folder(tmp_path):
  """Three classes, 32 pixels, several files, bfloat16."""
  torch.manual_seed(0)
  labels = dict(enumerate(("cat", "dog", "owl")))
  entries = huggingface_folders.entries("image_classification_fourier") | {
    "id2label": labels,
    "image_size": 32,
    "label2id": {name: i for i, name in labels.items()},
  }
  theirs = transformers.PerceiverForImageClassificationFourier(
    transformers.PerceiverConfig(**entries)
  ).to(torch.bfloat16)
  theirs.save_pretrained(tmp_path / "folder", max_shard_size="30KB")
  assert len(list((tmp_path / "folder").iterdir())) > 3
  torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
  model, variables = perceiver.load(tmp_path / "folder")
  assert model.class_names == tuple(labels.values())
  images = fill.array((2, 3, 32, 32), "parity", "fine-tuned")
  theirs.to(torch.float32)
  expected = their_outputs(theirs, {"in_images": images})
  found = model.apply(variables, np.moveaxis(images, 1, -1))
  assert_close({"out_logits": found}, expected)
  for file in (tmp_path / "folder").glob("model*"):
    file.unlink()
  (tmp_path / "pytorch_model.bin").rename(
    tmp_path / "folder" / "pytorch_model.bin"
  )
  again = perceiver.load(tmp_path / "folder")[1]
  trees.assert_identical(again, variables)


def test_classifiers_of_text(tmp_path):
  torch.manual_seed(0)
  entries = huggingface_folders.entries("masked_lm") | {"num_labels": 3}
  entries.pop("id2label", None)
  entries.pop("label2id", None)
  theirs = transformers.PerceiverForSequenceClassification(
    transformers.PerceiverConfig(**entries)
  )
  for parameter in theirs.parameters():
    torch.nn.init.normal_(parameter, std=0.1)
  theirs.save_pretrained(tmp_path / "theirs")
  model, variables = perceiver.load(tmp_path / "theirs")
  arrays = inputs("masked_lm")
  expected = their_outputs(theirs, arrays)
  ids, mask = arrays["in_ids"].astype(np.int32), arrays["in_mask"].astype(bool)
  found = model.apply(variables, ids, mask=mask)
  assert_close({"out_logits": found}, expected)
  folder.save(tmp_path / "ours", model, variables)
  theirs = transformers.PerceiverForSequenceClassification.from_pretrained(
    tmp_path / "ours"
  )
  assert_close({"out_logits": found}, their_outputs(theirs, arrays))
