"""The expressions of post-build substitution: `${NAME}`, `${NAME:=default}`, `${NAME%suffix}` and the rest.

Pure. The language is the one of Flux's fork of drone/envsubst, whose odd corners people rely on: all default operators
mean "when empty", a default ends at the first `}`, `$$` reads as `$` in plain text only, `$NAME` is plain text.

A value whose bytes are no UTF-8 comes with surrogates and is refused where it is used, never where it is only there.

Texts come from tenants. Parsing is one pass; nesting, the work of patterns and the size of the result are bounded.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hub.build.glob import Pattern, PatternTooCostly

MAX_DEPTH: Final = 100
MAX_CHARS: Final = 32 << 20
_PATTERN_STEPS: Final = 16

_DEFAULTS: Final = frozenset({"=", ":=", ":-", ":+", ":?"})
# An opening `${` ends every literal; possessive, so that no text makes the matching go back.
_PLAIN = re.compile(r"(?:\$\$|[^$]++|\$(?!\{))++", re.S)
_WORD = re.compile(r"(?:[^}$]++|\$(?!\{))++", re.S)
_OFFSET = re.compile(r"(?:[^:}$]++|\$(?!\{))++", re.S)
_OLD = re.compile(r"(?:\$\$|\\[/\\]|[^/$\\]++|\\|\$(?!\{))++", re.S)
_NEW = re.compile(r"(?:\$\$|\\[/\\]|[^}$\\]++|\\|\$(?!\{))++", re.S)
_ESCAPE = re.compile(r"\$(\$)|\\([/\\])")
_COLONS = re.compile(r":+")
_SLASHES = re.compile(r"/+")
_OPERATOR = re.compile(r":[=\-?+]|=|[,^]{1,2}|/[/#%]?|##?|%%?|:")
_INTEGER = re.compile(r"[+-]?[0-9]+", re.A)


class ExpressionError(Exception):
    """The text has an expression that cannot be read or evaluated."""


class VariableNotSet(ExpressionError):
    """A variable without a value is used where one is needed."""


class NotText(ExpressionError):
    """A variable is used whose value is not text."""


class TooCostly(ExpressionError):
    """Evaluating the text would take too much time or memory."""


@dataclass(slots=True)
class Budget:
    """How many characters may still be read and made, for all texts of a build together."""

    left: int = MAX_CHARS

    def spend(self, chars: int) -> None:
        """Count some. Raises TooCostly."""
        self.left -= chars
        if self.left < 0:
            raise TooCostly(
                f"the texts of the build are larger than {MAX_CHARS} characters, or take as much work"
            )


@dataclass(frozen=True, slots=True)
class Expression:
    """`${name op args}`; an argument is a literal or another expression."""

    name: str
    op: str = ""
    args: "tuple[Piece, ...]" = ()


Piece = str | Expression


def parse(text: str) -> tuple[Piece, ...]:
    """Split a text into literals and expressions."""
    pieces: list[Piece] = []
    reader = _Reader(text)
    while reader.at < len(text):
        if literal := reader.take(_PLAIN):
            pieces.append(literal.replace("$$", "$"))
        else:
            reader.at += len("${")
            pieces.append(reader.expression(depth=1))
    return tuple(pieces)


def names(pieces: tuple[Piece, ...]) -> Iterator[str]:
    """Give the name of every variable that the pieces read, nested ones too."""
    for piece in pieces:
        if isinstance(piece, Expression):
            yield piece.name
            yield from names(piece.args)


def expand(text: str, variables: Mapping[str, str], *, strict: bool, budget: Budget | None = None) -> str:
    """Replace the expressions of a text; with `strict` a variable without a value is an error unless defaulted."""
    if "$" not in text:
        return text
    budget = budget or Budget()
    budget.spend(len(text))
    return _Evaluation(variables, strict, budget).text(parse(text))


class _Reader:
    """A position in a text and the grammar from there on."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def expression(self, depth: int) -> Expression:
        """Read what follows `${`, the closing brace included."""
        if depth > MAX_DEPTH:
            raise TooCostly(f"expressions are nested deeper than {MAX_DEPTH}")
        if self.peek() == "#":
            return self._length()
        name = self._name()
        if not name:
            raise ExpressionError("unable to parse variable name")
        op = self.take(_OPERATOR)
        if not op:
            if self.peek() != "}":
                raise ExpressionError("missing closing brace")
            self.at += 1
            return Expression(name)
        if op in _DEFAULTS:
            args = self._default(depth)
        elif op == ":":
            args = self._substring(depth)
        elif op[0] == "/":
            args = self._replacement(depth)
        elif op[0] in "#%":
            args = (self._piece(_WORD, depth),)
            self._close()
        else:
            args = ()
            self._close()
        return Expression(name, op, args)

    def _name(self) -> str:
        start = self.at
        while (char := self.peek()) and (char == "_" or char.isalpha() or char.isdecimal()):
            self.at += 1
        return self.text[start : self.at]

    def _length(self) -> Expression:
        self.at += 1
        if name := self._name():
            self._close()
            return Expression(name, "#")
        raise ExpressionError("bad substitution")

    def _default(self, depth: int) -> tuple[Piece, ...]:
        args: list[Piece] = []
        while self.peek() != "}":
            args.append(self._piece(_WORD, depth))
        self._close()
        return tuple(args)

    def _substring(self, depth: int) -> tuple[Piece, ...]:
        if not self.peek().isascii():
            # The reference steps back by the width of this character instead of the colon's, and is lost.
            raise ExpressionError("bad substitution")
        offset = self._piece(_OFFSET, depth)
        if not self.take(_COLONS):
            self._close()
            return (offset,)
        length = self._piece(_WORD, depth)
        self._close()
        return (offset, length)

    def _replacement(self, depth: int) -> tuple[Piece, ...]:
        old = self._piece(_OLD, depth)
        if not self.take(_SLASHES):
            raise ExpressionError("bad substitution")
        if self.peek() == "}":
            self._close()
            return (old,)
        new = self._piece(_NEW, depth)
        self._close()
        return (old, new)

    def _piece(self, literal: re.Pattern[str], depth: int) -> Piece:
        if self.text.startswith("${", self.at):
            self.at += len("${")
            return self.expression(depth + 1)
        if found := self.take(literal):
            return _ESCAPE.sub(r"\1\2", found) if literal in (_OLD, _NEW) else found
        raise ExpressionError("unable to parse substitution within function")

    def _close(self) -> None:
        if self.peek() != "}":
            raise ExpressionError("bad substitution")
        self.at += 1


class _Evaluation:
    """Gives pieces their text; counts what it makes."""

    __slots__ = ("budget", "strict", "variables")

    def __init__(self, variables: Mapping[str, str], strict: bool, budget: Budget) -> None:
        self.variables = variables
        self.strict = strict
        self.budget = budget

    def text(self, pieces: tuple[Piece, ...]) -> str:
        return "".join([piece if isinstance(piece, str) else self._value(piece) for piece in pieces])

    def _value(self, expression: Expression) -> str:
        # Arguments come first: a variable missing in a default that is not needed is an error, too.
        args = [self.text((piece,)) for piece in expression.args]
        value = self.variables.get(expression.name)
        if value is None:
            if self.strict and expression.op not in _DEFAULTS:
                raise VariableNotSet(f'variable not set (strict mode): "{expression.name}"')
            value = ""
        if not _is_text(value):
            raise NotText(
                f'the value of "{expression.name}" is binary, not UTF-8 text; a manifest cannot hold it'
            )
        self.budget.spend(cost(expression.op, value, args))
        return apply(expression.op, value, args)


def cost(op: str, value: str, args: list[str]) -> int:
    """Give a bound of the characters that `apply` returns or the work that it takes, before it does."""
    if op == "//" and len(args) > 1:
        return len(value) + value.count(args[0]) * len(args[1])
    if op[:1] in ("#", "%") and args:
        # A pattern is compiled, and may be tried at each place.
        return len(value) + len(args[0]) * (_PATTERN_STEPS + len(value) // _PATTERN_STEPS)
    return len(value) + sum(map(len, args))


def apply(op: str, value: str, args: list[str]) -> str:
    """Apply an operator to the value of its variable; an operator that is none (`,^`) changes nothing."""
    match op:
        case ",":
            return _lower(value[:1]) + value[1:]
        case ",,":
            return _lower(value)
        case "^":
            return _upper(value[:1]) + value[1:]
        case "^^":
            return _upper(value)
        case "#" if not args:
            return str(len(_bytes(value)))
        case "#" | "##" | "%" | "%%":
            return _trim(op, value, args[0])
        case ":":
            return _substring(value, args)
        case "/" | "//" | "/#" | "/%":
            return _replace(op, value, args)
        case _:
            return value or "".join(args)


def _trim(op: str, value: str, pattern: str) -> str:
    at_end = op[0] == "%"
    if at_end:
        value, pattern = value[::-1], pattern[::-1]
    try:
        cut = Pattern(pattern).prefix_length(value, longest=len(op) == 2)
    except PatternTooCostly as e:
        raise TooCostly(str(e)) from e
    return value[cut:][::-1] if at_end else value[cut:]


def _substring(value: str, args: list[str]) -> str:
    numbers = [_integer(arg) for arg in args]
    if numbers[0] is None or (len(numbers) > 1 and numbers[1] is None):
        return value
    data = _bytes(value)
    start = numbers[0] if numbers[0] >= 0 else max(0, len(data) + numbers[0])
    if len(numbers) == 1 or numbers[1] is None or start + numbers[1] >= len(data):
        return _string(data[start:])
    if numbers[1] < 0:
        raise ExpressionError("substring has a negative length")
    return _string(data[start : start + numbers[1]])


def _replace(op: str, value: str, args: list[str]) -> str:
    old, new = args[0], args[1] if len(args) > 1 else ""
    match op:
        case "/":
            return value.replace(old, new, 1)
        case "//":
            return value.replace(old, new)
        case "/#" if len(args) > 1 and value.startswith(old):
            return new + value[len(old) :]
        case "/%" if len(args) > 1 and value.endswith(old):
            return value[: len(value) - len(old)] + new
        case _:
            return value


def _integer(text: str) -> int | None:
    # The length is checked first: int() refuses thousands of digits.
    if not _INTEGER.fullmatch(text) or len(text.lstrip("+-0")) > 19:
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


# Offsets count bytes, so that a cut may leave half a character; it travels as a surrogate and fails as YAML.
def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _string(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# Unicode's simple mappings, one character to one; str.lower and str.upper use the full ones ("ß" to "SS").
def _lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(char.lower()[0] for char in text)


def _upper(text: str) -> str:
    if text.isascii():
        return text.upper()
    return "".join(_upper_one(char) for char in text)


def _upper_one(char: str) -> str:
    for mapped in (char.upper(), char.title()):
        if len(mapped) == 1:
            return mapped
    return char
