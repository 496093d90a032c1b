"""The base class of all errors that a person caused and can mend."""


class PerceiverError(Exception):
  """An error whose message is for the person who caused it."""
