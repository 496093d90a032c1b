"""Examples backwards, where nobody knows the flow backwards."""

import numpy as np

from experiments.optical_flow import examples


def reverse(example: examples.FlowExample) -> examples.FlowExample:
  """Returns an example from its second frame to its first, approximately.

  The flow of a pixel of the second frame is the mean of the flows that land on
  it, backwards, as the authors of Perceiver IO did (issue 281 of
  deepmind-research). Where nothing lands, the flow is not valid. What is known
  to be occluded is left out: it is not what one sees where it lands.

  Args:
    example: with a flow that may be known only in part.

  Returns:
    The example backwards. What it does not see is unknown: `occluded` is None.
  """
  height, width = example.valid.shape
  counts = example.valid
  if example.occluded is not None:
    counts = counts & ~example.occluded
  rows, columns = np.nonzero(counts)
  away = example.flow[rows, columns]  # [P, 2]
  x = np.rint(columns + away[:, 0])
  y = np.rint(rows + away[:, 1])
  inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
  place = (y[inside] * width + x[inside]).astype(int)
  number = np.bincount(place, minlength=height * width)
  total = [
    np.bincount(place, -channel[inside], height * width) for channel in away.T
  ]
  mean = np.stack(total, axis=-1) / np.maximum(number, 1)[:, None]
  return examples.FlowExample(
    name=f"{example.name}_reversed",
    frames=example.frames[::-1],
    flow=mean.reshape(height, width, 2).astype(np.float32),
    valid=number.reshape(height, width) > 0,
  )
