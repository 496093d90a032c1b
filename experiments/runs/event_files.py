"""Numbers for TensorBoard, written at once.

tensorboardX would hand them to a thread, which ends when the clock jumps or
the disk is full; the program then waits for it for ever.
"""

import pathlib
import time

from tensorboardX import event_file_writer
from tensorboardX.proto import event_pb2
from tensorboardX.proto import summary_pb2


class EventFile:
  """One file of events in a folder, to be closed after use."""

  def __init__(self, folder: pathlib.Path, first_step: int) -> None:
    """Makes the file.

    Args:
      folder: where to.
      first_step: what earlier files hold of later steps is not to be shown.

    Raises:
      OSError: if the disk is full.
    """
    self._writer = event_file_writer.EventsWriter(str(folder / "events"))
    started = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._write(first_step + 1, session_log=started)

  def add(self, name: str, value: float, step: int) -> None:
    """Adds a number.

    Raises:
      OSError: if the disk is full.
    """
    number = summary_pb2.Summary.Value(tag=name, simple_value=value)
    self._write(step, summary=summary_pb2.Summary(value=[number]))

  def close(self) -> None:
    """Completes the file."""
    self._writer.close()

  def _write(self, step: int, **content: object) -> None:
    event = event_pb2.Event(step=step, wall_time=time.time(), **content)
    self._writer.write_event(event)
    self._writer.flush()
