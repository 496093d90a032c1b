"""Sources of images: data sets in the format of TensorFlow Datasets."""

import dataclasses
import enum
import pathlib

from experiments.data import sources
from experiments.data import tfds_reader
from experiments.image_classification.imagenet import painted_digits


class Kind(enum.Enum):
  """The kind of images.

  IMAGENET2012 and JFT are data sets of TensorFlow Datasets by these names.
  PREPARED is another one, or one made by `experiments.prepare images`.
  SYNTHETIC is digits, painted in colours, which are made first.
  """

  IMAGENET2012 = "imagenet2012"
  JFT = "jft"  # not public
  PREPARED = "prepared"
  SYNTHETIC = "synthetic"


@dataclasses.dataclass(frozen=True)
class Source(sources.Source):
  """The images.

  The path of PREPARED is the data set's folder, whose name is its own. That of
  others is the folder of data sets; without one, synthetic ones are in
  runs/data, others in $TFDS_DATA_DIR, or else ~/tensorflow_datasets.
  """

  kind: Kind
  of_path = Kind.PREPARED
  needs_path = (Kind.PREPARED,)
  takes_path = (Kind.IMAGENET2012, Kind.JFT, Kind.SYNTHETIC)
  advice = "`python -m experiments.prepare images` makes one of a folder."

  @property
  def name(self) -> str:
    """The data set's name."""
    if self.kind is Kind.PREPARED:
      return self.folder().name
    return painted_digits.NAME if self.is_synthetic else self.kind.value

  @property
  def root(self) -> pathlib.Path:
    """The folder of data sets."""
    if self.kind is Kind.PREPARED:
      return self.folder().parent
    default = SYNTHETIC.path if self.is_synthetic else None
    return self.path or default or tfds_reader.default_data_dir()

  @property
  def is_upright(self) -> bool:
    """True if images are turned by their EXIF orientation.

    Those of IMAGENET2012 and JFT are read as they are stored, as by TensorFlow,
    with which the published numbers were measured.
    """
    return self.kind not in (Kind.IMAGENET2012, Kind.JFT)

  @property
  def remedy(self) -> str:
    """Sentences on other data sets, for one that is not there."""
    return (
      "If it is elsewhere, give --data.source imagenet2012:PATH, of others "
      "PATH/NAME. Or turn FOLDER/{train,validation}/CLASS/*.jpg into a data "
      "set by `python -m experiments.prepare images FOLDER --name my_images "
      f"--data-dir {self.root}` and give `--data.source {self.root}/my_images`,"
      " or --data.source synthetic."
    )


SYNTHETIC = Source(Kind.SYNTHETIC, pathlib.Path("runs") / "data")
