"""The autoencoder of surfaces at a size that trains in seconds."""

import dataclasses

from experiments.point_clouds.surfaces import configs
from experiments.point_clouds.surfaces import data
from experiments.point_clouds.synthetic import shapes

MODEL = configs.model(
  num_points=32,
  num_bands=2,
  num_latents=4,
  channels=16,
  num_layers=1,
  num_heads=2,
)
MINI = configs.Experiment(
  model=MODEL,
  data=data.DataConfig(
    source=data.Source(data.Kind.SYNTHETIC),
    synthetic=shapes.SyntheticConfig(num_examples=40),
    num_eval=6,
    num_queries=20,
    num_samples=64,
  ),
  train=dataclasses.replace(
    configs.MINI.train,
    batch_size=4,
    steps=6,
    schedule=dataclasses.replace(configs.MINI.train.schedule, warmup_steps=2),
    eval_every=3,
    eval_batch_size=4,
    checkpoint_every=3,
    log_every=3,
  ),
)
EXPERIMENTS = {
  "tiny": MINI,
  "files": dataclasses.replace(
    MINI,
    data=dataclasses.replace(MINI.data, source=data.Source(data.Kind.MESHES)),
  ),
}
