"""Backward flow, approximated where only the forward flow is known."""

import numpy as np

from experiments.optical_flow import examples


def approximate(example: examples.FlowExample) -> examples.FlowExample:
  """Returns an example in backward order, with approximate flow.

  The flow of a pixel of the second frame is the negative mean of the flows that
  end on it, as the authors of Perceiver IO did (issue 281 of
  deepmind-research). Where none ends, the flow is not valid. Occluded pixels
  are left out: other pixels are visible where their flow ends.

  Args:
    example: with a flow that may be valid only in part.

  Returns:
    The example with its frames exchanged; its `occluded` is None.
  """
  height, width = example.valid.shape
  used = example.valid
  if example.occluded is not None:
    used = used & ~example.occluded
  rows, columns = np.nonzero(used)
  flow = example.flow[rows, columns]  # [P, 2]
  x = np.rint(columns + flow[:, 0])
  y = np.rint(rows + flow[:, 1])
  inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
  index = (y[inside] * width + x[inside]).astype(int)
  count = np.bincount(index, minlength=height * width)
  total = [
    np.bincount(index, -channel[inside], height * width) for channel in flow.T
  ]
  mean = np.stack(total, axis=-1) / np.maximum(count, 1)[:, None]
  return examples.FlowExample(
    name=f"{example.name}_backward",
    frames=example.frames[::-1],
    flow=mean.reshape(height, width, 2).astype(np.float32),
    valid=count.reshape(height, width) > 0,
  )
