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
GLOSSES = b"  1 licence | x\n00001740 03 n 01 entity 0 | that exists \n"


def package(path, contents):
  path.write_bytes(tiny_archives.deb(contents))
  return tiny_archives.package(path.read_bytes())


def test_texts_are_a_corpus(tmp_path, monkeypatch, capsys):
  archives = [tmp_path / "linux-doc-6.1.deb", tmp_path / "wordnet-base.deb"]
  folder = tmp_path / "texts"
  commands = [["texts", str(path), str(folder)] for path in archives]
  glosses = {"usr/share/wordnet/data.noun": GLOSSES}
  linux_doc = package(archives[0], DOCUMENTS)
  wordnet = package(archives[1], glosses)
  assert prepare.main(commands[0]) == 1
  assert "that of linux-doc-6.1 6.1." in capsys.readouterr().err
  monkeypatch.setattr(package_texts, "LINUX_DOC", linux_doc)
  monkeypatch.setattr(package_texts, "WORDNET", wordnet)
  assert [prepare.main(words) for words in commands] == [0, 0]
  assert "masked-language --recipe small" in capsys.readouterr().out
  found = text_files.read_all(folder)
  assert sorted(bytes(x) for x in found) == [
    b"How it works.",
    b"Why it does.",
    b"that exists",
  ]


def test_other_packages_are_refused(tmp_path, capsys):
  words = ["texts", str(tmp_path / "other.deb"), str(tmp_path / "texts")]
  assert prepare.main(words) == 1
  assert "`apt-get download wordnet-base`" in capsys.readouterr().err
