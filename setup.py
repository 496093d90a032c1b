"""Installation of the library; its experiments run from this folder."""

import pathlib
import re

import setuptools

# Upper bounds end before what nobody tried. Python 3.11's last jax is 0.10.2,
# which itself needs NumPy 2.0 and SciPy 1.14. dm-haiku is without its [jax]
# extra, which asks for a newer jax than Python 3.11 has.
_LIBRARY = [
  "dm-haiku>=0.0.17,<0.1",
  "jax>=0.10.2,<0.13",
  "jaxlib>=0.10.2,<0.13",
  "jaxtyping>=0.3.3,<0.4",
  "numpy>=2.0",
  "safetensors>=0.5,<1",
]

_EXTRAS = {
  # All that experiments/ and scripts/ need; scripts/install.sh installs it.
  "train": [
    "array-record>=0.8.1",
    "grain>=0.2.18,<0.3",
    "importlib_resources>=6",  # tensorflow-datasets does not say it needs it
    "matplotlib>=3.10.7,<4",
    "optax>=0.2.8,<0.3",
    "orbax-checkpoint>=0.12.8,<0.13",
    "pillow>=11",
    "pypng>=0.20220715",
    "scikit-learn>=1.4,<2",
    "scipy>=1.14,<2",
    "tabulate>=0.9,<0.11",
    "tensorboardX>=2.6,<3",
    "tensorflow-datasets>=4.9.10,<5",
    "tqdm>=4.66,<5",
    "tyro>=1.0.16,<2",
  ],
  "cuda": ["jax[cuda13]"],
  "tpu": ["jax[tpu]"],
  # To compile for GPUs that are not here; for TPUs that is "tpu".
  "preflight-cuda": [
    "jax[cuda13-local]",
    "nvidia-cuda-nvcc>=13",
    "nvidia-nvvm>=13",
  ],
  # Only to prepare data sets of the TFDS catalogue, never to read them.
  "tf": ["tensorflow>=2.21"],
  # ModelNet40's clouds of points; reading its meshes needs nothing.
  "points": ["h5py>=3.11,<4"],
  # Programs of `perceiver.export` as bytes, and back.
  "export": ["flatbuffers>=25.2,<26"],
  # Runs, checkpoints and data in buckets of Google Cloud Storage, gs://….
  "gcs": ["google-cloud-storage>=3.4,<4"],
  # Pieces of words; reading bytes needs nothing.
  "text": ["sentencepiece>=0.2.1,<0.3"],
  # SMAX, a benchmark of battles.
  "smax": ["jaxmarl>=0.2,<0.3"],
  # Clips from video files; DIS and Farnebäck, to compare optical flow with.
  "video": ["av>=14,<20", "opencv-python-headless>=4.10.0.84,<6"],
  # The site; its tutorials run on what "test" brings.
  "docs": [
    "furo>=2025.12",
    "myst-nb>=1.4,<2",
    "sphinx>=9,<10",
    "sphinx-copybutton>=0.5.2,<0.6",
  ],
  # A run's numbers at Weights & Biases, beside those in its folder.
  "wandb": ["wandb>=0.31,<1"],
  # Only for tests against the PyTorch port; nothing here needs it to run.
  "parity": ["torch==2.13.0", "transformers>=5.23,<6"],
  "test": [
    "beartype>=0.22,<0.24",
    "chex>=0.1.92,<0.2",
    "flatbuffers>=25.2,<26",
    "google-cloud-storage>=3.4,<4",
    "h5py>=3.11,<4",
    "hypothesis>=6.170,<7",
    "jaxmarl>=0.2,<0.3",
    "mypy>=2.4,<3",
    "opencv-python-headless>=4.10.0.84,<6",
    "pytest>=9,<10",
    "pytest-timeout>=2.4,<3",
    "pytest-xdist>=3.8,<4",
    "ruff>=0.17.5,<0.18",
    "sentencepiece>=0.2.1,<0.3",
    "setuptools>=77",
    "types-tabulate",
    "types-tqdm",
  ],
}

_HERE = pathlib.Path(__file__).parent


def _version() -> str:
  """Returns the version that the library states, without importing it."""
  text = (_HERE / "perceiver" / "__init__.py").read_text(encoding="utf-8")
  return re.findall('^__version__ = "(.+)"', text, re.MULTILINE)[0]


def _description() -> str:
  """Returns the README; links into this folder lead nowhere elsewhere."""
  text = (_HERE / "README.md").read_text(encoding="utf-8")
  return re.sub(r"\[([^]]+)\]\((?!https?://)[^)]*\)", r"\1", text)


setuptools.setup(
  # `perceiver`, the name of the import, is another project on the index.
  name="perceiver-haiku",
  version=_version(),
  description="Perceiver and Perceiver IO in JAX and Haiku",
  long_description=_description(),
  long_description_content_type="text/markdown",
  author="The perceiver authors",
  license_expression="Apache-2.0",
  license_files=["LICENSE"],
  keywords="perceiver, perceiver io, attention, multimodal, jax, haiku",
  classifiers=[
    "Development Status :: 4 - Beta",
    "Intended Audience :: Science/Research",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3 :: Only",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Typing :: Typed",
  ],
  project_urls={
    "Perceiver": "https://arxiv.org/abs/2103.03206",
    "Perceiver IO": "https://arxiv.org/abs/2107.14795",
  },
  packages=setuptools.find_packages(include=["perceiver", "perceiver.*"]),
  package_data={"perceiver": ["py.typed"]},
  entry_points={"console_scripts": ["perceiver = perceiver.__main__:main"]},
  python_requires=">=3.11",
  install_requires=_LIBRARY,
  extras_require=_EXTRAS,
)
