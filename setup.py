"""Installation of the library and its experiments."""

import pathlib

import setuptools

# Lower bounds are what the tests run with, on Python 3.11, for which jax 0.10.2
# is the last; upper bounds end before what nobody tried. dm-haiku without its
# [jax] extra, which asks for a newer jax than Python 3.11 has.
_CORE = [
  "array-record>=0.8.1",
  "chex>=0.1.92,<0.2",
  "dm-haiku>=0.0.17,<0.1",
  "grain>=0.2.18,<0.3",
  "importlib_resources>=6",  # tensorflow-datasets needs it and does not say so
  "jax>=0.10.2,<0.13",
  "jaxlib>=0.10.2,<0.13",
  "jaxtyping>=0.3.3,<0.4",
  "matplotlib>=3.8,<4",
  "numpy>=1.26",
  "optax>=0.2.8,<0.3",
  "orbax-checkpoint>=0.12.8,<0.13",
  "pillow>=11",
  "pypng>=0.20220715",
  "safetensors>=0.5,<1",
  "scikit-learn>=1.4,<2",
  "scipy>=1.12,<2",
  "tabulate>=0.9,<0.11",
  "tensorboardX>=2.6,<3",
  "tensorflow-datasets>=4.9.10,<5",
  "tqdm>=4.66,<5",
  "tyro>=1.0,<2",
]

_EXTRAS = {
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
  # Pieces of words; reading bytes needs nothing.
  "text": ["sentencepiece>=0.2.1,<0.3"],
  # Clips from video files; DIS and Farnebäck, to compare optical flow with.
  "video": ["av>=14,<20", "opencv-python-headless>=4.10,<6"],
  # The site; its tutorials run on what "test" brings.
  "docs": [
    "furo>=2025.12",
    "myst-nb>=1.4,<2",
    "sphinx>=9,<10",
    "sphinx-copybutton>=0.5.2,<0.6",
  ],
  # Only for tests against the PyTorch port; nothing here needs it to run.
  "parity": ["torch==2.13.0", "transformers>=5.23,<6"],
  "test": [
    "beartype>=0.22,<0.24",
    "h5py>=3.11,<4",
    "hypothesis>=6.170,<7",
    "mypy>=2.4,<3",
    "opencv-python-headless>=4.10,<6",
    "pytest>=9,<10",
    "pytest-timeout>=2.4,<3",
    "ruff>=0.17.5,<0.18",
    "sentencepiece>=0.2.1,<0.3",
    "types-tabulate",
    "types-tqdm",
  ],
}

setuptools.setup(
  name="perceiver",
  version="0.2.0.dev0",
  description="Perceiver and Perceiver IO in JAX and Haiku",
  long_description=pathlib.Path("README.md").read_text(encoding="utf-8"),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  packages=setuptools.find_packages(
    include=["perceiver", "perceiver.*", "experiments", "experiments.*"]
  ),
  package_data={
    "experiments": ["hardware/findings.json"],
    "perceiver": ["py.typed"],
  },
  python_requires=">=3.11",
  install_requires=_CORE,
  extras_require=_EXTRAS,
)
