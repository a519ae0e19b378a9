"""What a build says when it cannot give a result.

Pure. A `BuildFailed` is a fact about the inputs: the same inputs fail again. What the machine did wrong (a renderer that
cannot be started) is `agent.kit.errors.Transient`.
"""


class BuildFailed(Exception):
    """The inputs do not build; the text is for people, worded as Flux words it, and free of secret values."""


class LimitExceeded(BuildFailed):
    """The inputs need more time, memory or output than a build may use."""
