"""Configurations as text and back."""

import dataclasses
import enum
import json
import pathlib

import pytest

import perceiver
from perceiver import config_json
from perceiver.models import imagenet
from perceiver.models import registry
from tests.helpers import tiny_networks


@pytest.mark.parametrize("name", perceiver.list_models())
def test_every_published_configuration_survives(name):
  config = perceiver.create(name).config
  text = config_json.to_json(config)
  again = config_json.from_json(text, registry.ModelConfig)
  assert again == config
  assert type(again) is type(config)


# ------------------------------------------------------------- a small example


class Colour(enum.Enum):
  RED = "red"
  BLUE = "blue"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dot:
  radius: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
  sides: tuple[int, ...]

  def __post_init__(self):
    if any(side < 1 for side in self.sides):
      raise ValueError(f"Box: sides are {self.sides}; expected at least 1.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawing:
  """One field of every kind that a configuration may have."""

  shape: Dot | Box
  size: tuple[int, float]
  colour: Colour = Colour.RED
  title: str | None = None
  bold: bool = False
  folder: pathlib.Path = pathlib.Path("out")
  weights: dict[str, float] = dataclasses.field(default_factory=dict)
  margin: int | None = None
  frame: Box | None = None


DRAWING = Drawing(
  shape=Box(sides=(1, 2, 3)),
  size=(4, 0.5),
  colour=Colour.BLUE,
  title='a "title" with ü',
  bold=True,
  folder=pathlib.Path("a/b"),
  weights={"x": 1.5, "y": 2.0},
)
DOT = Drawing(shape=Dot(radius=0.1), size=(1, 2.0), margin=3)


@pytest.mark.parametrize("drawing", [DRAWING, DOT])
def test_fields_of_every_kind_survive(drawing):
  text = config_json.to_json(drawing)
  assert config_json.from_json(text, Drawing) == drawing


def test_the_text_is_plain_and_names_the_types():
  assert json.loads(config_json.to_json(DRAWING)) == {
    "type": "Drawing",
    "shape": {"type": "Box", "sides": [1, 2, 3]},
    "size": [4, 0.5],
    "colour": "blue",
    "title": 'a "title" with ü',
    "bold": True,
    "folder": "a/b",
    "weights": {"x": 1.5, "y": 2.0},
    "margin": None,
    "frame": None,
  }


def test_what_has_a_default_may_be_left_out():
  text = '{"type": "Drawing", "shape": {"type": "Dot", "radius": 1},'
  found = config_json.from_json(text + '"size": [1, 2]}', Drawing)
  assert found == Drawing(shape=Dot(radius=1.0), size=(1, 2.0))
  # Whole numbers are numbers, and come back as the type says.
  assert isinstance(found.shape.radius, float)
  assert isinstance(found.size[1], float)


def changed(**changes):
  """Returns the text of a drawing with some entries replaced."""
  return json.dumps(json.loads(config_json.to_json(DRAWING)) | changes)


BAD = {
  "unknown_field": (
    {"colr": "red"},
    r"config has no field \['colr'\]; expected some of \['bold', 'colour'",
  ),
  "another_type": ({"type": "Sculpture"}, "'Sculpture'.*expected Drawing"),
  "text_for_a_number": ({"margin": "3"}, "config.margin is '3'; expected int"),
  "number_for_a_text": ({"title": 3}, "config.title is 3; expected str"),
  "fraction_for_a_whole_number": ({"margin": 1.5}, "config.margin is 1.5;"),
  "truth_for_a_number": ({"margin": True}, "config.margin is True; expected"),
  "number_for_a_truth": ({"bold": 1}, "config.bold is 1; expected bool"),
  "nothing": ({"bold": None}, "config.bold is None; expected bool"),
  "unknown_choice": ({"colour": "green"}, "is 'green'; expected Colour"),
  "number_for_a_path": ({"folder": 1}, "config.folder is 1; expected Path"),
  "no_list": ({"size": 4}, r"config.size is 4; expected tuple"),
  "too_short": ({"size": [4]}, "config.size has 1 values; expected 2"),
  "deep_inside": (
    {"shape": {"type": "Box", "sides": [1, "2"]}},
    r"config.shape.sides\[1\] is '2'; expected int",
  ),
  "wrong_entry": (
    {"weights": {"x": "heavy"}},
    "config.weights.x is 'heavy'; expected float",
  ),
  "wrong_member": (
    {"shape": {"type": "Drawing"}},
    "config.shape is .*; expected Dot or Box",
  ),
  "member_without_type": (
    {"shape": {"radius": 1.0}},
    "config.shape is .*; expected Dot or Box",
  ),
  "member_of_another_union": (
    {"frame": {"type": "Dot", "radius": 1.0}},
    "config.frame is .*; expected Box or NoneType",
  ),
  "fields_of_another_member": (
    {"shape": {"type": "Dot", "radius": 1.0, "sides": [1]}},
    r"config.shape has no field \['sides'\]; expected some of \['radius'\]",
  ),
  "incomplete": (
    {"shape": {"type": "Box"}},
    "config.shape is incomplete.*sides",
  ),
  "impossible": (
    {"shape": {"type": "Box", "sides": [0]}},
    r"Box: sides are \(0,\); expected at least 1",
  ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_with_its_place(case):
  changes, message = BAD[case]
  with pytest.raises(ValueError, match=message) as caught:
    config_json.from_json(changed(**changes), Drawing)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  "text",
  [
    "",
    "{",
    "[1, 2",
    "Drawing(size=1)",
    "\x00",
    "nul",
    '{"a": 1}}',
    "[" * 10**5,
  ],
  ids=range(8),
)
def test_what_is_not_json_is_refused(text):
  with pytest.raises(
    ValueError, match=r"Config: not JSON: .*; expected a conf"
  ):
    config_json.from_json(text, Drawing)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"Drawing"', "{}"])
def test_json_of_something_else_is_refused(text):
  with pytest.raises(ValueError, match=r"config is .*; expected Drawing"):
    config_json.from_json(text, Drawing)


def test_a_missing_field_of_a_model_is_named():
  text = config_json.to_json(tiny_networks.classifier_config())
  entries = json.loads(text)
  del entries["perceiver"]["encoder"]["num_latents"]
  with pytest.raises(
    ValueError, match=r"config\.perceiver\.encoder is incom.*num_latents"
  ):
    config_json.from_json(json.dumps(entries), registry.ModelConfig)


def test_only_plain_values_have_a_form_in_json():
  with pytest.raises(TypeError, match="has no form in JSON"):
    config_json.to_json(Dot(radius=len))


def test_differences_name_the_fields_with_both_values():
  assert config_json.differences(DRAWING, DRAWING) == {}
  other = dataclasses.replace(DRAWING, bold=False, shape=Box(sides=(1, 2)))
  assert config_json.differences(DRAWING, other) == {
    "bold": (True, False),
    "shape.sides": ((1, 2, 3), (1, 2)),
  }
  found = config_json.differences(DRAWING, DOT)
  assert found["shape"] == (DRAWING.shape, DOT.shape)  # of different types
  found = config_json.differences(imagenet.FOURIER, imagenet.PERCEIVER)
  assert found["perceiver.encoder.num_cross_attends"] == (1, 8)
  assert len(found) == 2
