"""Which files of a tree are left out of an artifact: `.sourceignore` files, spec.ignore and Flux's default lists. Pure.

The language looks like Git's and differs: excluded directories are still walked, so that `!` brings back what lies below them; a
`**` counts only as a whole segment; the last pattern that matches decides.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

FILE_NAME = ".sourceignore"
ANY_DEPTH = "**"

VCS_PATTERNS = (".git/", ".gitignore", ".gitmodules", ".gitattributes")
EXT_PATTERNS = ("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip")
CI_PATTERNS = (
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
)
EXTRA_PATTERNS = ("**/.goreleaser.yml", "**/.sops.yaml", "**/.flux.yaml")


class Match(StrEnum):
    """What one pattern says of one path."""

    NONE = "no-match"
    EXCLUDE = "exclude"
    INCLUDE = "include"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One line of an ignore file; it holds only below `domain`, the directory of that file."""

    text: str
    domain: tuple[str, ...] = ()
    _segments: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _is_directory_only: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        body = self.text.removeprefix("!")
        if not body.endswith("\\ "):
            body = body.rstrip(" ")
        object.__setattr__(self, "_is_directory_only", body.endswith("/"))
        object.__setattr__(self, "_segments", tuple(body.removesuffix("/").split("/")))

    def match(self, path: Sequence[str], *, is_dir: bool) -> Match:
        """Say what this pattern decides for a path (segments from the root), if anything."""
        depth = len(self.domain)
        if len(path) <= depth or tuple(path[:depth]) != self.domain:
            return Match.NONE
        below = path[depth:]
        matches = self._matches_path if len(self._segments) > 1 else self._matches_a_name
        if not matches(below, is_dir):
            return Match.NONE
        return Match.INCLUDE if self.text.startswith("!") else Match.EXCLUDE

    def _matches_a_name(self, path: Sequence[str], is_dir: bool) -> bool:
        last = len(path) - 1
        for index, name in enumerate(path):
            if _matches(self._segments[0], name):
                # Only of the last name is it in doubt whether it is a directory.
                return is_dir or index < last or not self._is_directory_only
        return False

    def _matches_path(self, path: Sequence[str], is_dir: bool) -> bool:
        at = 0
        matched = may_skip = False
        for index, segment in enumerate(self._segments):
            if segment == ANY_DEPTH and index == len(self._segments) - 1:
                break
            if segment in ("", ANY_DEPTH):
                may_skip = True
                continue
            if ANY_DEPTH in segment or at == len(path):
                return False
            if may_skip:
                may_skip = False
                found = next((i for i in range(at, len(path)) if _matches(segment, path[i])), None)
                matched = found is not None
                at = len(path) if found is None else found + 1
            else:
                if not _matches(segment, path[at]):
                    return False
                matched = True
                at += 1
        if self._is_directory_only and not is_dir and at == len(path):
            return False
        return matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """Patterns in order of evaluation; the last one that matches decides."""

    patterns: tuple[Pattern, ...]

    def ignores(self, path: Sequence[str], *, is_dir: bool = False) -> bool:
        """Tell whether a path is left out."""
        for pattern in reversed(self.patterns):
            found = pattern.match(path, is_dir=is_dir)
            if found is not Match.NONE:
                return found is Match.EXCLUDE
        return False


def read_patterns(text: str, domain: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """Return the patterns of an ignore text, without comments and blank lines."""
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return tuple(
        Pattern(text=line, domain=domain) for line in lines if line.strip() and not line.startswith("#")
    )


def vcs_patterns(domain: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """Return what is always left out."""
    return tuple(Pattern(text=text, domain=domain) for text in VCS_PATTERNS)


def default_patterns(domain: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """Return what is left out only where nobody wrote a pattern."""
    return tuple(Pattern(text=text, domain=domain) for text in (*EXT_PATTERNS, *CI_PATTERNS, *EXTRA_PATTERNS))


def tree_patterns(files: Mapping[str, str], domain: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """Return the patterns of all `.sourceignore` files of a tree (path -> text): a directory's own before those below it,
    directories in the order of their names."""
    found: list[Pattern] = []
    for path in ignore_files(files):
        directory = tuple(path.split("/")[:-1])
        found.extend(read_patterns(files[path], domain + directory))
    return tuple(found)


def ignore_files(paths: Iterable[str]) -> list[str]:
    """Return the paths of ignore files in the order in which they count; those in `.git` do not."""
    found = [path for path in paths if path.rpartition("/")[2] == FILE_NAME]
    outside = [path for path in found if ".git" not in path.split("/")[:-1]]
    return sorted(outside, key=lambda path: path.split("/")[:-1])


def matcher(own: Sequence[Pattern], domain: tuple[str, ...] = ()) -> Matcher:
    """Return the matcher for a tree whose authors wrote these patterns.

    Any pattern of their own takes the place of the default lists; only the version control files stay out.
    """
    if own:
        return Matcher(patterns=(*vcs_patterns(domain), *own))
    return default_matcher((), domain)


def default_matcher(own: Sequence[Pattern], domain: tuple[str, ...] = ()) -> Matcher:
    """Return the matcher that has all default lists before these patterns."""
    return Matcher(patterns=(*vcs_patterns(domain), *default_patterns(domain), *own))


def _matches(glob: str, name: str) -> bool:
    compiled = _compile(glob)
    return compiled is not None and compiled.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _compile(glob: str) -> re.Pattern[str] | None:
    """Translate a glob of one segment (`*`, `?`, `[a-z]`, `[^a]`, `\\x`); None for a malformed one, which matches nothing."""
    pieces: list[str] = [""]
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            pieces.append("")
        elif character == "?":
            pieces[-1] += "."
        elif character == "[":
            translated, at = _translate_class(glob, at)
            if translated is None:
                return None
            pieces[-1] += translated
        else:
            if character == "\\":
                if at == len(glob):
                    return None
                character = glob[at]
                at += 1
            pieces[-1] += re.escape(character)
    if len(pieces) == 1:
        return re.compile(pieces[0], re.DOTALL)
    # Atomic groups take the first place where a piece fits and never come back: without them a line of many stars would
    # take exponential time. Only the last piece must fit at the end.
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    return re.compile(f"{pieces[0]}{middle}.*{pieces[-1]}", re.DOTALL)


def _translate_class(glob: str, at: int) -> tuple[str | None, int]:
    """Translate a character class from behind its bracket; (None, _) when it is malformed."""
    negation = ""
    if glob.startswith("^", at):
        negation, at = "^", at + 1
    ranges: list[str] = []
    while not (ranges and glob.startswith("]", at)):
        low, at = _class_character(glob, at)
        high = low
        if low is not None and glob.startswith("-", at):
            high, at = _class_character(glob, at + 1)
        if low is None or high is None:
            return None, at
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            # A range the wrong way round is well-formed and holds nothing.
            ranges.append("")
    listed = "".join(ranges)
    if not listed:
        return ("." if negation else r"(?!)"), at + 1
    return f"[{negation}{listed}]", at + 1


def _class_character(glob: str, at: int) -> tuple[str | None, int]:
    if at >= len(glob) or glob[at] in "-]":
        return None, at
    if glob[at] == "\\":
        at += 1
    # The class must still be closed behind the character.
    return (glob[at], at + 1) if at + 1 < len(glob) else (None, at)
