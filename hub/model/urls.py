"""What of a URL may be shown. Pure."""

import re

_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]+@")


def without_userinfo(text: str) -> str:
    """Return the text with `user:password@` taken out of every URL in it."""
    return _USERINFO.sub("", text)
