"""Official lists of clips, and the files that they name."""

import pytest

from experiments.audio_video.clips import clip_folder
from experiments.data import files
from tests.helpers import foreign

KINETICS = """label,youtube_id,time_start,time_end,split
abseiling,--3ouPhoy2A,20,30,train
"pull ups, one arm",-0xqbTzl2fA,3,13,train
"""
AUDIOSET = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=2, num_segs=2, num_unique_labels=3, num_positive_labels=3
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"
--ZhevVpy1s, 50.500, 60.500, "/m/012xff"
"""
CLASSES = """index,mid,display_name
0,/m/09x0r,"Speech"
1,/t/dd00088,"Gush"
2,/m/012xff,"Toothbrush, electric"
"""


def write(tmp_path, text, name="list.csv"):
  path = tmp_path / name
  path.write_text(text)
  return path


def test_kinetics(tmp_path):
  kind, rows = clip_folder.read_list(write(tmp_path, KINETICS))
  assert kind == "kinetics"
  assert rows == [
    clip_folder.Row("--3ouPhoy2A", 20, 30, ("abseiling",)),
    clip_folder.Row("-0xqbTzl2fA", 3, 13, ("pull ups, one arm",)),
  ]
  classes = clip_folder.classes_of([clip_folder.Listing(kind, rows[::-1])])
  assert classes.names == ("abseiling", "pull ups, one arm")
  assert classes.numbers(rows[1]) == (1,)


@pytest.mark.parametrize(
  ("old", "new"),
  [
    ("label", "\ufefflabel"),
    ("youtube_id,time_start", " YouTube ID , time_start"),
    ("\n", "\r\n"),
    ("\n", "\r"),
    ("abseiling", " abseiling "),
    ("pull ups, one arm", "pull ups,\u2028one\x85 arm"),
  ],
)
def test_spellings_of_lists(tmp_path, old, new):
  path = tmp_path / "list.csv"
  path.write_bytes(KINETICS.replace(old, new).encode())
  kind, rows = clip_folder.read_list(path)
  assert (kind, len(rows)) == ("kinetics", 2)
  assert rows[0] == clip_folder.Row("--3ouPhoy2A", 20, 30, ("abseiling",))
  assert rows[1].labels[0].startswith("pull ups,")
  path.write_bytes(AUDIOSET.replace(old, new).encode())
  kind, rows = clip_folder.read_list(path)
  assert (kind, len(rows), len(rows[0].labels)) == ("audioset", 2, 2)
  path.write_bytes(CLASSES.replace("index", f"{new[:1]}Index").encode())
  if new[0] in "\ufeff ":
    assert clip_folder.read_classes(path).keys[0] == "/m/09x0r"


def test_a_test_split_has_no_labels(tmp_path):
  text = "youtube_id,time_start,time_end,split\nabc,0,10,test\n"
  _, rows = clip_folder.read_list(write(tmp_path, text))
  assert rows == [clip_folder.Row("abc", 0, 10, ())]
  assert clip_folder.Classes(("a",), ("a",)).numbers(rows[0]) == ()


def test_audioset(tmp_path):
  kind, rows = clip_folder.read_list(write(tmp_path, AUDIOSET))
  assert kind == "audioset"
  assert rows == [
    clip_folder.Row("--PJHxphWEs", 30, 40, ("/m/09x0r", "/t/dd00088")),
    clip_folder.Row("--ZhevVpy1s", 50.5, 60.5, ("/m/012xff",)),
  ]
  classes = clip_folder.read_classes(write(tmp_path, CLASSES, "classes.csv"))
  assert classes.names == ("Speech", "Gush", "Toothbrush, electric")
  assert [classes.numbers(row) for row in rows] == [(0, 1), (2,)]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("", "begins with nothing"),
    ("a,b\n1,2\n", "begins with 'a,b'"),
    (KINETICS + "x,abc,5,5,train\n", r"line 4: 'abc' from '5' to '5'"),
    (KINETICS + "x,abc,five,15,train\n", "line 4"),
    (KINETICS + "x\n", "line 4: None"),
    (AUDIOSET + "abc, 1.0, 2.0\n", "line 6: 3 columns"),
    (AUDIOSET + 'abc, 3.0, 2.0, "/m/1"\n', "line 6"),
  ],
)
def test_malformed_lists(tmp_path, text, message):
  with pytest.raises(files.InputError, match=message):
    clip_folder.read_list(write(tmp_path, text))


def test_lists_that_are_not_text(tmp_path):
  (tmp_path / "list.csv").write_bytes(b"\xff\xfe")
  with pytest.raises(files.InputError, match="not text in UTF-8"):
    clip_folder.read_list(tmp_path / "list.csv")


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("index,mid\n0,/m/1\n", "no list of classes"),
    (CLASSES + "4,/m/2,Drum\n", "not numbered from 0 on"),
    (CLASSES + '3,/m/09x0r,"Speech"\n', "not numbered from 0 on"),
    ("index,mid,display_name\n", "not numbered from 0 on"),
  ],
)
def test_malformed_lists_of_classes(tmp_path, text, message):
  with pytest.raises(files.InputError, match=message):
    clip_folder.read_classes(write(tmp_path, text))


def test_unknown_labels_are_named():
  row = clip_folder.Row("abc", 0, 10, ("a", "/m/new"))
  with pytest.raises(files.InputError, match="clip abc has the label '/m/new'"):
    clip_folder.Classes(("a",), ("a",)).numbers(row)


def test_files_are_found_by_any_name(tmp_path):
  names = ("some class/abc_000003_000013.mp4", "def_30000_40000.webm")
  names += ("deep/er/ghi.MKV", "notes.txt")
  for name in names:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
  found = clip_folder.find_files(tmp_path)
  assert len(found) == 3
  of = lambda *row: clip_folder.file_of(clip_folder.Row(*row, ()), found)
  assert of("abc", 3, 13) == tmp_path / names[0]
  assert of("def", 30, 40) == tmp_path / names[1]
  assert of("ghi", 0, 10) == tmp_path / names[2]
  assert of("abc", 4, 14) is None


def test_folders_without_videos(tmp_path):
  with pytest.raises(files.InputError, match="has no clips"):
    clip_folder.find_files(tmp_path)
  with pytest.raises(files.InputError, match="is not a folder"):
    clip_folder.find_files(tmp_path / "none")


def test_foreign_files_are_no_videos(tmp_path):
  (tmp_path / "part").mkdir()
  (tmp_path / "part" / "abc.mp4").touch()
  foreign.add(tmp_path)
  found = clip_folder.find_files(tmp_path)
  assert found == {"abc": tmp_path / "part" / "abc.mp4"}
