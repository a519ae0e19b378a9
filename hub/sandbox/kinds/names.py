"""Which texts are names, labels, keys and ports, and what a server says of those that are not. Pure.

A rule returns all its reasons, none when the text is right.
"""

import re
from collections.abc import Callable, Iterator

NameRule = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character"
)
_QUALIFIED_TEXT = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_ENVIRONMENT_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
NO_DOTS = "must not contain dots"


def longer(limit: int, *, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def _fails(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is None


def _explained(text: str, pattern: str, *examples: str) -> str:
    # The real server's texts have these two spaces.
    shown = ",  or ".join(f"'{one}'" for one in examples)
    return f"{text} (e.g. {shown}, regex used for validation is '{pattern}')"


def label(text: str) -> list[str]:
    """Check a name that is one DNS label."""
    reasons = [longer(63)] if len(text) > 63 else []
    if _fails(_LABEL, text):
        if "." in text and not _fails(_SUBDOMAIN, text):
            return [*reasons, NO_DOTS]
        reasons.append(_explained(LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return reasons


def label_1035(text: str) -> list[str]:
    """Check a DNS label that starts with a letter."""
    reasons = [longer(63)] if len(text) > 63 else []
    if _fails(_LABEL_1035, text):
        reasons.append(_explained(_LABEL_1035_TEXT, _LABEL_1035, "my-name", "abc-123"))
    return reasons


def subdomain(text: str) -> list[str]:
    """Check a name of DNS labels with dots between them."""
    reasons = [longer(253)] if len(text) > 253 else []
    if _fails(_SUBDOMAIN, text):
        reasons.append(_explained(SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return reasons


def wildcard_subdomain(text: str) -> list[str]:
    """Check a DNS name whose first label is a star."""
    if not _fails(_WILDCARD, text):
        return []
    why = (
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
        "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
    )
    return [_explained(why, _WILDCARD, "*.example.com")]


def path_segment(text: str) -> list[str]:
    """Check a name that may be anything that fits between two slashes."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{one}'" for one in ("/", "%") if one in text]


def qualified(text: str) -> list[str]:
    """Check a name that may have a DNS prefix, as the keys of labels are."""
    parts = text.split("/")
    if len(parts) > 2:
        why = f"a valid label key {_QUALIFIED_TEXT}"
        return [
            f"{_explained(why, _QUALIFIED, 'MyName', 'my.name', '123-abc')} "
            "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    reasons = []
    if len(parts) == 2:
        if not parts[0]:
            reasons.append("prefix part must be non-empty")
        else:
            reasons.extend(f"prefix part {why}" for why in subdomain(parts[0]))
    name = parts[-1]
    if not name:
        reasons.append("name part must be non-empty")
    elif len(name) > 63:
        reasons.append(f"name part {longer(63, unit='bytes')}")
    if _fails(_QUALIFIED, name):
        reasons.append(f"name part {_explained(_QUALIFIED_TEXT, _QUALIFIED, 'MyName', 'my.name', '123-abc')}")
    return reasons


def label_value(text: str) -> list[str]:
    """Check the value of a label."""
    reasons = [longer(63, unit="bytes")] if len(text) > 63 else []
    if _fails(_VALUE, text):
        reasons.append(_explained(_VALUE_TEXT, _VALUE, "MyValue", "my_value", "12345"))
    return reasons


def config_key(text: str) -> list[str]:
    """Check a key of a ConfigMap or Secret."""
    reasons = [longer(253)] if len(text) > 253 else []
    if _fails(_CONFIG_KEY, text):
        reasons.append(_explained(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if text == ".":
        reasons.append("must not be '.'")
    elif text == "..":
        reasons.append("must not be '..'")
    elif text.startswith(".."):
        reasons.append("must not start with '..'")
    return reasons


def environment_name(text: str) -> list[str]:
    """Check the name of an environment variable."""
    return [] if text and all(" " <= one <= "~" and one != "=" for one in text) else [_ENVIRONMENT_TEXT]


def port_number(number: int) -> list[str]:
    return [] if 1 <= number <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(text: str) -> list[str]:
    """Check the name of a port."""
    return list(_port_name(text))


def _port_name(text: str) -> Iterator[str]:
    if len(text) > 15:
        yield longer(15)
    if _fails("[-a-z0-9]+", text):
        yield "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", text):
        yield "must contain at least one letter (a-z)"
    if "--" in text:
        yield "must not contain consecutive hyphens"
    if text.startswith("-") or text.endswith("-"):
        yield "must not begin or end with a hyphen"


def generated(rule: NameRule) -> NameRule:
    """Return the rule for prefixes of names that a server completes: they may end with a hyphen."""
    return lambda text: rule(f"{text[:-2]}a" if len(text) > 1 and text.endswith("-") else text)
