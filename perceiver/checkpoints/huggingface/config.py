"""Our configurations as `config.json` of `transformers`, and back.

Much of a model is fixed there by its class and stands in no file: the number
of Fourier bands, heads of the decoder, the resolution that images have.
"""

from collections.abc import Callable, Mapping
import dataclasses
import functools
import math
from typing import Any

from perceiver import blocks
from perceiver import decoder
from perceiver import encoder
from perceiver import network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import image
from perceiver.adapters import text
from perceiver.checkpoints import errors
from perceiver.models import imagenet
from perceiver.models import language
from perceiver.models import optical_flow
from perceiver.models import text_classifier
from perceiver.models import video_autoencoding

Json = Mapping[str, Any]
Shapes = Mapping[str, tuple[int, ...]]

# `transformers` writes it into every file, also of models of another size.
DEFAULT_IMAGE_SIZE = 56
# Values of entries that a file leaves out.
_DEFAULTS: dict[str, Any] = {
  "_label_trainable_num_channels": 1024,
  "attention_probs_dropout_prob": 0.1,
  "audio_samples_per_frame": 1920,
  "cross_attention_shape_for_attention": "kv",
  "cross_attention_widening_factor": 1,
  "d_latents": 1280,
  "d_model": 768,
  "hidden_act": "gelu",
  "image_size": DEFAULT_IMAGE_SIZE,
  "max_position_embeddings": 2048,
  "num_blocks": 1,
  "num_cross_attention_heads": 8,
  "num_frames": 16,
  "num_latents": 256,
  "num_self_attends_per_block": 26,
  "num_self_attention_heads": 8,
  "output_num_channels": 512,
  "output_shape": [1, 16, 224, 224],
  "qk_channels": None,
  "samples_per_patch": 16,
  "self_attention_widening_factor": 1,
  "train_size": [368, 496],
  "use_query_residual": True,
  "v_channels": None,
  "vocab_size": 262,
}
# Types that entries may have, by those of the defaults, if not these alone.
_KINDS: dict[type, tuple[type, ...]] = {
  float: (float, int),
  type(None): (int, type(None)),
}
# Far beyond any model; keeps hostile files from asking for endless grids.
_MOST = 2**24
_LOGITS = "perceiver.decoder.decoder.final_layer.bias"
_LABELS = "perceiver.output_postprocessor.modalities.label.classifier.bias"
# Arrays with one number for each class.
CLASSES = (_LOGITS, _LABELS)
# The class of a folder that names none: that of the first of these arrays.
_SIGNS = {
  "perceiver.input_preprocessor.convnet.conv.weight": (
    "PerceiverForImageClassificationConvProcessing"
  ),
  "perceiver.input_preprocessor.convnet_1x1.weight": (
    "PerceiverForImageClassificationLearned"
  ),
  "perceiver.input_preprocessor.conv_after_patches.weight": (
    "PerceiverForOpticalFlow"
  ),
  _LABELS: "PerceiverForMultimodalAutoencoding",
  "embedding_decoder.bias": "PerceiverForMaskedLM",
  "perceiver.input_preprocessor.embeddings.weight": (
    "PerceiverForSequenceClassification"
  ),
  _LOGITS: "PerceiverForImageClassificationFourier",
}
# The approximation of the original models, which are not called so there.
TANH_GELU = "gelu_pytorch_tanh"


def class_name(entries: Json, shapes: Shapes) -> Any:
  """Returns the class that a folder names, or else the one of its arrays.

  Args:
    entries: of config.json.
    shapes: of the arrays.

  Raises:
    errors.CheckpointError: if several are named, or none has these arrays.
  """
  named = entries.get("architectures")
  if named is None and entries.get("model_type", "perceiver") == "perceiver":
    named = [name for sign, name in _SIGNS.items() if sign in shapes][:1]
  if not isinstance(named, list) or len(named) != 1:
    raise errors.CheckpointError("architectures does not name one class")
  return named[0]


def read(class_name: str, entries: Json, shapes: Shapes) -> Any:
  """Returns the configuration of a model of `transformers`.

  Args:
    class_name: there, such as PerceiverForOpticalFlow.
    entries: of config.json.
    shapes: of the arrays.

  Raises:
    errors.CheckpointError: if an entry says what we do not have, or sizes
      contradict each other; names the entry.
  """
  if not isinstance(class_name, str) or class_name not in _READERS:
    raise errors.CheckpointError(
      f"architectures is {errors.shorten(class_name)}; expected one of "
      f"{', '.join(sorted(_READERS))}"
    )
  given = _DEFAULTS | {k: v for k, v in entries.items() if k in _DEFAULTS}
  for key, value in given.items():
    default = type(_DEFAULTS[key])
    kinds = _KINDS.get(default, (default,))
    if not isinstance(value, kinds) or (
      isinstance(value, bool) and bool not in kinds
    ):
      raise errors.CheckpointError(
        f"{key} is {errors.shorten(value)}; expected "
        f"{' or '.join(kind.__name__ for kind in kinds)}"
      )
    is_size = float not in kinds
    if is_size and type(value) is int and not 1 <= value <= _MOST:
      raise errors.CheckpointError(
        f"{key} is {value}; expected from 1 to {_MOST}"
      )
  _only(given, "hidden_act", "gelu", "gelu_new", TANH_GELU)
  try:
    return _READERS[class_name](given, shapes)
  except errors.CheckpointError:
    raise
  except (OverflowError, ValueError) as error:
    raise errors.CheckpointError(f"config.json: {error}") from error


def _only(entries: Json, key: str, *expected: Any) -> None:
  if entries[key] not in expected:
    raise errors.CheckpointError(
      f"{key} is {errors.shorten(entries[key])}; expected "
      f"{' or '.join(map(repr, expected))}"
    )


def _network(
  entries: Json, input_channels: int, decoding: decoder.DecoderConfig
) -> network.PerceiverConfig:
  """Returns the network, whose encoder alone the entries describe."""
  shape_for_attention = "cross_attention_shape_for_attention"
  _only(entries, shape_for_attention, "kv", "q")
  latents = entries["d_latents"]
  qk_channels = entries["qk_channels"]
  if qk_channels is None and entries[shape_for_attention] == "q":
    qk_channels = latents
  everywhere: dict[str, Any] = {
    "attention_dropout_rate": float(entries["attention_probs_dropout_prob"]),
    "exact_gelu": entries["hidden_act"] == "gelu",
  }
  return network.PerceiverConfig(
    encoder=encoder.EncoderConfig(
      input_channels=input_channels,
      num_latents=entries["num_latents"],
      latent_channels=latents,
      cross_attention=blocks.CrossAttentionConfig(
        num_heads=entries["num_cross_attention_heads"],
        qk_channels=qk_channels,
        v_channels=entries["v_channels"],
        query_residual=entries["use_query_residual"],
        mlp_widening=entries["cross_attention_widening_factor"],
        **everywhere,
      ),
    ),
    processor=processor.ProcessorConfig(
      channels=latents,
      num_self_attends_per_block=entries["num_self_attends_per_block"],
      num_blocks=entries["num_blocks"],
      self_attention=blocks.SelfAttentionConfig(
        num_heads=entries["num_self_attention_heads"],
        qk_channels=entries["qk_channels"],
        v_channels=entries["v_channels"],
        mlp_widening=entries["self_attention_widening_factor"],
        **everywhere,
      ),
    ),
    decoder=dataclasses.replace(
      decoding,
      cross_attention=dataclasses.replace(
        decoding.cross_attention, **everywhere
      ),
    ),
  )


def _classifying(entries: Json, shapes: Shapes) -> decoder.DecoderConfig:
  """Returns the decoder of a classifier with one learned query."""
  (num_classes,) = shapes.get(_LOGITS, (1,))
  return decoder.DecoderConfig(
    query_channels=entries["d_latents"], output_channels=num_classes
  )


def _read_classifier(
  inputs: image.ImageInputConfig, entries: Json, shapes: Shapes
) -> imagenet.ImageClassifierConfig:
  if inputs == imagenet.LEARNED.inputs:  # no other positions have a size
    size = (entries["image_size"], entries["image_size"])
    inputs = dataclasses.replace(inputs, size=size)
  decoding = _classifying(entries, shapes)
  return imagenet.ImageClassifierConfig(
    inputs=inputs, perceiver=_network(entries, inputs.input_channels, decoding)
  )


def _text(entries: Json) -> text.TextInputConfig:
  return text.TextInputConfig(
    vocab_size=entries["vocab_size"],
    max_length=entries["max_position_embeddings"],
    channels=entries["d_model"],
  )


def _read_text_classifier(
  entries: Json, shapes: Shapes
) -> text_classifier.TextClassifierConfig:
  decoding = _classifying(entries, shapes)
  return text_classifier.TextClassifierConfig(
    inputs=_text(entries),
    perceiver=_network(entries, entries["d_model"], decoding),
  )


def _read_language(
  entries: Json, shapes: Shapes
) -> language.LanguageModelConfig:
  channels = entries["d_model"]
  decoding = decoder.DecoderConfig(
    query_channels=channels,
    output_channels=None,
    cross_attention=blocks.CrossAttentionConfig(
      num_heads=8, qk_channels=256, v_channels=channels, query_residual=False
    ),
  )
  return language.LanguageModelConfig(
    text=_text(entries),
    perceiver=_network(entries, channels, decoding),
  )


def _read_flow(entries: Json, shapes: Shapes) -> optical_flow.OpticalFlowConfig:
  height, width = _sizes(entries, "train_size", 2)
  main = optical_flow.optical_flow(size=(height, width))
  assert isinstance(main.perceiver.decoder, decoder.DecoderConfig)
  return dataclasses.replace(
    main,
    perceiver=_network(
      entries, main.frames.input_channels, main.perceiver.decoder
    ),
  )


def _read_autoencoder(
  entries: Json, shapes: Shapes
) -> video_autoencoding.VideoAutoencoderConfig:
  """Returns the released autoencoder with other sizes."""
  _, num_frames, height, width = _sizes(entries, "output_shape", 4)
  _only(entries, "num_frames", num_frames)
  num_samples = num_frames * entries["audio_samples_per_frame"]
  if num_samples > _MOST:
    raise errors.CheckpointError(
      f"audio_samples_per_frame makes {num_samples} samples; expected at most "
      f"{_MOST}"
    )
  image_size = entries["image_size"]
  sized = video_autoencoding.video_autoencoder(
    num_frames=num_frames,
    size=(height, width),
    image_positions=position_encoding.Fourier(
      num_bands=32, max_resolution=(num_frames, image_size, image_size)
    ),
    num_samples=num_samples,
    patch_size=entries["samples_per_patch"],
    audio_positions=position_encoding.Fourier(
      num_bands=192, max_resolution=(num_samples,)
    ),
    num_classes=shapes.get(_LABELS, (1,))[0],
    label_channels=entries["_label_trainable_num_channels"],
    output_channels=entries["output_num_channels"],
  )
  decoding = sized.perceiver.decoder
  assert isinstance(decoding, decoder.DecoderConfig)
  channels = sized.inputs.input_channels
  return dataclasses.replace(
    sized, perceiver=_network(entries, channels, decoding)
  )


def _sizes(entries: Json, key: str, length: int) -> tuple[int, ...]:
  value = entries[key]
  if (
    len(value) != length
    or not all(type(x) is int and 1 <= x <= _MOST for x in value)
    or math.prod(value) > _MOST
  ):
    raise errors.CheckpointError(
      f"{key} is {errors.shorten(str(value))}; expected {length} whole numbers "
      f"of at least 1, with a product of at most {_MOST}"
    )
  return tuple(value)


_IMAGE_INPUTS = {
  "ConvProcessing": dataclasses.replace(
    imagenet.CONV.inputs, features=image.ConvPool(centred=True)
  ),
  "Fourier": imagenet.FOURIER.inputs,
  "Learned": imagenet.LEARNED.inputs,
}
_READERS: dict[str, Callable[[Json, Shapes], Any]] = {
  **{
    f"PerceiverForImageClassification{kind}": functools.partial(
      _read_classifier, inputs
    )
    for kind, inputs in _IMAGE_INPUTS.items()
  },
  "PerceiverForMaskedLM": _read_language,
  "PerceiverForMultimodalAutoencoding": _read_autoencoder,
  "PerceiverForOpticalFlow": _read_flow,
  "PerceiverForSequenceClassification": _read_text_classifier,
}
