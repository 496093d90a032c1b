"""Optical flow: every published configuration of Perceiver IO.

Sources: 2107.14795 §4.2, table 16 and appendix H. The paper gives parameters
and operations for one size only; those of the others, pinned in
`tests/perceiver/models/test_optical_flow.py`, are counts of what stands here.
Inferred, where the paper is silent:

* The axis of time of separate frames has 64 bands up to half of resolution 2:
  sixty-four times the same frequency, "highly redundant" in the paper's words.
* With a convolution, concatenated frames meet before it (6 channels in), for
  its 64 channels are not projected again; it is the one of the ImageNet
  models, batch norm included; and positions go up to half of the coarse grid.
* Its decoder ends in a linear map to 64 channels, from which one linear map
  makes the coarse flow and another the weights of the upsampling.
"""

import dataclasses

import haiku as hk
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from perceiver import blocks
from perceiver import bounds
from perceiver import decoder
from perceiver import encoder
from perceiver import mixtures
from perceiver import model
from perceiver import network as perceiver_network
from perceiver import position_encoding
from perceiver import processor
from perceiver.adapters import checks
from perceiver.adapters import flow
from perceiver.adapters import image
from perceiver.adapters import rows
from perceiver.attention import input_parts
from perceiver.models import base

# The released network divides its output by 100 and was trained to give a
# twentieth of the flow in pixels.
PIXELS_PER_UNIT = 20 / 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpticalFlowConfig:
  """A Perceiver that gives the motion of every pixel between two frames.

  Attributes:
    frames: size, features and positions of the frames.
    perceiver: the network. Its decoder gives the 2 components of the flow, or
      the channels that are upsampled if `frames` has fewer inputs than pixels.
    mixture: the distribution of a pixel's flow, whose expected value is the
      result; with components, the decoder gives its channels.
    pixels_per_unit: factor of the network's output.
    upsampled_init_scale: variance scaling of the initial weights of the flow
      that is upsampled; 0 if none is.
    precision: the dtype of activations.
  """

  frames: flow.FlowInputConfig
  perceiver: perceiver_network.PerceiverConfig
  mixture: mixtures.MixtureConfig = mixtures.MixtureConfig()
  pixels_per_unit: float = PIXELS_PER_UNIT
  upsampled_init_scale: float = 0.0
  precision: model.Precision = model.Precision.FLOAT32

  def __post_init__(self) -> None:
    bounds.check_ranges(
      self, pixels_per_unit="(0, inf)", upsampled_init_scale="[0, inf)"
    )
    channels = self.frames.input_channels
    base.check_channels(self.perceiver, channels, channels)
    found = self.perceiver.decoder.output_channels
    wanted = self.mixture.channels(2)
    if found is None or not (self.upsampled or found == wanted):
      raise ValueError(
        f"Decoder: output_channels is {found}; expected {wanted}, or any "
        "number for upsampling."
      )
    if self.upsampled and self.mixture.num_components:
      raise ValueError(
        "Optical flow: a mixture is given to a model whose flow is upsampled; "
        "expected no components."
      )
    if self.upsampled_init_scale and not self.upsampled:
      raise ValueError(
        f"Optical flow: upsampled_init_scale is {self.upsampled_init_scale} in "
        "a model whose flow is not upsampled; expected 0."
      )

  @property
  def upsampled(self) -> bool:
    """True if the network's outputs are coarser than the frames."""
    return self.frames.features.stride > 1

  def network(self, is_training: bool = False) -> "OpticalFlow":
    """Returns the Haiku module."""
    return OpticalFlow(self, is_training, name="optical_flow")

  def example(self, batch_size: int = 1) -> tuple[jax.ShapeDtypeStruct]:
    """Returns shape and dtype of the frames, [B, 2, H, W, 3] float32."""
    shape = (batch_size, 2, *self.frames.size, 3)
    return (jax.ShapeDtypeStruct(shape, jnp.float32),)


@dataclasses.dataclass
class OpticalFlow(base.AdaptedPerceiver):
  """Pairs of frames to flow.

  Queries are the inputs of the first frame themselves, so decoding needs the
  frames as well as the latents.
  """

  config: OpticalFlowConfig

  def __call__(
    self,
    frames: checks.Unchecked,  # [B, 2, H, W, 3]
    *,
    output_points: checks.Unchecked | None = None,  # [n] integers
  ) -> Float32[Array, "B H W 2"] | Float32[Array, "B n 2"]:
    """Returns the flow from the first frame to the second, pixels, float32.

    Args:
      frames: in [-1, 1].
      output_points: the decoded pixels, as row · W + column; no others are
        computed, and points outside the frame give NaN. All pixels if
        None, and always if the flow is upsampled.

    Returns:
      In channel 0 the motion to the right, in channel 1 downwards.
    """
    inputs, _ = self._inputs(frames)
    latents = self._network().encode(inputs)  # [B, N, D]
    return self._flow(self._outputs(latents, inputs, output_points))

  @hk.name_like("__call__")
  def distribution(
    self,
    frames: checks.Unchecked,  # [B, 2, H, W, 3]
    *,
    output_points: checks.Unchecked | None = None,  # [n] integers
  ) -> mixtures.Mixture:
    """Returns the mixtures, in pixels, whose expected value is the flow.

    Arrays are [B, H, W, …] or, of points, [B, n, …]; see `__call__`.

    Raises:
      ValueError: if the model has no mixture.
    """
    if not self.config.mixture.num_components:
      raise ValueError("Optical flow: num_components is 0; expected a mixture.")
    inputs, _ = self._inputs(frames)
    latents = self._network().encode(inputs)  # [B, N, D]
    return self._mixture(self._outputs(latents, inputs, output_points))

  @hk.name_like("__call__")
  def decode(
    self,
    latents: Float[Array, "B N D"],
    frames: checks.Unchecked,  # [B, 2, H, W, 3]
    *,
    output_points: checks.Unchecked | None = None,  # [n] integers
  ) -> Float32[Array, "B H W 2"] | Float32[Array, "B n 2"]:
    """Returns the flow, pixels, for latents and frames; see `__call__`."""
    inputs, _ = self._inputs(frames)
    return self._flow(self._outputs(latents, inputs, output_points))

  @hk.name_like("__call__")
  def _adapt(self, frames: checks.Unchecked) -> tuple[input_parts.Parts, None]:
    adapter = flow.FlowInput(
      self.config.frames, self.is_training, name="flow_input"
    )
    return adapter(frames), None

  def _flow(self, outputs: Float[Array, "*B F"]) -> Float32[Array, "*B 2"]:
    if self.config.mixture.num_components:
      return mixtures.expected(self._mixture(outputs))
    return self.config.pixels_per_unit * outputs.astype(jnp.float32)

  def _mixture(self, outputs: Float[Array, "*B F"]) -> mixtures.Mixture:
    cfg = self.config
    return mixtures.split(cfg.mixture, outputs, cfg.pixels_per_unit)

  @hk.name_like("__call__")
  def _outputs(
    self,
    latents: Float[Array, "B N D"],
    inputs: input_parts.Parts,
    points: checks.Unchecked | None,
  ) -> Float[Array, "B H W F"] | Float[Array, "B n F"]:
    """Returns the network's outputs for all pixels, or for some points."""
    cfg = self.config
    queries = flow.first_frame(cfg.frames, inputs)  # [B or 1, h·w, E_i]
    if points is not None:
      self._check_points(points)
      queries = tuple(
        part.take(points)
        if isinstance(part, position_encoding.GridEncoding)
        else jax.vmap(rows.take, in_axes=(0, None))(part, points)
        for part in queries
      )  # [B or 1, n, E_i]
    outputs = self._network().decode(latents, queries)  # [B, h·w or n, F]
    if cfg.upsampled:
      grid = outputs.reshape(
        latents.shape[0], *cfg.frames.grid, outputs.shape[-1]
      )
      outputs = flow.ConvexUpsampling(
        cfg.frames.features.stride, cfg.upsampled_init_scale, name="upsampling"
      )(grid)
      height, width = cfg.frames.size  # which need not be multiples
      outputs = outputs[:, :height, :width]  # [B, H, W, 2]
    elif points is None:
      outputs = outputs.reshape(
        latents.shape[0], *cfg.frames.size, outputs.shape[-1]
      )
    return outputs

  def _check_points(self, points: checks.Unchecked) -> None:
    if self.config.upsampled:
      raise ValueError(
        "Optical flow: output_points are given to a model whose flow is "
        "upsampled, not decoded pixel by pixel; expected None."
      )
    if points.ndim != 1 or not jnp.issubdtype(points.dtype, jnp.integer):
      raise ValueError(
        f"Optical flow: output_points have shape {tuple(points.shape)} and "
        f"dtype {points.dtype}; expected [points] integers."
      )


# -------------------------------------------------------------------- the sizes

TRAINING_SIZE = (368, 496)


def optical_flow(
  *,
  size: tuple[int, int] = TRAINING_SIZE,
  features: flow.Neighbourhoods | image.ConvPool | None = None,
  concatenate_frames: bool = True,
  num_bands: int = 64,
  num_latents: int = 2048,
  latent_channels: int = 512,
  num_layers: int = 24,
  num_heads: int = 16,
  output_init_scale: float = 0.0,
  pixels_per_unit: float = PIXELS_PER_UNIT,
) -> OpticalFlowConfig:
  """Returns the main model, but for what is given.

  The initial scale of outputs is that of the flow, decoded pixel by pixel or
  upsampled.
  """
  features = features or flow.Neighbourhoods()
  grid = features.grid(size)
  frames = flow.FlowInputConfig(
    size=size,
    features=features,
    concatenate_frames=concatenate_frames,
    positions=position_encoding.Fourier(
      num_bands=num_bands,
      max_resolution=grid if concatenate_frames else (2, *grid),
    ),
  )
  upsampled = features.stride > 1
  return OpticalFlowConfig(
    frames=frames,
    perceiver=perceiver_network.PerceiverConfig(
      encoder=encoder.EncoderConfig(
        input_channels=frames.input_channels,
        num_latents=num_latents,
        latent_channels=latent_channels,
      ),
      processor=processor.ProcessorConfig(
        channels=latent_channels,
        num_self_attends_per_block=num_layers,
        self_attention=blocks.SelfAttentionConfig(num_heads=num_heads),
      ),
      decoder=decoder.DecoderConfig(
        query_channels=frames.input_channels,
        output_channels=features.num_channels if upsampled else 2,
        output_init_scale=1.0 if upsampled else output_init_scale,
        cross_attention=blocks.CrossAttentionConfig(query_residual=False),
      ),
    ),
    pixels_per_unit=pixels_per_unit,
    upsampled_init_scale=output_init_scale if upsampled else 0.0,
  )


_PIXELS = flow.Neighbourhoods(size=1)
_CONV = image.ConvPool()

MAIN = optical_flow()

CONFIGS: dict[str, OpticalFlowConfig] = {
  # Table 16, from top to bottom; the first is the released model.
  "optical_flow": MAIN,
  "optical_flow_separate": optical_flow(concatenate_frames=False),
  "optical_flow_pixels": optical_flow(features=_PIXELS),
  "optical_flow_pixels_separate": optical_flow(
    features=_PIXELS, concatenate_frames=False
  ),
  "optical_flow_conv": optical_flow(features=_CONV),
  "optical_flow_conv_separate": optical_flow(
    features=_CONV, concatenate_frames=False
  ),
  "optical_flow_conv_small": optical_flow(
    features=_CONV, num_latents=1024, num_layers=16
  ),
  # The size that the paper's 27.9 M parameters and 987 GFLOPs belong to, which
  # it calls that of its pixel and patch models; the released one is larger.
  "optical_flow_small": optical_flow(num_latents=1024, num_layers=16),
}
