"""Everything that `wire` raises: one family, so that a caller at the boundary can catch it as a whole."""


class WireError(ValueError):
    """A topic, a payload or a session rule of Sparkplug was broken; sending the same again will not help."""


class MalformedTopic(WireError):
    """A topic or a name in it is not one of the standard's."""


class MalformedPayload(WireError):
    """The bytes are not a Sparkplug B payload, or a metric in them cannot be read."""


class WrongType(WireError):
    """A value does not fit the data type that its metric has."""


class UnknownMetric(WireError):
    """A metric is not in the current birth."""


class SequenceError(WireError):
    """A message is not allowed now: data before its birth, a death of what is not alive."""


class BadCommand(WireError):
    """An NCMD or DCMD cannot be carried out as it stands; nothing of it may be."""


class MalformedSeal(WireError):
    """Not a signed document of the kind that is wanted, or damaged on the way."""


class FutureSeal(MalformedSeal):
    """A signed document in a format that this version does not know yet: update the program that reads it."""


class ForgedSeal(WireError):
    """A signed document whose signature is wrong: nothing in it may be believed."""


class UnknownKey(ForgedSeal):
    """A signed document by a key that is not among those trusted here; perhaps the key was changed."""
