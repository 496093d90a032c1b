"""Texts from the archives of packages."""

import gzip

from experiments import prepare
from experiments.data import text_files
from experiments.language.text import package_texts
from tests.helpers import tiny_archives

ROOT = "usr/share/doc/linux-doc-6.1/Documentation"
DOCUMENTS = {
  f"{ROOT}/a.rst.gz": gzip.compress(b"How it works."),
  f"{ROOT}/b/c.txt.gz": gzip.compress(b"Why it does."),
  f"{ROOT}/d.html": b"<p>no</p>",
}
GLOSSES = (
  b"  1 licence | x\n"
  b"00001740 03 n 01 entity 0 000 | that exists  \n"
  b"00002098 00 a 02 all_over(p) 0 done 1 001 ! 00001740 a 0101 | is it done\n"
)
ENTRIES = [
  b"00-database-short\n   About it\n\n",
  b'Musty \\Mus"ty\\, a.\n   Having a rank\n   odor. See {Moldy}.\n   [1913\n'
  b"   Webster]\n\n   Syn: stale.\n\n",
  b"X \\X\\,\n   [PJC]\n\n",
]


def package(path, contents):
  path.write_bytes(tiny_archives.deb(contents))
  return tiny_archives.package(path.read_bytes())


def dictionary():
  """Returns the files of a dictionary, with two words for its second entry."""
  # In base 64: 0 is A, 31 f, 96 Bg, 127 B/ and 17 R.
  index = b"00-database-short\tA\tf\nmusty\tf\tBg\nMusty\tf\tBg\nX\tB/\tR\n"
  folder = "usr/share/dictd"
  return {
    f"{folder}/gcide.index": index,
    f"{folder}/gcide.dict.dz": gzip.compress(b"".join(ENTRIES)),
  }


def test_texts_are_a_corpus(tmp_path, monkeypatch, capsys):
  contents = {
    "LINUX_DOC": ("linux-doc-6.1", DOCUMENTS),
    "WORDNET": ("wordnet-base", {"usr/share/wordnet/data.noun": GLOSSES}),
    "GCIDE": ("dict-gcide", dictionary()),
  }
  folder = tmp_path / "texts"
  commands = []
  for constant, (name, members) in contents.items():
    path = tmp_path / f"{name}.deb"
    commands.append(["texts", str(path), str(folder)])
    made = package(path, members)
    assert prepare.main(commands[-1]) == 1
    assert f"that of {name} " in capsys.readouterr().err
    monkeypatch.setattr(package_texts, constant, made)
  assert [prepare.main(words) for words in commands] == [0, 0, 0]
  assert "masked-language --recipe small" in capsys.readouterr().out
  found = text_files.read_all(folder)
  assert sorted(bytes(x) for x in found) == [
    b"How it works.",
    b"Musty a. Having a rank odor. See Moldy.\nSyn: stale.\nX",
    b"Why it does.",
    b"entity: that exists\nall over, done: is it done",
  ]


def test_other_packages_are_refused(tmp_path, capsys):
  words = ["texts", str(tmp_path / "other.deb"), str(tmp_path / "texts")]
  assert prepare.main(words) == 1
  assert "`apt-get download wordnet-base`" in capsys.readouterr().err
