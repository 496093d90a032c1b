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
from perceiver.position_encoding.grid_encoding import Spread
from perceiver.position_encoding.grid_encoding import written_out
from perceiver.position_encoding.learned import interpolate
from perceiver.position_encoding.learned import Learned
from perceiver.position_encoding.learned import LearnedVectors

__all__ = [
  "Encoding",
  "Fourier",
  "Learned",
  "LearnedVectors",
  "Projected",
  "Spread",
  "check_grid",
  "encode",
  "features",
  "grid",
  "grid_features",
  "interpolate",
  "is_learned",
  "num_channels",
  "subsampled",
  "written_out",
]
