import dataclasses
import sys

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from experiments.data import files
from experiments.data import loader
from experiments.image_classification.imagenet import configs
from experiments.image_classification.imagenet import crop
from experiments.image_classification.imagenet import data
from experiments.image_classification.imagenet import pixels
from experiments.image_classification.imagenet import prepare_folder
from experiments.image_classification.imagenet import sources
from experiments.training import tasks
from tests.helpers import foreign
from tests.helpers import image_folders
from tests.helpers import tfds_folders


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  folder = image_folders.make(tmp_path_factory.mktemp("images"))
  foreign.add(folder)  # is neither a class nor an image
  return folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, images):
  root = tmp_path_factory.mktemp("data")
  config = prepare_folder.PrepareConfig(
    folder=images, name="insects", data_dir=root
  )
  prepared = prepare_folder.prepare(config)
  assert prepared.folder == root / "insects" / "1.0.0"
  assert prepared.counts == {"train": 18, "validation": 6}
  assert (prepared.corrupt, prepared.others) == ([], {})
  assert [p.name for p in root.iterdir()] == ["insects"]
  return root


def _config(data_dir, **kwargs):
  source = sources.Source(sources.Kind.PREPARED, data_dir / "insects")
  kwargs = {"source": source, "image_size": 16, **kwargs}
  return data.DataConfig(**kwargs)


def test_partners_are_other_images_cropped_on_their_own(data_dir):
  train, evaluation = data.splits(_config(data_dir), pairs=True)
  batch = next(loader.train_batches(train, batch_size=18, seed=0))
  assert batch["partner_images"].shape == batch["images"].shape
  pairs = set(zip(batch["labels"].tolist(), batch["partner_labels"].tolist()))
  assert len(pairs) > 2  # of 2 × 2 classes
  images = [*batch["images"], *batch["partner_images"]]
  assert len({image.tobytes() for image in images}) > 18
  (plain, *_) = loader.eval_batches(evaluation, batch_size=6)
  assert "partner_images" not in plain


def test_recipes_read_partners_unless_they_mix_within_the_batch(data_dir):
  recipe = configs.EXPERIMENTS["conv"]
  decoding = dataclasses.replace(
    recipe.model.perceiver.decoder, output_channels=2
  )
  perceiver = dataclasses.replace(recipe.model.perceiver, decoder=decoding)
  recipe = dataclasses.replace(
    recipe,
    data=_config(data_dir, image_size=None),
    model=dataclasses.replace(recipe.model, perceiver=perceiver),
  )
  entries = lambda found: set(tasks.batch_shapes(found.task().train_split(), 2))
  assert {"partner_images", "partner_labels"} < entries(recipe)
  mixing = dataclasses.replace(recipe.loss.mixing, within_batch=True)
  loss = dataclasses.replace(recipe.loss, mixing=mixing)
  assert entries(dataclasses.replace(recipe, loss=loss)) == {
    "images",
    "labels",
    "weight",
  }


def test_evaluation_reads_every_image_of_the_folder(data_dir):
  _, evaluation = data.splits(_config(data_dir))
  batches = list(loader.eval_batches(evaluation, batch_size=4))
  (first, second) = batches
  assert first["images"].shape == (4, 16, 16, 3)
  assert first["images"].dtype == np.float32
  assert first["labels"].dtype == np.int32
  labels = np.concatenate([first["labels"], second["labels"][:2]])
  assert sorted(labels) == [0, 0, 0, 1, 1, 1]
  np.testing.assert_array_equal(second["weight"], [1, 1, 0, 0])
  # Grey stays grey, in units of the models.
  level = (60 + 120 * first["labels"]) / 255
  expected = (level[:, None] - pixels.MEAN) / pixels.STDDEV
  expected = np.broadcast_to(expected[:, None, None], (4, 16, 16, 3))
  np.testing.assert_allclose(first["images"], expected, atol=0.02)
  assert "tensorflow" not in sys.modules


def test_training_reads_every_image_and_augments(data_dir):
  train, _ = data.splits(_config(data_dir))
  batches = loader.train_batches(train, batch_size=18, seed=0)
  first, second = next(batches), next(batches)
  batches.close()
  assert sorted(first["labels"]) == sorted(second["labels"])
  assert sorted(first["labels"]) == [0] * 9 + [1] * 9
  assert first["images"].shape == (18, 16, 16, 3)
  assert len(np.unique(first["images"].mean(axis=(1, 2, 3)))) > 6


def test_train_and_valid_share_no_image(data_dir):
  train, valid = data.splits(
    _config(
      data_dir,
      train_split=data.TrainSplit.TRAIN,
      eval_split=data.EvalSplit.VALID,
      num_valid=5,
    )
  )
  names = [{e["file_name"] for e in s.source} for s in (train, valid)]
  assert [len(n) for n in names] == [13, 5]
  assert not names[0] & names[1]
  assert (train.name, valid.name) == ("insects train[5:]", "insects train[:5]")


def _write_tfds(root, images, *splits):
  features = {
    "image": tfds.features.Image(),
    "label": tfds.features.ClassLabel(num_classes=3),
  }
  row = {"image": images / "train" / "ant" / "0.jpg", "label": 2}
  rows = {split: [row] * count for split, count in splits}
  tfds_folders.write(root, "small/plain", features, rows)
  return data.DataConfig(
    source=sources.Source.parse(f"{root}/small/plain"), image_size=16
  )


def test_splits_are_those_of_the_data_set(tmp_path, images, capsys):
  # As of CIFAR and MNIST.
  config = _write_tfds(tmp_path, images, ("train", 3), ("test", 2))
  train, evaluation = data.splits(config)
  assert [len(s.source) for s in (train, evaluation)] == [3, 2]
  assert evaluation.name == "plain test"
  data.splits(config)
  message = "plain has no split validation: test is evaluated\n"
  assert capsys.readouterr().err.count(message) == 1


def test_without_a_split_for_evaluation_images_are_held_out(tmp_path, images):
  config = _write_tfds(tmp_path, images, ("train", 3))
  with pytest.raises(files.InputError, match=r"\['train'\].*eval-split valid"):
    data.splits(config)
  config = dataclasses.replace(
    config,
    train_split=data.TrainSplit.TRAIN,
    eval_split=data.EvalSplit.VALID,
    num_valid=1,
  )
  assert [len(s.source) for s in data.splits(config)] == [2, 1]


def test_number_of_classes(data_dir):
  assert data.num_classes(_config(data_dir)) == 2


def test_data_dir_defaults_to_that_of_tfds(data_dir, monkeypatch):
  monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
  (data_dir / "jft").symlink_to(data_dir / "insects")
  config = data.DataConfig(source=sources.Source.parse("jft"))
  assert data.num_classes(config) == 2
  (data_dir / "jft").unlink()


def test_missing_data_set_says_where_and_how(tmp_path):
  source = sources.Source.parse(f"imagenet2012:{tmp_path}")
  with pytest.raises(files.InputError) as caught:
    data.splits(data.DataConfig(source=source))
  message = str(caught.value)
  assert f"{tmp_path / 'imagenet2012'} has no data set; expected" in message
  assert "pip install -e '.[tf]'" in message
  assert f"--file_format=array_record --data_dir={tmp_path} --man" in message
  assert "experiments.prepare images FOLDER" in message
  assert "or --data.source synthetic" in message
  assert "\n" not in message


def test_wrong_count_of_imagenet_is_refused_unless_allowed(
  data_dir, monkeypatch
):
  official = {"insects": {"train": 18, "validation": 7}}
  monkeypatch.setattr(data, "OFFICIAL_COUNTS", official)
  with pytest.raises(ValueError, match=r'6 examples in "validation"; .* 7,'):
    data.splits(_config(data_dir))
  partial = data.splits(_config(data_dir, allow_partial=True))[1]
  assert len(partial.source) == 6
  assert partial.name == "insects validation, not the official one"


def test_official_counts():
  assert data.OFFICIAL_COUNTS["imagenet2012"] == {
    "train": 1_281_167,
    "validation": 50_000,
  }


def test_too_few_images_for_the_validation_part(data_dir):
  config = _config(data_dir, train_split=data.TrainSplit.TRAIN)
  with pytest.raises(
    ValueError, match=r'18 examples in "train"; .* first 10000,'
  ):
    data.splits(config)


def test_evaluating_on_training_images_is_refused():
  with pytest.raises(ValueError, match="valid, a part of train_split"):
    data.DataConfig(eval_split=data.EvalSplit.VALID)


def _gradient():
  values = np.arange(40 * 48).reshape(40, 48)
  channels = [values % 256, values // 8, 255 - values // 8]
  return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def test_decoding_is_exact_for_rgb():
  image = _gradient()
  decoded = files.decode_image(image_folders.encode(image, "PNG"))
  np.testing.assert_array_equal(np.asarray(decoded), np.asarray(image))


@pytest.mark.parametrize(
  ("mode", "file_format"),
  [
    ("CMYK", "JPEG"),
    ("L", "JPEG"),
    ("L", "PNG"),
    ("P", "PNG"),
    ("RGBA", "PNG"),
    ("LA", "PNG"),
    ("1", "PNG"),
    ("RGB", "PNG"),
  ],
)
def test_every_mode_becomes_rgb(mode, file_format):
  image = Image.new("RGB", (30, 20), (204, 204, 204))
  image.paste((51, 51, 51), (0, 0, 15, 20))
  decoded = files.decode_image(
    image_folders.encode(image.convert(mode), file_format)
  )
  assert (decoded.mode, decoded.size) == ("RGB", (30, 20))
  values = np.asarray(decoded).astype(int)
  if mode != "1":
    np.testing.assert_allclose(values[10, 5], 51, atol=6)
    np.testing.assert_allclose(values[10, 25], 204, atol=6)
  assert values[:, :10].mean() < 100 < values[:, 20:].mean()


def test_transparent_palettes_are_read_without_a_warning():
  image = Image.new("P", (4, 4), 1)
  image.putpalette([0, 0, 0, 10, 20, 30])
  image.info["transparency"] = bytes([0, 100])
  decoded = files.decode_image(image_folders.encode(image, "PNG"))
  assert decoded.getpixel((2, 2)) == (10, 20, 30)


def test_sixteen_bit_grey_keeps_its_upper_byte():
  image = Image.fromarray(np.full((3, 4), 0x8012, np.uint16))
  decoded = files.decode_image(image_folders.encode(image, "PNG"))
  np.testing.assert_array_equal(np.asarray(decoded), np.full((3, 4, 3), 0x80))


@pytest.mark.parametrize("cut", [0, 10, 400])
def test_damaged_images_are_named(cut):
  encoded = image_folders.encode(_gradient())[:cut]
  example = {"image": encoded, "label": 1, "file_name": b"ant/3.jpg"}
  transform = data.EvalTransform(data.DataConfig())
  with pytest.raises(ValueError, match=r"image ant/3\.jpg: not a readable"):
    transform(example, np.random.default_rng(0))


def test_orientation_counts_but_for_imagenet():
  image = Image.new("RGB", (64, 64))
  image.paste((255, 255, 255), (0, 0, 32, 64))  # left; the top, once turned
  example = {
    "image": image_folders.encode(image, "PNG", orientation=6),
    "label": 0,
  }
  augmentation = data.AugmentationConfig(
    random_crop=crop.RandomCropConfig(min_area=0.9, min_covered=0.9),
    horizontal_flip=False,
    randaugment=data.rand_augment.RandAugmentConfig(num_layers=0),
  )
  kinds = sources.Kind
  for kind in (kinds.IMAGENET2012, kinds.JFT, kinds.PREPARED, kinds.SYNTHETIC):
    config = data.DataConfig(
      source=sources.Source(kind), image_size=16, augmentation=augmentation
    )
    is_turned = kind in (kinds.PREPARED, kinds.SYNTHETIC)
    for transform in (data.EvalTransform(config), data.TrainTransform(config)):
      found = transform(example, np.random.default_rng(0))["images"]
      rows, columns = found.mean((1, 2)), found.mean((0, 2))
      assert (rows[2] > rows[13] + 1) == is_turned, kind
      assert (columns[2] > columns[13] + 1) != is_turned, kind


def test_normalise_gives_the_units_of_the_models():
  image = np.array([[[0.485, 0.456, 0.406], [1, 1, 1]]], np.float32) * 255
  expected = [[[0, 0, 0], [2.2489082, 2.4285715, 2.64]]]
  np.testing.assert_allclose(pixels.normalise(image), expected, atol=1e-6)


def test_evaluation_is_centre_crop_resize_and_normalisation():
  image = _gradient()
  example = {"image": image_folders.encode(image, "PNG"), "label": 3}
  transform = data.EvalTransform(data.DataConfig(image_size=20))
  result = transform(example, np.random.default_rng(0))
  middle = np.asarray(image)[3:38, 7:42]  # 35 = 0.875 * 40
  expected = pixels.normalise(crop.resize_bicubic(middle, 20, 20))
  np.testing.assert_array_equal(result["images"], expected)
  assert result["labels"] == 3


def test_training_with_horizontal_flips_alone():
  centre = crop.CentreCropConfig(fraction=1.0)
  whole = crop.RandomCropConfig(min_area=1.0, min_aspect=1.0, max_aspect=1.0)
  config = data.DataConfig(
    image_size=20,
    eval_crop=centre,
    augmentation=data.AugmentationConfig(
      random_crop=whole,
      randaugment=data.rand_augment.RandAugmentConfig(num_layers=0),
    ),
  )
  example = {"image": image_folders.encode(_gradient(), "PNG"), "label": 3}
  plain = data.EvalTransform(config)(example, None)["images"]
  found = set()
  for seed in range(8):
    generator = np.random.default_rng(seed)
    image = data.TrainTransform(config)(example, generator)["images"]
    if np.array_equal(image, plain):
      found.add("plain")
    elif np.allclose(image[:, ::-1], plain, atol=1e-3):
      found.add("flipped")
    else:
      found.add("other")
  assert found == {"plain", "flipped"}
