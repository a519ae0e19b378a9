"""The patterns of `${NAME#pattern}` and `${NAME%pattern}`.

Pure. `*` matches any characters, `/` too; `?` one; `[a-z]` and `[^a-z]` one of a class; a backslash takes the next
character literally. A pattern that cannot be read matches nothing. A match never is empty.

Between two stars a pattern has a fixed length, so the leftmost place of each such part is the right one: the work is
the length of the text times that of the pattern, whatever they hold, and even that is bounded.
"""

import re
from typing import Final

MAX_WORK: Final = 5_000_000


class PatternTooCostly(Exception):
    """Text and pattern are too long for each other."""


class Pattern:
    """A pattern, read once."""

    __slots__ = ("chunks", "size", "starts_with_star")

    def __init__(self, pattern: str) -> None:
        self.size = len(pattern)
        self.starts_with_star = pattern.startswith("*")
        self.chunks = _chunks(pattern)

    def prefix_length(self, text: str, *, longest: bool) -> int:
        """Return how long the longest or shortest matching beginning of the text is, 0 when none matches."""
        if not self.chunks or not text:
            return 0
        if len(text) * self.size > MAX_WORK:
            raise PatternTooCostly(f"a pattern of {self.size} characters is too long for this text")
        at = 0
        *first, last = self.chunks
        for index, chunk in enumerate(first):
            free = index > 0 or self.starts_with_star
            found = chunk.search(text, at) if free else chunk.match(text, at)
            if found is None:
                return 0
            at = found.end()
        if last.pattern == "":
            return len(text) if longest else max(at, 1)
        if not first and not self.starts_with_star:
            found = last.match(text)
        else:
            found = _rightmost(last, text, at) if longest else last.search(text, at)
        return found.end() if found else 0


def _rightmost(chunk: re.Pattern[str], text: str, at: int) -> re.Match[str] | None:
    for start in range(len(text) - chunk.groups, at - 1, -1):
        if found := chunk.match(text, start):
            return found
    return None


def _chunks(pattern: str) -> list[re.Pattern[str]]:
    """Split a pattern at its stars into expressions of fixed length; none when it is empty or cannot be read.

    Each character of an expression is a group, so that `groups` is its length.
    """
    chunks: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if chunks[-1] or len(chunks) == 1:
                chunks.append([])
            continue
        if char == "[":
            read = _read_class(pattern, at)
            if read is None:
                return []
            atom, at = read
        elif char == "\\":
            if at == len(pattern):
                return []
            atom = re.escape(pattern[at])
            at += 1
        else:
            atom = "." if char == "?" else re.escape(char)
        chunks[-1].append(atom)
    if len(chunks) > 1 and not chunks[0]:
        del chunks[0]
    return [re.compile("".join(f"({atom})" for atom in chunk), re.S) for chunk in chunks] if pattern else []


def _read_class(pattern: str, at: int) -> tuple[str, int] | None:
    negated = pattern.startswith("^", at)
    at += negated
    parts: list[str] = []
    while not (parts and pattern.startswith("]", at)):
        low = _read_member(pattern, at)
        if low is None:
            return None
        first, at = low
        final = first
        if pattern[at] == "-":
            high = _read_member(pattern, at + 1)
            if high is None:
                return None
            final, at = high
        # A range that runs backwards is legal and empty.
        parts.append(f"{re.escape(first)}-{re.escape(final)}" if first <= final else "")
    members = "".join(parts)
    if not members:
        return (".", at + 1) if negated else ("(?!)", at + 1)
    return f"[{'^' if negated else ''}{members}]", at + 1


def _read_member(pattern: str, at: int) -> tuple[str, int] | None:
    """Read one character of a class; something has to follow it."""
    if pattern[at : at + 1] in ("", "-", "]"):
        return None
    if pattern[at] == "\\":
        at += 1
    return (pattern[at], at + 1) if at + 1 < len(pattern) else None
