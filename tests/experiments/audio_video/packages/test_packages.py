"""Real clips, from packages' archives to data sets and baselines."""

import io
import types

import numpy as np
from PIL import Image
import pytest
from scipy.io import wavfile

from experiments import evaluate
from experiments import prepare
from experiments import train
from experiments.audio_video.clips import prepared
from experiments.audio_video.packages import drums
from experiments.audio_video.packages import pinned
from experiments.audio_video.packages import stamps
from tests.helpers import commands
from tests.helpers import tiny_archives
from tests.helpers import tiny_clips

pytest.importorskip("av", reason='needs the extra "video"')

RATE = 8000


def tone(pitch, seconds=0.1):
  time = np.arange(round(seconds * RATE)) / RATE
  return 0.5 * np.sin(2 * np.pi * pitch * time)


def wav(pitch=500):
  buffer = io.BytesIO()
  wavfile.write(buffer, RATE, np.rint(32767 * tone(pitch)).astype(np.int16))
  return buffer.getvalue()


def audio(folder, pitch=500, suffix=".ogg"):
  path = folder / f"x{suffix}"
  tiny_clips.write_audio(path, tone(pitch), RATE)
  return path.read_bytes()


def png(shape=(6, 4), alpha=0):
  buffer = io.BytesIO()
  picture = Image.new("RGBA", shape, (200, 0, 0, alpha))
  picture.putpixel((0, 0), (0, 0, 200, 255))
  picture.save(buffer, "PNG")
  return buffer.getvalue()


@pytest.fixture
def prepared_set(tmp_path, monkeypatch, capsys):
  """Returns a function that prepares a tiny archive, and opens the splits."""

  def open_splits(name, contents, *options):
    content = tiny_archives.deb(contents)
    package = tiny_archives.package(content)
    monkeypatch.setitem(pinned.PACKAGES, name, package)
    archive, folder = tmp_path / "a.deb", tmp_path / f"out{len(options)}"
    archive.write_bytes(content)
    arguments = (name, archive, folder, *options)
    out = commands.command(capsys, prepare.main, *arguments)
    assert f"audioset --recipe {name} --data.source {folder}" in out
    return [
      {clip.name.rpartition(" ")[0]: clip for clip in source}
      for source in (
        list(map(split.__getitem__, range(len(split))))
        for split in (
          prepared.open_split(folder, part) for part in ("train", "validation")
        )
      )
    ]

  return open_splits


def kit(**files):
  rows = "".join(
    f"<instrument><name>{name.replace('_', ' ')}</name>"
    f"<layer><filename>{file}</filename></layer></instrument>"
    for name, file in files.items()
  )
  text = f'<drumkit xmlns="http://x"><instrumentList>{rows}'
  return f"{text}</instrumentList></drumkit>".encode()


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ('Kick (Snare 22")', "kick"),
    ("BassDrum", "kick"),
    ("Kick Stomp", "kick"),
    ("Side OHH", "hi-hat"),
    ("f#3 - hi-hat closed", "hi-hat"),
    ("VariBreaks Hat 1 Cl", "hi-hat"),
    ("ride-crash20inch", None),
    ("tomhi2", "tom"),
    ("Whistle", None),
  ],
)
def test_kinds_of_drums_by_their_names(name, expected):
  assert drums.kind_of(name) == expected


def drum_kits(folder):
  root = "usr/share/hydrogen/data/drumkits"
  millo = f"{root}/Millo-Drums_v.1"
  return {
    f"{root}/Any/drumkit.xml": kit(Kick="a.wav", Snare="b.wav", Tom="c.wav"),
    **{f"{root}/Any/{name}.wav": wav(p) for name, p in (("a", 90), ("b", 900))},
    f"{millo}/drumkit.xml": kit(
      Kick_1="a.wav", Whistle="b.wav", Ride="c.wav", Crash="c.wav"
    ),
    **{f"{millo}/{name}.wav": wav(100) for name in "abc"},
    f"{root}/Audiophob/drumkit.xml": kit(Kick="a.flac", Snare="b.aiff"),
    f"{root}/Audiophob/a.flac": audio(folder, 95, ".flac"),
    f"{root}/Audiophob/b.aiff": audio(folder, 950, ".aiff"),
  }


def test_drums_are_split_by_kit(prepared_set, tmp_path):
  train_set, test_set = prepared_set("drums", drum_kits(tmp_path))
  names = drums.CLIPS.class_names
  kinds = {name: names[clip.labels[0]] for name, clip in train_set.items()}
  assert kinds == {
    "Any/a.wav": "kick",
    "Any/b.wav": "snare",
    "Millo-Drums_v.1/a.wav": "kick",
  }
  assert sorted(test_set) == ["Audiophob/a.flac", "Audiophob/b.aiff"]
  assert not any(clip.has_video for clip in train_set.values())
  contents = drum_kits(tmp_path)
  fitting, held_out = prepared_set("drums", contents, "--hold-out")
  assert sorted(fitting) == ["Any/a.wav", "Any/b.wav"]
  assert sorted(held_out) == ["Millo-Drums_v.1/a.wav"]


def test_letters_are_split_by_language(prepared_set, tmp_path, monkeypatch):
  monkeypatch.setattr("experiments.audio_video.packages.letters._FEWEST", 2)
  contents = {}
  for language in ("aa", "bb", "cc", "dd", "ee"):
    root = f"usr/share/klettres/{language}"
    sounds = f'<sound name="A" file="{language}/alpha/0.ogg"/>'
    if language != "ee":  # which keeps one letter, too few
      sounds += f'<sound name="b" file="{language}/alpha/1.ogg"/>'
    sounds += '<sound name="Ä" file="aa/alpha/0.ogg"/>'
    sounds += '<sound name="C" file="aa/alpha/0.ogg"/>' * (language != "aa")
    text = f"<klettres><alphabet>{sounds}</alphabet></klettres>"
    contents[f"{root}/sounds.xml"] = text.encode()
    contents |= {f"{root}/alpha/{i}.ogg": audio(tmp_path) for i in (0, 1)}
  train_set, test_set = prepared_set("letters", contents)
  assert sorted(train_set) == [f"{x}{x}/{y}" for x in "abc" for y in "AB"]
  assert {name: x.labels for name, x in test_set.items()} == {
    "dd/A": (0,),
    "dd/B": (1,),
  }


def test_stamps_are_split_by_picture(prepared_set, tmp_path, monkeypatch):
  few = stamps.CLIPS._replace(class_names=("animals", "food"))
  monkeypatch.setattr(stamps, "CLIPS", few)
  # Groups of siblings are on the side of their word.
  sides = {"apple": 4, "frog": 0, "pear": 3}
  side = lambda word: sides[word.decode()]
  monkeypatch.setattr(stamps, "zlib", types.SimpleNamespace(crc32=side))
  root, spoken = "usr/share/tuxpaint/stamps", audio(tmp_path)
  contents = {
    f"{root}/animals/frog.png": png(),
    f"{root}/animals/frog_desc.ogg": spoken,
    f"{root}/animals/frog_desc_es.ogg": audio(tmp_path, 600),
    f"{root}/animals/frog_croaks.ogg": audio(tmp_path, 700),
    # Another word, and a recording of the frog's.
    f"{root}/animals/toad-1.png": png(),
    f"{root}/animals/toad-1_desc.ogg": spoken,
    f"{root}/food/apple.png": png(alpha=255),
    f"{root}/food/apple_desc.ogg": audio(tmp_path, 800),
    f"{root}/food/apple-2.png": png(),
    f"{root}/food/apple-2_desc_pt_BR.wav": wav(850),
    f"{root}/food/pear.png": png(),
    f"{root}/food/pear_desc.ogg": audio(tmp_path, 900),
    f"{root}/food/drawn_desc.ogg": audio(tmp_path, 950),  # without a picture
    f"{root}/other/pear.png": png(),
    f"{root}/other/pear_desc.ogg": audio(tmp_path, 990),
  }
  train_set, test_set = prepared_set("stamps", contents)
  animals = {"animals/frog_desc", "animals/frog_desc_es", "animals/toad-1_desc"}
  assert {f"{x}.ogg" for x in animals | {"food/pear_desc"}} == set(train_set)
  assert set(test_set) == {"food/apple_desc.ogg", "food/apple-2_desc_pt_BR.wav"}
  clip = test_set["food/apple_desc.ogg"]
  assert (clip.labels, clip.has_video, clip.has_audio) == ((1,), True, True)
  (frame,) = clip.frames[:]
  assert frame.shape == (48, 48, 3)
  assert frame[2, 24].min() > 240  # white above a wide picture
  assert abs(int(frame[24, 24, 0]) - 200) < 10
  fitting, held_out = prepared_set("stamps", contents, "--hold-out")
  assert {f"{name}.ogg" for name in animals} == set(fitting)
  assert set(held_out) == {"food/pear_desc.ogg"}


def test_baselines_of_clips(prepared_set, tmp_path, capsys):
  contents = drum_kits(tmp_path)
  root = "usr/share/hydrogen/data/drumkits"
  for name in ("Any", "Audiophob"):
    pitches = {f"{i}.wav": (90, 1500)[i % 2] * (1 + i / 50) for i in range(12)}
    listed = {f"{('Kick', 'Snare')[i % 2]}_{i}": f"{i}.wav" for i in range(12)}
    contents[f"{root}/{name}/drumkit.xml"] = kit(**listed)
    contents |= {f"{root}/{name}/{f}": wav(p) for f, p in pitches.items()}
  prepared_set("drums", contents)
  out = commands.command(
    capsys, evaluate.main, "clip-baselines", tmp_path / "out0"
  )
  rows = [x for x in out.splitlines() if "audio" in x]
  assert len(rows) == 2
  assert all("100.0" in row for row in rows)


@pytest.mark.parametrize("name", ["drums", "letters", "stamps"])
def test_recipes_name_the_archive_and_the_commands(name, capsys, tmp_path):
  arguments = ("audioset", "--recipe", name, "--workdir", tmp_path / "run")
  message = commands.command(capsys, train.main, *arguments, code=1)
  package = pinned.PACKAGES[name]
  assert f"`{package.download}`" in message
  assert f"`python -m experiments.prepare {name} ARCHIVE DIR`" in message
  assert f"train audioset --recipe {name} --data.source DIR`" in message
  (tmp_path / "a.deb").write_bytes(b"another")
  arguments = (name, tmp_path / "a.deb", tmp_path / "out")
  message = commands.command(capsys, prepare.main, *arguments, code=1)
  assert package.sha256 in message
