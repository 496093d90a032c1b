"""Recipes for optical flow, the rows of table 16 of 2107.14795.

  python -m experiments.train optical-flow --mini
  python -m experiments.train optical-flow --recipe medium
  python -m experiments.train optical-flow
  python -m experiments.train optical-flow --data.source AUTOFLOW
  python -m experiments.evaluate optical-flow --checkpoint runs/optical_flow \\
      --data.evaluate-on sintel_final:DIR

The authors trained on 400,000 pairs of AutoFlow, of which 40,000 are public;
until their folder is given, pairs are synthetic. None has been run at full size
with this code. `mini` and `medium` are for a CPU: frames of 24 × 32 and of
96 × 128 pixels.
"""

import dataclasses

from experiments.cli.papers import published
from experiments.optical_flow import data as flow_data
from experiments.optical_flow import evaluator
from experiments.optical_flow import task as flow_task
from experiments.optical_flow.augmentation import augment
from experiments.optical_flow.augmentation import curriculum
from experiments.optical_flow.synthetic import generator
from experiments.optical_flow.synthetic import motions
from experiments.training import config
from experiments.training import optimizers
from experiments.training import schedules
from experiments.training import tasks
from experiments.training import trainer
import perceiver
from perceiver.adapters import flow
from perceiver.models import optical_flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
  """Optical flow: the motion of every pixel between two frames."""

  model: optical_flow.OpticalFlowConfig
  data: flow_data.DataConfig
  loss: flow_task.LossConfig = flow_task.LossConfig()
  evaluation: evaluator.EvaluationConfig = evaluator.EvaluationConfig()
  train: trainer.TrainConfig

  def __post_init__(self) -> None:
    points, pixels = self.loss.output_points, self.model.frames.num_outputs
    if points is not None and self.model.upsampled:
      raise ValueError(
        f"loss.output_points is {points}, but the model's pixels are not "
        "decoded one by one; expected None"
      )
    if points is not None and points > pixels:
      raise ValueError(
        f"loss.output_points is {points}; expected at most the {pixels} pixels "
        "of a frame"
      )
    takes_submissions = self.data.evaluate_on.kind in flow_data.SUBMITTED
    if self.evaluation.submission_dir and not takes_submissions:
      raise ValueError(
        "evaluation.submission_dir is given, but data.evaluate_on is "
        f"{self.data.evaluate_on}, which takes no submissions"
      )
    if not 0 <= self.evaluation.min_overlap < min(self.model.frames.size):
      raise ValueError(
        f"evaluation.min_overlap is {self.evaluation.min_overlap}; expected "
        "at least 0 and less than the model's "
        f"{min(self.model.frames.size)} pixels"
      )

  def task(self) -> flow_task.OpticalFlow:
    """Returns the task."""
    size = self.model.frames.size
    num_examples = len(flow_data.train_split(self.data, size, 1).source)
    _, steps = config.learning_rate(self.train, num_examples)
    return flow_task.OpticalFlow(
      model=perceiver.create(self.model),
      data=self.data,
      loss=self.loss,
      evaluation=self.evaluation,
      total_examples=steps * self.train.batch_size,
    )


# ------------------------------------ Perceiver IO, 2107.14795 appendix H

# 480 epochs of 400,000 pairs in batches of 512: 375,000 steps. Weight decay,
# clipping and warm-up are not published: those of ImageNet, and none.
_TRAIN = trainer.TrainConfig(
  batch_size=512,
  steps=375_000,
  base_rate=4e-4,
  schedule=schedules.ConstantThenCosine(constant_fraction=0.0),
  optimizer=optimizers.Lamb(weight_decay=0.1, clip_norm=10.0),
  eval_every=25_000,
  checkpoint_every=1000,
)
# As large as AutoFlow's frames, from which crops of 368 × 496 are cut.
_GENERATOR = generator.GeneratorConfig(size=(448, 576), num_examples=400_000)


# ------------------------------------------------------------------------ mini


def _mini() -> Experiment:
  size = (24, 32)
  return Experiment(
    # Outputs that do not start at zero, in pixels: otherwise the flow stays at
    # zero for some 6,000 steps, as the latents' gradients are small and change
    # their signs. Few bands: with more of them, attention does not become
    # local in frames as small as these.
    model=optical_flow.optical_flow(
      size=size,
      num_bands=2,
      num_latents=96,
      latent_channels=96,
      num_layers=2,
      num_heads=4,
      output_init_scale=1.0,
      pixels_per_unit=2.0,
    ),
    data=flow_data.DataConfig(
      synthetic=generator.GeneratorConfig(
        size=size,
        num_examples=100_000,
        min_objects=0,
        max_objects=2,
        motion_blur=0.0,
        fog=0.0,
        noise=0.0,
      ),
      augmentation=augment.AugmentationConfig(
        log_scale=(0.0, 0.3), crop_margin=2, box_sides=(3, 7)
      ),
      curriculum=curriculum.CurriculumConfig(plain=0.9, growing=0.1),
    ),
    loss=flow_task.LossConfig(output_points=128),
    train=trainer.TrainConfig(
      batch_size=8,
      steps=15_000,
      base_rate=1e-3,
      schedule=schedules.WarmupCosine(warmup_steps=100),
      optimizer=optimizers.Adam(weight_decay=0.01, clip_norm=1.0),
      eval_every=2500,
      eval_batch_size=32,
      checkpoint_every=1000,
      log_every=250,
    ),
  )


# ---------------------------------------------------------------------- medium


def _medium(mini: Experiment) -> Experiment:
  """Returns the recipe of larger frames, `mini` but for what is given."""
  size = (96, 128)
  synthetic = mini.data.synthetic
  return dataclasses.replace(
    mini,
    # As many inputs as those of `mini`, of 4 × 4 pixels each.
    model=optical_flow.optical_flow(
      size=size,
      features=flow.Neighbourhoods(size=7, stride=4),
      num_bands=2,
      num_latents=128,
      latent_channels=128,
      num_layers=2,
      num_heads=4,
      output_init_scale=1.0,
      pixels_per_unit=2.0,
    ),
    data=dataclasses.replace(
      mini.data,
      synthetic=dataclasses.replace(
        synthetic,
        size=size,
        num_examples=160_000,
        max_objects=3,
        background_motion=_without_bends(synthetic.background_motion),
        object_motion=_without_bends(synthetic.object_motion),
      ),
      augmentation=dataclasses.replace(
        mini.data.augmentation, crop_margin=8, box_sides=(12, 28)
      ),
    ),
    loss=flow_task.LossConfig(),
    train=dataclasses.replace(
      mini.train,
      steps=20_000,
      # Neighbouring pixels are alike, so that a step changes the map of 7 × 7
      # of them by more than that of `mini`: with its 1e-3 one run was still at
      # zero flow after 1,500 steps, with 3e-4 one left it after 900.
      base_rate=3e-4,
      eval_every=5000,
    ),
  )


def _without_bends(motion: motions.MotionConfig) -> motions.MotionConfig:
  """Returns the motions without bends, which take longest to make."""
  return dataclasses.replace(motion, thin_plates=0.0)


_MODELS = {
  "main": "optical_flow",
  **{
    name: f"optical_flow_{name}"
    for name in (
      *("separate", "pixels", "pixels_separate"),
      *("conv", "conv_separate", "conv_small"),
    )
  },
}
MINI = _mini()
EXPERIMENTS = {
  **{
    recipe: Experiment(
      model=optical_flow.CONFIGS[name],
      data=flow_data.DataConfig(synthetic=_GENERATOR),
      train=_TRAIN,
    )
    for recipe, name in _MODELS.items()
  },
  "medium": _medium(MINI),
}
RESULTS = {
  **published.results("optical_flow"),
  # Not measured again since the augmentation has AutoFlow's order.
  "mini": tasks.Result(metric="epe"),
  "medium": tasks.Result(metric="epe"),
}
