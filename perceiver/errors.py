"""The base class of all errors that a person caused and can mend."""


class PerceiverError(Exception):
  """An error whose message is for the person who caused it."""


class WriteError(PerceiverError, OSError):
  """A file or a folder cannot be written."""


class BatchError(PerceiverError, ValueError):
  """A batch has a size that a model cannot be trained with."""


def reason(error: OSError) -> str:
  """Returns the operating system's reason against an operation."""
  if isinstance(error, FileExistsError) and error.filename:
    return f"{error.filename} is a file"
  return error.strerror or str(error)
