"""The task of autoencoding clips: data, loss, metrics and plots."""

from collections.abc import Mapping
import dataclasses
import importlib.util
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from experiments.audio_video.autoencoding import data as autoencoding_data
from experiments.audio_video.autoencoding import plots
from experiments.audio_video.clips import clips
from experiments.data import loader
from experiments.runs import plots as runs_plots
from experiments.training import losses as training_losses
from experiments.training import tasks
import perceiver
from perceiver import bounds
from perceiver.models import video_autoencoding

Array = jax.Array

# The ratio of a perfect reconstruction would be infinite.
_SMALLEST_ERROR = 1e-10  # 100 dB


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
  """The training loss: a weighted sum of three means.

  Weights and numbers of points are those of 2107.14795 §4.3 and appendix I.

  Attributes:
    video: weight of the absolute error of pixels in [0, 1].
    audio: weight of the absolute error of samples in [-1, 1].
    label: weight of the cross-entropy of the label, nats.
    image_points: number of pixels decoded in training, sampled for every step
      and the same for the whole batch; all if None.
    audio_points: number of audio patches, likewise.
  """

  video: float = 0.03
  audio: float = 1.0
  label: float = 1e-4
  image_points: int | None = 512
  audio_points: int | None = 512

  def __post_init__(self) -> None:
    weights = dict.fromkeys(("video", "audio", "label"), "[0, inf)")
    bounds.check_ranges(self, "image_points", "audio_points", **weights)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VideoAutoencoding:
  """Autoencoding of clips.

  Attributes:
    model: {"image", "audio", in training "label"} -> the same three.
    data: source and augmentation of the clips.
    loss: the training loss.
  """

  model: perceiver.Model
  data: autoencoding_data.DataConfig
  loss: LossConfig = LossConfig()

  @property
  def shape(self) -> clips.ClipShape:
    """Shape of the model's clips."""
    return clip_shape(self.model.config)

  def train_split(self) -> loader.Split:
    """Returns the training split."""
    return autoencoding_data.train_split(self.data, self.shape)

  def eval_split(self) -> loader.Split:
    """Returns the evaluation split."""
    return autoencoding_data.eval_split(self.data, self.shape)

  def example_shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns shapes and types of a training example."""
    clip = self.shape
    return tasks.shapes(
      image=((clip.num_frames, *clip.size, 3), jnp.uint8),
      audio=((clip.num_samples, clip.channels), jnp.float32),
      label=((), jnp.int32),
    )

  def losses(
    self,
    variables: perceiver.Variables,
    batch: tasks.Batch,
    *,
    rng: Array | None,
    is_training: bool,
  ) -> tasks.Losses:
    """Computes the loss and the metrics of every clip.

    Evaluation decodes all points, in blocks, from latents that are computed
    once, and masks the labels. Training decodes a few points and masks the
    labels of half of the clips: "top_1" is only meaningful in evaluation.
    """
    inputs = to_model(batch)
    truth = dict(inputs)
    points: dict[str, Array] = {}
    if is_training and rng is not None:
      key, rng = jax.random.split(rng)
      points = self._sample_points(key)
      inputs["label"] = jax.nn.one_hot(batch["label"], self.shape.num_classes)
    found, state = self.model.apply_and_update(
      variables, inputs, rng=rng, is_training=is_training, output_points=points
    )
    patch = outputs_by_name(self.model.config)["audio"].channels
    at_points = {
      "image": _at_points(truth["image"], 3, points.get("image")),  # [B, n, 3]
      "audio": _at_points(truth["audio"], patch, points.get("audio")),
    }
    metrics = compute_metrics(found, at_points, batch["label"])
    metrics |= mean_predictor(truth, at_points)
    return tasks.Losses(self._weighted(metrics), metrics, state, found)

  def distance(
    self, outputs: Mapping[str, Array], wanted: Mapping[str, Array], batch: Any
  ) -> Array:
    """Returns the loss against a teacher's outputs, [B]."""
    del batch
    apart = lambda x, y: jnp.mean(jnp.abs(x - y), axis=tuple(range(1, x.ndim)))
    return self._weighted(
      {
        "video_l1": apart(outputs["image"], wanted["image"]),
        "audio_l1": apart(outputs["audio"], wanted["audio"]),
        "label_nats": training_losses.divergence(
          outputs["label"], wanted["label"]
        ),
      }
    )

  def _weighted(self, metrics: Mapping[str, Array]) -> Array:
    return (
      self.loss.video * metrics["video_l1"]
      + self.loss.audio * metrics["audio_l1"]
      + self.loss.label * metrics["label_nats"]
    )

  def _sample_points(self, key: Array) -> dict[str, Array]:
    """Samples the points that are decoded, distinct and in rising order."""
    wanted = {
      "image": self.loss.image_points,
      "audio": self.loss.audio_points,
    }
    outputs = outputs_by_name(self.model.config)
    keys = dict(zip(wanted, jax.random.split(key, len(wanted))))
    return {
      name: jnp.sort(
        jax.random.permutation(keys[name], outputs[name].num_points)[:number]
      )
      for name, number in wanted.items()
      if number is not None
    }

  def plots(
    self, variables: perceiver.Variables, workdir: pathlib.Path
  ) -> list[pathlib.Path]:
    """Plots reconstructions and the latents' attention.

    Where PyAV is installed, samples.mp4 is written too: inputs on the left,
    reconstructions on the right, in image and audio. Clips follow one another,
    three times slower than at 25 frames per second, and lower in pitch.

    Returns:
      The files: curve.png if there is a log, samples.png, attention.png, the
      animation samples.gif, audio as .wav, and the video.
    """
    folder = runs_plots.folder(workdir)
    names = autoencoding_data.class_names(self.data, self.shape)
    examples = plots.examples(self.eval_split())
    found = (
      examples,
      [plots.reconstruct(self.model, variables, x) for x in examples],
    )
    made = [
      *runs_plots.learning_curve(workdir, plots.CURVE),
      plots.samples(*found, names, folder / "samples.png"),
      plots.attention(
        self.model, variables, examples[0], folder / "attention.png"
      ),
      plots.animation(*found, folder / "samples.gif"),
      *plots.audio(*found, folder),
    ]
    if importlib.util.find_spec("av"):
      made.append(plots.video(*found, folder / "samples.mp4"))
    return made


def outputs_by_name(
  config: video_autoencoding.VideoAutoencoderConfig,
) -> dict[str, video_autoencoding.multimodal_decoder.OutputConfig]:
  """Returns the model's outputs by name."""
  return {output.name: output for output in config.outputs.outputs}


def clip_shape(
  config: video_autoencoding.VideoAutoencoderConfig,
) -> clips.ClipShape:
  """Returns the shape of an autoencoder's clips.

  Raises:
    ValueError: if its modalities are not "image", "audio" and "label", or its
      outputs differ in size from its inputs.
  """
  inputs = {x.name: x.input for x in config.inputs.modalities}
  outputs = outputs_by_name(config)
  if sorted(inputs) != ["audio", "image", "label"] or set(outputs) != set(
    inputs
  ):
    raise ValueError(
      f"model: it has inputs {sorted(inputs)} and outputs {sorted(outputs)}; "
      "expected audio, image and label of both"
    )
  frames, height, width, colours = inputs["image"].shape
  samples, channels = inputs["audio"].shape
  given = {name: x.num_points * x.channels for name, x in outputs.items()}
  read = {
    "image": frames * height * width * colours,
    "audio": samples * channels,
    "label": inputs["label"].input_channels,
  }
  if given != read or samples % frames:
    raise ValueError(
      f"model: it has inputs of {read} numbers and outputs of {given}, with "
      f"{samples} samples in {frames} frames; expected outputs of the inputs' "
      "sizes, and a whole number of samples per frame"
    )
  return clips.ClipShape(
    num_frames=frames,
    size=(height, width),
    num_samples=samples,
    channels=channels,
    num_classes=read["label"],
  )


def to_model(batch: Mapping[str, Array]) -> dict[str, Array]:
  """Returns clips in the units of the models.

  Returns:
    {"image": [B, T, H, W, 3] in [0, 1], "audio": [B, S, channels] in [-1, 1]}.
  """
  return {
    "image": jnp.asarray(batch["image"]).astype(jnp.float32) / 255,
    "audio": jnp.asarray(batch["audio"]),
  }


def _at_points(
  values: Array,  # [B, ...]
  channels: int,
  points: Array | None,  # [n]
) -> Array:  # [B, n, channels]
  """Returns some points of a modality, all if None."""
  rows = values.reshape(len(values), -1, channels)
  return rows if points is None else rows[:, points]


def compute_metrics(
  found: Mapping[str, Array],
  truth: Mapping[str, Array],  # {name: [B, n, channels]}
  labels: Array,  # [B] integers
) -> dict[str, Array]:  # of [B]
  """Returns the metrics of decoded clips.

  Args:
    found: outputs of the model at the points of the truth, and "label", logits.
    truth: "image" in [0, 1] and "audio" in [-1, 1].
    labels: labels of the clips.

  Returns:
    Mean absolute errors "video_l1" and "audio_l1", the cross-entropy
    "label_nats", peak signal-to-noise ratios "video_psnr" and "audio_psnr" in
    dB, and "top_1".
  """
  image = found["image"].reshape(truth["image"].shape)
  audio = found["audio"].reshape(truth["audio"].shape)
  targets = jax.nn.one_hot(labels, found["label"].shape[-1])
  absolute = lambda x: jnp.mean(jnp.abs(x), axis=(1, 2))
  return {
    "video_l1": absolute(image - truth["image"]),
    "audio_l1": absolute(audio - truth["audio"]),
    "label_nats": training_losses.softmax_cross_entropy(
      found["label"], targets
    ),
    "video_psnr": psnr(jnp.clip(image, 0, 1), truth["image"]),
    "audio_psnr": psnr(jnp.clip(audio, -1, 1), truth["audio"]),
    "top_1": training_losses.top_k_correct(found["label"], labels),
  }


def mean_predictor(
  whole: Mapping[str, Array],  # {"image": [B, T, H, W, 3], "audio": [B, S, c]}
  truth: Mapping[str, Array],  # {name: [B, n, channels]}
) -> dict[str, Array]:  # of [B]
  """Returns the PSNR of clips of a single colour and a constant level.

  Both are the clip's own mean: a stronger baseline than the mean of all clips.
  """
  colour = jnp.mean(whole["image"], axis=(1, 2, 3))[:, None]  # [B, 1, 3]
  level = jnp.mean(whole["audio"], axis=(1, 2))[:, None, None]  # [B, 1, 1]
  return {
    "mean_video_psnr": psnr(colour, truth["image"]),
    "mean_audio_psnr": psnr(level, truth["audio"]),
  }


def psnr(
  found: Array,  # [B, n, channels]
  truth: Array,  # the same
) -> Array:  # [B]
  """Returns peak signal-to-noise ratios, dB, for a peak of 1; 100 at most."""
  error = jnp.mean(jnp.square(found - truth), axis=(1, 2))
  return -10 * jnp.log10(jnp.maximum(error, _SMALLEST_ERROR))
