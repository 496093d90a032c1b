"""Colour images of flow."""

import numpy as np

from experiments.optical_flow import colours


def test_the_wheel():
  wheel = colours.wheel()
  assert wheel.shape == (55, 3)
  corners = {0: "100", 15: "110", 21: "010", 25: "011", 36: "001", 49: "101"}
  for position, corner in corners.items():
    np.testing.assert_allclose(wheel[position], [int(c) for c in corner])
  np.testing.assert_allclose(wheel[5], [1, 1 / 3, 0])


def test_colours_of_directions():
  right, down, left, up = (9, 0), (0, 9), (-9, 0), (0, -9)
  flow = np.float32([[(0, 0), right, down, left, up, (np.nan, 0)]])
  (row,) = colours.colour(flow)
  assert list(row[0]) == [255, 255, 255]
  assert list(row[1]) == [255, 0, 0]  # red
  assert list(row[2]) == [255, 230, 0]  # yellow, all but a tenth
  assert list(row[3]) == [0, 209, 255]  # from cyan 2/11 of the way to blue
  assert list(row[4]) == [88, 0, 255]  # from blue 4.5/13 to magenta
  assert list(row[5]) == [0, 0, 0]
  half = colours.colour(flow / 2, 9)[0]
  assert list(half[1]) == [255, 128, 128]
  beyond = colours.colour(2 * flow, 9)[0]
  assert list(beyond[1]) == [191, 0, 0]


def test_no_motion_is_white():
  still = np.zeros((3, 4, 2), np.float32)
  assert np.all(colours.colour(still) == 255)
  assert np.all(colours.hsv(still) == 255)


def test_hues_of_directions():
  angles = np.deg2rad([0.5, 60.5, 90.5, 120.5, 180.5, 240.5, 300.5, 359.9])
  flow = 30 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)[None]
  (row,) = colours.hsv(flow)
  assert row.tolist() == [
    [255, 0, 0],  # red to the right
    [255, 255, 0],
    [128, 255, 0],  # downwards
    [0, 255, 0],
    [0, 255, 255],
    [0, 0, 255],
    [255, 0, 255],
    [255, 0, 8],  # hues come in steps of two degrees
  ]


def test_saturation_of_speeds():
  flow = np.float32([[(3, 0), (6, 0), (12, 0), (23.99, 0), (24, 0), (99, 0)]])
  (row,) = colours.hsv(flow)
  assert row[:, 0].tolist() == [255] * 6
  # floor(255 · speed / 24) is missing from green and blue.
  assert row[:, 1].tolist() == [224, 192, 128, 1, 0, 0]
  assert row[:, 2].tolist() == row[:, 1].tolist()
  assert colours.hsv(flow, fastest=12)[0, 1, 1] == 128
