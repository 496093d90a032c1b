"""Packages of real clips: their versions, and the way to a training run."""

from experiments.data import archives

# By the names of the commands that prepare them, and of the recipes.
PACKAGES = {
  "drums": archives.Package(
    name="hydrogen-drumkits",
    version="2017.09.19~dfsg-1",
    registry="Debian",
    download="apt-get download hydrogen-drumkits",
    sha256="6ea3c6df9a67762e2362f946c695e619859126b19fbccf32a2e8f07dfd03b2f4",
    licence="GPL-2+, CC-BY-3.0, CC-BY-SA-3.0 and CC0, by kit",
  ),
  "letters": archives.Package(
    name="klettres-data",
    version="4:22.12.3-1",
    registry="Debian",
    download="apt-get download klettres-data",
    sha256="1186d257a19e84230856baea0b0b1ded8be9195080fcdb2588970b5cd937f5a8",
    licence="GPL-2+",
  ),
  "stamps": archives.Package(
    name="tuxpaint-stamps-default",
    version="2022.06.04-1",
    registry="Debian",
    download="apt-get download tuxpaint-stamps-default",
    sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    licence="GPL-2+",
  ),
}


def advice(name: str) -> str:
  """Returns a sentence on the commands that lead to a run of a recipe."""
  return PACKAGES[name].advice(
    f"{name} ARCHIVE DIR", f"audioset --recipe {name} --data.source DIR"
  )
