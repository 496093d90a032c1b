"""A server that speaks the part of Google Cloud Storage's protocol that we use.

The JSON API of google-cloud-storage: objects are listed in pages, read, written
in one request or in a session, and removed; each has a generation, which a
request may make a condition. Of the servers that can be installed, one ignores
conditions, and the other does so but for small objects.
"""

import base64
import collections
from collections.abc import Iterator
import contextlib
import datetime
import http.server
import json
import pathlib
import re
import threading
from typing import Any, NamedTuple
import urllib.parse

import google_crc32c
import pytest

from experiments.data import bucket_copies

_PAGE = 7  # objects, so that there are pages
_API = re.compile(r"/(?:(?:upload|download)/)?storage/v1/b/([^/]+)/o/?([^/]*)")


class Object(NamedTuple):
  content: bytes
  generation: int
  time: str


class Storage:
  """The content of the server.

  Attributes:
    objects: {bucket: {name: object}}.
    writes: names that were written or removed, with a minus then, in order.
    refusals: {(bucket, method): HTTP status} of requests that are refused.
    before_write: called with a bucket and a name; returns a status, or None.
  """

  def __init__(self) -> None:
    self.objects = collections.defaultdict[str, dict[str, Object]](dict)
    self.writes: list[str] = []
    self.refusals: dict[tuple[str, str], int] = {}
    self.before_write: Any = lambda bucket, name: None
    self.lock, self.url = threading.RLock(), ""
    self._generation = 1_700_000_000_000_000

  def put(self, bucket: str, name: str, content: bytes) -> Object:
    with self.lock:
      self._generation += 1
      now = datetime.datetime.now(datetime.UTC).isoformat()
      found = Object(content, self._generation, now.replace("+00:00", "Z"))
      self.objects[bucket][name] = found
      return found

  def put_folder(self, folder: pathlib.Path, bucket: str, prefix: str) -> None:
    for path in folder.rglob("*"):
      if path.is_file():
        name = f"{prefix}/{path.relative_to(folder).as_posix()}"
        self.put(bucket, name, path.read_bytes())

  def names(self, bucket: str, prefix: str) -> list[str]:
    """Returns the names of objects in a folder, relative to it, sorted."""
    found = self.objects[bucket]
    return sorted(
      name.removeprefix(f"{prefix}/")
      for name in found
      if name.startswith(f"{prefix}/")
    )

  def read(self, bucket: str, name: str) -> bytes:
    return self.objects[bucket][name].content


class _Handler(http.server.BaseHTTPRequestHandler):
  protocol_version = "HTTP/1.1"
  storage: Storage
  sessions: dict[str, tuple[str, str, str | None]]

  def log_message(self, *args: Any) -> None:
    pass

  def _answer(self, status: int, content: Any = b"", **headers: str) -> None:
    if not isinstance(content, bytes):
      content = json.dumps(content).encode()
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name.replace("_", "-"), value)
    self.send_header("Content-Length", str(len(content)))
    self.end_headers()
    self.wfile.write(content)

  def _fail(self, status: int) -> None:
    error = {"code": status, "message": "Some reason.", "errors": []}
    error["errors"] = [{"message": "Some reason.", "reason": "some"}]
    self._answer(status, {"error": error})

  def _request(self) -> tuple[str, str, dict[str, str], bytes] | None:
    """Returns bucket, name, query and body; answers what cannot be answered."""
    url = urllib.parse.urlsplit(self.path)
    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
    query = dict(urllib.parse.parse_qsl(url.query))
    if (found := _API.fullmatch(url.path)) is None:
      self._fail(404)  # The client likes to look at whole buckets, too.
      return None
    bucket, name = found[1], urllib.parse.unquote(found[2])
    if status := self.storage.refusals.get((bucket, self.command)):
      self._fail(status)
    elif bucket not in self.storage.objects:
      self._fail(404)
    else:
      return bucket, name, query, body
    return None

  def _is_expected(self, bucket: str, name: str, wanted: str | None) -> bool:
    there = self.storage.objects[bucket].get(name)
    return wanted is None or int(wanted) == (there.generation if there else 0)

  def _resource(self, bucket: str, name: str, found: Object) -> dict[str, Any]:
    checksum = google_crc32c.Checksum(found.content).digest()
    return {
      "kind": "storage#object",
      "bucket": bucket,
      "name": name,
      "generation": str(found.generation),
      "size": str(len(found.content)),
      "crc32c": base64.b64encode(checksum).decode(),
      "updated": found.time,
    }

  def do_GET(self) -> None:
    if (request := self._request()) is None:
      return
    bucket, name, query, _ = request
    with self.storage.lock:
      objects = dict(self.storage.objects[bucket])
    if not name:
      names = sorted(n for n in objects if n.startswith(query["prefix"]))
      first = int(query.get("pageToken", 0))
      items = [
        self._resource(bucket, n, objects[n])
        for n in names[first : first + _PAGE]
      ]
      more = {"nextPageToken": str(first + _PAGE)}
      self._answer(
        200, {"items": items, **(more if first + _PAGE < len(names) else {})}
      )
      return
    found = objects.get(name)
    wanted = query.get("generation")
    if found is None or wanted not in (None, str(found.generation)):
      self._fail(404)
    elif query.get("alt") != "media":
      self._answer(200, self._resource(bucket, name, found))
    else:
      resource = self._resource(bucket, name, found)
      checksum = f"crc32c={resource['crc32c']}"
      self._answer(200, found.content, X_Goog_Hash=checksum)

  def do_POST(self) -> None:
    if (request := self._request()) is None:
      return
    bucket, _, query, body = request
    wanted = query.get("ifGenerationMatch")
    if query["uploadType"] == "resumable":
      name = json.loads(body)["name"]
      session = str(len(self.sessions))
      self.sessions[session] = bucket, name, wanted
      place = f"{self.storage.url}{self.path}&upload_id={session}"
      self._answer(200, Location=place)
      return
    boundary = self.headers["Content-Type"].partition("boundary=")[2].strip('"')
    _, about, content, _ = body.split(f"--{boundary}".encode(), 3)
    name = json.loads(about.partition(b"\r\n\r\n")[2])["name"]
    content = content.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
    self._write(bucket, name, content, wanted)

  def do_PUT(self) -> None:
    if (request := self._request()) is None:
      return
    _, _, query, body = request
    bucket, name, wanted = self.sessions[query["upload_id"]]
    self._write(bucket, name, body, wanted)

  def _write(
    self, bucket: str, name: str, content: bytes, wanted: str | None
  ) -> None:
    if status := self.storage.before_write(bucket, name):
      self._fail(status)
      return
    with self.storage.lock:
      is_expected = self._is_expected(bucket, name, wanted)
      if is_expected:
        found = self.storage.put(bucket, name, content)
        self.storage.writes.append(name)
    if is_expected:
      self._answer(200, self._resource(bucket, name, found))
    else:
      self._fail(412)

  def do_DELETE(self) -> None:
    if (request := self._request()) is None:
      return
    bucket, name, query, _ = request
    if status := self.storage.before_write(bucket, f"-{name}"):
      self._fail(status)
      return
    with self.storage.lock:
      objects = self.storage.objects[bucket]
      if name not in objects:
        status = 404
      elif not self._is_expected(bucket, name, query.get("ifGenerationMatch")):
        status = 412
      else:
        del objects[name]
        self.storage.writes.append(f"-{name}")
        status = 204
    if status == 204:
      self._answer(204)
    else:
      self._fail(status)


@contextlib.contextmanager
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
  """Yields the server's content; this process and its children use it."""
  storage = Storage()
  attributes = {"storage": storage, "sessions": {}}
  handler = type("Handler", (_Handler,), attributes)
  server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
  # Clients may be killed.
  monkeypatch.setattr(server, "handle_error", lambda *request: None)
  storage.url = f"http://localhost:{server.server_address[1]}"
  monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
  thread = threading.Thread(
    target=server.serve_forever, args=(0.01,), daemon=True
  )
  thread.start()
  try:
    yield storage
  finally:
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def storage(monkeypatch, tmp_path) -> Iterator[Storage]:
  """The server, with an empty bucket "b", and an empty cache of copies."""
  bucket_copies.forget()
  monkeypatch.setenv("PERCEIVER_CACHE", str(tmp_path / "cache"))
  with running(monkeypatch) as found:
    found.objects["b"].clear()
    yield found
