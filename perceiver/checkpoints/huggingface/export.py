"""Class and `config.json` of `transformers` for a model of ours.

Settings without an entry there are found by reading the result back.
"""

from collections.abc import Sequence
import dataclasses
import re
from typing import Any, TypeVar

from perceiver import blocks
from perceiver import config_json
from perceiver import decoder
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver.adapters import audio
from perceiver.adapters import image
from perceiver.adapters import text
from perceiver.adapters import video
from perceiver.checkpoints import check
from perceiver.checkpoints import errors
from perceiver.checkpoints.huggingface import config as huggingface_config
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import optical_flow
from perceiver.models import text_classifier
from perceiver.models import video_autoencoding

# Settings without an entry, on which evaluation does not depend.
_WITHOUT_ENTRY = re.compile(
  r"precision|.*init_scale|.*dropout_rate|.*\.remat"
  r"|inputs\.features\.decay"
)
# Computations of their classes that differ, whatever was trained.
_DEVIATIONS = {
  "PerceiverForImageClassificationConvProcessing": {
    "inputs.features.centred": (
      "its convolution and pooling are padded otherwise than the original's, "
      "which changes all features a little"
    )
  },
}
_Block = TypeVar("_Block", bound=blocks.BlockConfig)
_QUERY_RESIDUAL = "perceiver.decoder.cross_attention.query_residual"
_CLASSES_OF_FEATURES: dict[type, str] = {
  image.Pixels: "PerceiverForImageClassificationFourier",
  image.Conv1x1: "PerceiverForImageClassificationLearned",
  image.ConvPool: "PerceiverForImageClassificationConvProcessing",
}


def write(config: Any) -> tuple[str, dict[str, Any]]:
  """Returns class and entries of config.json for a model's configuration.

  Raises:
    CheckpointError: if there is no class for the model, or none with its
      sizes; names the field.
  """
  class_name, entries = _entries(config)
  known = _DEVIATIONS.get(class_name, {})
  found = differences(class_name, config, _again(config))
  different = {field: x for field, x in found.items() if field not in known}
  check.no_differences(
    {field: (theirs, ours) for field, (ours, theirs) in different.items()},
    f"the class {class_name} of transformers has no model whose",
  )
  return class_name, entries


def deviations(config: Any) -> list[str]:
  """Returns sentences on the computations of `transformers` that differ."""
  class_name, _ = _entries(config)
  found = differences(class_name, config, _again(config))
  known = _DEVIATIONS.get(class_name, {})
  return [text for field, text in known.items() if field in found]


def differences(
  class_name: str, expected: Any, found: Any, *, lenient: bool = False
) -> dict[str, tuple[Any, Any]]:
  """Returns {field: (expected, found)} of the settings of evaluation.

  Args:
    class_name: of `transformers`.
    expected: a configuration of ours.
    found: the one that a folder describes.
    lenient: whether to disregard what the original models do otherwise than
      `transformers`, which holds the same weights.
  """
  result = {}
  both = (_explicit(expected), _explicit(found))
  for field, values in config_json.differences(*both).items():
    if _WITHOUT_ENTRY.fullmatch(field):
      continue
    # Fourier codes have no size; what resolution they are for is compared.
    if field == "inputs.size" and not class_name.endswith("Learned"):
      continue
    if lenient and (
      field.endswith(".exact_gelu")
      or field in _DEVIATIONS.get(class_name, {})
      or (field == _QUERY_RESIDUAL and values == (False, True))
    ):
      continue
    result[field] = values
  return result


def folds_query(config: Any) -> bool:
  """Returns whether the class adds a query that our model does not add.

  A classifier has one query, the same for all images, so that taking it off
  the bias before makes up for it.
  """
  return (
    isinstance(
      config,
      imagenet.ImageClassifierConfig | text_classifier.TextClassifierConfig,
    )
    and isinstance(config.perceiver.decoder, decoder.DecoderConfig)
    and not config.perceiver.decoder.cross_attention.query_residual
  )


def with_query_residual(config: Any, query_residual: bool) -> Any:
  """Returns a classifier that adds its query, or does not."""
  decoding = config.perceiver.decoder
  decoding = dataclasses.replace(
    decoding,
    cross_attention=dataclasses.replace(
      decoding.cross_attention, query_residual=query_residual
    ),
  )
  network = dataclasses.replace(config.perceiver, decoder=decoding)
  return dataclasses.replace(config, perceiver=network)


def _again(config: Any) -> Any:
  """Returns the configuration that is read from this one's entries."""
  class_name, entries = _entries(config)
  classes = (len(entries.get("id2label", ())),)
  shapes = dict.fromkeys(huggingface_config.CLASSES, classes)
  found = huggingface_config.read(class_name, entries, shapes)
  return with_query_residual(found, False) if folds_query(config) else found


def _explicit(config: Any) -> Any:
  """Returns a configuration with all channels of attention filled in."""
  network = getattr(config, "perceiver", None)
  if not isinstance(network, perceiver_network.PerceiverConfig):
    return config
  encoding, processing = network.encoder, network.processor
  decoding, latents = network.decoder, encoding.latent_channels
  cross = _with_channels(
    encoding.cross_attention, latents, encoding.input_channels
  )
  layer = _with_channels(processing.self_attention, latents, latents)
  if isinstance(decoding, decoder.DecoderConfig):
    last = _with_channels(
      decoding.cross_attention, decoding.query_channels, latents
    )
    decoding = dataclasses.replace(decoding, cross_attention=last)
  network = dataclasses.replace(
    network,
    encoder=dataclasses.replace(encoding, cross_attention=cross),
    processor=dataclasses.replace(processing, self_attention=layer),
    decoder=decoding,
  )
  return dataclasses.replace(config, perceiver=network)


def _with_channels(
  block: _Block, query_channels: int, input_channels: int
) -> _Block:
  """Returns a block with its attention's channels filled in."""
  attention = block.attention(query_channels, input_channels)
  return dataclasses.replace(
    block,
    qk_channels=attention.qk_channels,
    v_channels=attention.v_channels,
  )


def _entries(config: Any) -> tuple[str, dict[str, Any]]:
  """Returns class and entries, as far as there are any."""
  if isinstance(config, imagenet.ImageClassifierConfig):
    kind = _CLASSES_OF_FEATURES.get(type(config.inputs.features))
    special: dict[str, Any] = {
      "d_model": config.inputs.input_channels,
      "image_size": config.inputs.size[0],
      **_labels(config.num_classes),
    }
  elif isinstance(config, text_classifier.TextClassifierConfig):
    kind = "PerceiverForSequenceClassification"
    special = {**_text_entries(config.inputs), **_labels(config.num_classes)}
  elif isinstance(config, language.LanguageModelConfig):
    kind = "PerceiverForMaskedLM"
    special = _text_entries(config.text)
  elif isinstance(config, optical_flow.OpticalFlowConfig):
    kind = "PerceiverForOpticalFlow"
    special = {
      "d_model": config.frames.input_channels,
      "train_size": list(config.frames.size),
    }
  elif isinstance(config, video_autoencoding.VideoAutoencoderConfig):
    kind = "PerceiverForMultimodalAutoencoding"
    special = _autoencoder_entries(config)
  else:
    kind = None
  if kind is None:
    raise errors.CheckpointError(
      f"Checkpoint: transformers has no class for a {type(config).__name__} of "
      "this kind."
    )
  return kind, {**_network_entries(config.perceiver), **special}


def _network_entries(
  network: perceiver_network.PerceiverConfig,
) -> dict[str, Any]:
  encoding, processing = network.encoder, network.processor
  cross, layer = encoding.cross_attention, processing.self_attention
  return {
    "attention_probs_dropout_prob": layer.attention_dropout_rate,
    "cross_attention_shape_for_attention": "kv",
    "cross_attention_widening_factor": cross.mlp_widening,
    "d_latents": encoding.latent_channels,
    "hidden_act": (
      "gelu" if layer.exact_gelu else huggingface_config.TANH_GELU
    ),
    "num_blocks": processing.num_blocks,
    "num_cross_attention_heads": cross.num_heads,
    "num_latents": encoding.num_latents,
    "num_self_attends_per_block": processing.num_self_attends_per_block,
    "num_self_attention_heads": layer.num_heads,
    "qk_channels": layer.qk_channels,
    "self_attention_widening_factor": layer.mlp_widening,
    "use_query_residual": cross.query_residual,
    "v_channels": layer.v_channels,
  }


def _autoencoder_entries(
  config: video_autoencoding.VideoAutoencoderConfig,
) -> dict[str, Any]:
  """Returns the entries of an autoencoder of the released modalities."""
  inputs = {x.name: x.input for x in config.inputs.modalities}
  outputs = {x.name: x for x in config.outputs.outputs}
  image_input, audio_input = inputs.get("image"), inputs.get("audio")
  label = outputs["label"].positions if "label" in outputs else None
  if (
    not set(inputs) == set(outputs) == {"audio", "image", "label"}
    or not isinstance(image_input, video.VideoInputConfig)
    or not isinstance(image_input.positions, position_encoding.Fourier)
    or not isinstance(audio_input, audio.AudioInputConfig)
    or not isinstance(label, position_encoding.Learned)
    or not isinstance(config.perceiver.decoder, decoder.DecoderConfig)
  ):
    raise errors.CheckpointError(
      f"Checkpoint: the modalities are {sorted({*inputs, *outputs})}; expected "
      "audio, image and label of the released kinds, the only ones that "
      "transformers has."
    )
  num_frames, *size = outputs["image"].grid
  return {
    "_label_trainable_num_channels": label.channels,
    "audio_samples_per_frame": audio_input.num_samples // num_frames,
    "d_model": config.inputs.input_channels,
    "image_size": int(image_input.positions.max_resolution[-1]),
    "num_frames": num_frames,
    "output_num_channels": config.perceiver.decoder.output_channels,
    "output_shape": [1, num_frames, *size],
    "samples_per_patch": audio_input.patch_size,
    **_labels(outputs["label"].channels),
  }


def _text_entries(inputs: text.TextInputConfig) -> dict[str, Any]:
  return {
    "d_model": inputs.channels,
    "max_position_embeddings": inputs.max_length,
    "vocab_size": inputs.vocab_size,
  }


def _labels(num_classes: int) -> dict[str, Any]:
  return labels(unnamed(num_classes))


def unnamed(num_classes: int) -> tuple[str, ...]:
  """Returns the names that classes without names have there."""
  return tuple(f"LABEL_{i}" for i in range(num_classes))


def labels(names: Sequence[str]) -> dict[str, Any]:
  """Returns the entries of classes with these names."""
  return {
    "id2label": {str(i): name for i, name in enumerate(names)},
    "label2id": {name: i for i, name in enumerate(names)},
  }
