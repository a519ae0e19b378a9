"""Versions and version constraints as the Go library Masterminds/semver (3.5) reads them, which is what people write for Flux.

Pure. The rules that differ from semver.org: missing parts of a version are 0, leading zeros and a leading `v` are allowed, and a
pre-release satisfies a constraint only where a comparison of the same group names one.
"""

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

MAX_NUMBER = 2**64 - 1

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
)
_PART = r"[0-9xX*]+"
_OPERAND = re.compile(
    rf"v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_SPACE = re.compile(r"[\t\n\f\r ]*")
_HYPHEN = re.compile(r"[\t\n\f\r ]+-[\t\n\f\r ]+")
_WILDCARDS = frozenset({"x", "X", "*", ""})


class InvalidVersion(ValueError):
    """A text is not a version."""


class InvalidConstraint(ValueError):
    """A text is not a version constraint."""


@functools.total_ordering
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Version:
    """A version. Order and equality are those of precedence: build metadata does not count."""

    major: int
    minor: int = 0
    patch: int = 0
    prerelease: str = ""
    metadata: str = ""
    original: str = ""

    @property
    def _precedence(self) -> tuple[int, int, int, tuple[tuple[int, int, str], ...]]:
        return (self.major, self.minor, self.patch, _prerelease_order(self.prerelease))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._precedence == other._precedence

    def __lt__(self, other: "Version") -> bool:
        return self._precedence < other._precedence

    def __hash__(self) -> int:
        return hash(self._precedence)

    def __str__(self) -> str:
        return self.original


class Operator(StrEnum):
    """What a comparison demands; two spellings of one meaning are one operator."""

    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    LESS = "<"
    GREATER_OR_EQUAL = ">="
    LESS_OR_EQUAL = "<="
    TILDE = "~"
    CARET = "^"


# Longest first: a scanner that took `>` before `>=` would leave a stray `=`.
_SPELLINGS: tuple[tuple[str, Operator], ...] = (
    ("!=", Operator.NOT_EQUAL),
    (">=", Operator.GREATER_OR_EQUAL),
    ("=>", Operator.GREATER_OR_EQUAL),
    ("<=", Operator.LESS_OR_EQUAL),
    ("=<", Operator.LESS_OR_EQUAL),
    ("~>", Operator.TILDE),
    ("=", Operator.EQUAL),
    (">", Operator.GREATER),
    ("<", Operator.LESS),
    ("~", Operator.TILDE),
    ("^", Operator.CARET),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One operator with its operand. A part is *open* when it was left out or a wildcard; a later part is then open too.

    `open_minor` and `open_patch` say which part is the first open one; `*` alone sets neither and only `is_open`.
    """

    operator: Operator
    operand: Version
    is_open: bool = False
    open_minor: bool = False
    open_patch: bool = False

    def accepts(self, version: Version, *, prereleases: bool) -> bool:
        """Tell whether the version satisfies this comparison alone."""
        if version.prerelease and not self.operand.prerelease and not prereleases:
            return False
        match self.operator:
            case Operator.EQUAL:
                return self._accepts_tilde(version) if self.is_open else version == self.operand
            case Operator.NOT_EQUAL:
                return self._accepts_not_equal(version)
            case Operator.GREATER:
                return self._accepts_greater(version)
            case Operator.LESS:
                return version < self.operand
            case Operator.GREATER_OR_EQUAL:
                return version >= self.operand
            case Operator.LESS_OR_EQUAL:
                return self._accepts_less_or_equal(version)
            case Operator.TILDE:
                return self._accepts_tilde(version)
            case Operator.CARET:
                return self._accepts_caret(version)
        assert_never(self.operator)

    def _accepts_not_equal(self, version: Version) -> bool:
        wanted = self.operand
        if not self.is_open:
            return version != wanted
        if version.major != wanted.major:
            return True
        if self.open_minor:
            return False
        if version.minor != wanted.minor:
            return True
        if self.open_patch:
            # All patches of this minor version are meant, but a named pre-release only itself.
            return _prerelease_order(version.prerelease) != _prerelease_order(wanted.prerelease)
        return version != wanted

    def _accepts_greater(self, version: Version) -> bool:
        wanted = self.operand
        if not self.is_open:
            return version > wanted
        if version.major != wanted.major:
            return version.major > wanted.major
        if self.open_minor:
            return False
        if self.open_patch:
            return version.minor > wanted.minor
        return version > wanted

    def _accepts_less_or_equal(self, version: Version) -> bool:
        wanted = self.operand
        if not self.is_open:
            return version <= wanted
        if version.major != wanted.major:
            return version.major < wanted.major
        return self.open_minor or version.minor <= wanted.minor

    def _accepts_tilde(self, version: Version) -> bool:
        wanted = self.operand
        if version < wanted:
            return False
        # `~0.0.0`, and with it `*`, means everything.
        if (wanted.major, wanted.minor, wanted.patch) == (0, 0, 0) and not (
            self.open_minor or self.open_patch
        ):
            return True
        if version.major != wanted.major:
            return False
        return self.open_minor or version.minor == wanted.minor

    def _accepts_caret(self, version: Version) -> bool:
        wanted = self.operand
        if version < wanted or version.major != wanted.major:
            return False
        if wanted.major > 0 or self.open_minor:
            return True
        if wanted.minor > 0 or self.open_patch:
            return version.minor == wanted.minor
        return version.minor == 0 and version.patch == wanted.patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Groups of comparisons: a version must satisfy all comparisons of at least one group."""

    groups: tuple[tuple[Comparison, ...], ...]
    text: str

    def accepts(self, version: Version, *, include_prereleases: bool = False) -> bool:
        """Tell whether the version satisfies the constraint."""
        return any(_group_accepts(group, version, include_prereleases) for group in self.groups)

    def __str__(self) -> str:
        return self.text


def _group_accepts(group: tuple[Comparison, ...], version: Version, include_prereleases: bool) -> bool:
    prereleases = include_prereleases or any(one.operand.prerelease for one in group)
    return all(one.accepts(version, prereleases=prereleases) for one in group)


def parse_version(text: str) -> Version:
    """Read a version, missing parts as 0. Raises InvalidVersion."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise InvalidVersion(f"{text!r} is not a semantic version")
    numbers = [int(part or 0) for part in match.group(1, 2, 3)]
    prerelease, metadata = match.group(4) or "", match.group(5) or ""
    if any(number > MAX_NUMBER for number in numbers):
        raise InvalidVersion(f"{text!r} has a number that is too large")
    if any(part.isdigit() and len(part) > 1 and part[0] == "0" for part in prerelease.split(".")):
        raise InvalidVersion(f"{text!r} has a pre-release number with a leading zero")
    return Version(
        major=numbers[0],
        minor=numbers[1],
        patch=numbers[2],
        prerelease=prerelease,
        metadata=metadata,
        original=text,
    )


def parse_full_version(text: str) -> Version:
    """Read a version that is written in at least three dot-separated pieces. Raises InvalidVersion."""
    if text.count(".") < 2:
        raise InvalidVersion(f"{text!r} is not a semantic version of three parts")
    return parse_version(text)


def full_versions(texts: Iterable[str]) -> list[Version]:
    """Return those texts that are full versions, in the order given."""
    found = []
    for text in texts:
        try:
            found.append(parse_full_version(text))
        except InvalidVersion:
            continue
    return found


def parse_constraint(text: str) -> Constraint:
    """Read a constraint. Raises InvalidConstraint."""
    return Constraint(groups=tuple(_parse_group(group, text) for group in text.split("||")), text=text)


def _parse_group(group: str, text: str) -> tuple[Comparison, ...]:
    """Scan one group from left to right; a regular expression for all of it would take exponential time on bad input."""
    comparisons: list[Comparison] = []
    at = _skip_space(group, 0)
    while True:
        operator, at = _scan_operator(group, at)
        first, at = _scan_operand(group, at, text)
        hyphen = _HYPHEN.match(group, at)
        if hyphen is not None and operator is None:
            last, at = _scan_operand(group, hyphen.end(), text)
            comparisons.append(_comparison(Operator.GREATER_OR_EQUAL, first, text))
            comparisons.append(_comparison(Operator.LESS_OR_EQUAL, last, text))
        else:
            comparisons.append(_comparison(operator or Operator.EQUAL, first, text))
        after = _skip_space(group, at)
        if after == len(group):
            return tuple(comparisons)
        is_comma = group[after] == ","
        if after == at and not is_comma:
            raise InvalidConstraint(f"improper constraint: {text}")
        at = _skip_space(group, after + 1) if is_comma else after


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _scan_operator(group: str, at: int) -> tuple[Operator | None, int]:
    for spelling, operator in _SPELLINGS:
        if group.startswith(spelling, at):
            return operator, _skip_space(group, at + len(spelling))
    return None, at


def _scan_operand(group: str, at: int, text: str) -> tuple[re.Match[str], int]:
    match = _OPERAND.match(group, at)
    if match is None:
        raise InvalidConstraint(f"improper constraint: {text}")
    return match, match.end()


def _comparison(operator: Operator, operand: re.Match[str], text: str) -> Comparison:
    parts = [part or "" for part in operand.group(1, 2, 3)]
    first_open = next((index for index, part in enumerate(parts) if part in _WILDCARDS), 3)
    kept = [*parts[:first_open], "0", "0", "0"][:3]
    prerelease = f"-{operand.group(4)}" if operand.group(4) else ""
    try:
        version = parse_version(".".join(kept) + prerelease)
    except InvalidVersion as problem:
        raise InvalidConstraint(f"improper constraint: {text}") from problem
    return Comparison(
        operator=operator,
        operand=version,
        is_open=first_open < 3,
        open_minor=first_open == 1,
        open_patch=first_open == 2,
    )


def _prerelease_order(prerelease: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts as semver.org says: none is highest, numbers below words, a longer list above its prefix."""
    if not prerelease:
        return ((2, 0, ""),)
    return tuple(_identifier_order(part) for part in prerelease.split("."))


def _identifier_order(part: str) -> tuple[int, int, str]:
    if part.isdigit() and int(part) <= MAX_NUMBER:
        return (0, int(part), "")
    return (1, 0, part)
