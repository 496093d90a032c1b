"""Position encodings, shared by inputs, latents and queries."""

from perceiver.position_encoding.coordinates import grid
from perceiver.position_encoding.coordinates import subsampled
from perceiver.position_encoding.encode import check_grid
from perceiver.position_encoding.encode import encode
from perceiver.position_encoding.encode import Encoding
from perceiver.position_encoding.encode import is_learned
from perceiver.position_encoding.encode import num_channels
from perceiver.position_encoding.encode import Projected
from perceiver.position_encoding.fourier import features
from perceiver.position_encoding.fourier import Fourier
from perceiver.position_encoding.fourier import grid_features
from perceiver.position_encoding.grid_encoding import GridEncoding
from perceiver.position_encoding.grid_encoding import materialise
from perceiver.position_encoding.learned import interpolate
from perceiver.position_encoding.learned import Learned
from perceiver.position_encoding.learned import LearnedVectors
from perceiver.position_encoding.rotary import Rotary
from perceiver.position_encoding.rotary import RotaryTime
from perceiver.position_encoding.rotary import rotate
from perceiver.position_encoding.rotary import Rotation
from perceiver.position_encoding.sinusoidal import sinusoidal
from perceiver.position_encoding.sinusoidal import sinusoidal_table

__all__ = [
  "Encoding",
  "Fourier",
  "GridEncoding",
  "Learned",
  "LearnedVectors",
  "Projected",
  "Rotary",
  "RotaryTime",
  "Rotation",
  "check_grid",
  "encode",
  "features",
  "grid",
  "grid_features",
  "interpolate",
  "is_learned",
  "materialise",
  "num_channels",
  "rotate",
  "sinusoidal",
  "sinusoidal_table",
  "subsampled",
]
