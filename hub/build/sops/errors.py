"""What decrypting says when it cannot give a result. Pure."""


class SopsFailed(Exception):
    """An encrypted document cannot be read or opened; the text is for people and free of values, encrypted or not."""


class KeyRefused(SopsFailed):
    """One of the keys that a document is encrypted for does not open it."""
