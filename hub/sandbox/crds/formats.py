"""The formats of texts that a server enforces; all others are notes for readers."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from email.utils import parseaddr
from urllib.parse import urlsplit

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"
_ANY = "[0-9a-f]"
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")
_DURATION = re.compile(r"(\d+)\s*([A-Za-zµ]+)")
_GO_DURATION = re.compile(r"[-+]?(0|(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+")
_UNITS = (
    "ns",
    "nano",
    "us",
    "µs",
    "micro",
    "ms",
    "milli",
    "s",
    "sec",
    "m",
    "min",
    "h",
    "hr",
    "hour",
    "d",
    "day",
    "w",
    "wk",
    "week",
)
_CHANNEL = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"


def is_enforced(name: str) -> bool:
    """Tell whether texts of a format are judged."""
    return name.replace("-", "") in _CHECKS


def has_format(text: str, name: str) -> bool:
    """Tell whether a text has a format; true for a format nobody enforces."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)


def is_date(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_date_time(text: str) -> bool:
    day, _, time = text.lower().partition("t")
    found = _TIME.fullmatch(time) if is_date(day) else None
    return found is not None and found[1] <= "23" and found[2] <= "59" and found[3] <= "59"


def is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    found = _DURATION.findall(text)
    return bool(found) and all(unit in _UNITS or unit.removesuffix("s") in _UNITS for _, unit in found)


def is_base64(text: str) -> bool:
    if len(text) % 4 or not text:
        return False
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def is_cidr(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text and text.rpartition("/")[2].isdigit()


def _pattern(text: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(text, flags)
    return lambda value: compiled.fullmatch(value) is not None


def _is_ip(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return ipaddress.ip_address(text).version == version and "%" not in text
        except ValueError:
            return False

    return check


def _is_uri(text: str) -> bool:
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if " " in parts.netloc or port == -1:
        return False
    absolute = bool(parts.scheme) and bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text))
    return text.startswith("/") or absolute


def _is_email(text: str) -> bool:
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    return (
        bool(local and domain)
        and " " not in domain
        and not domain.endswith(".")
        and (not name or "<" in text)
    )


def _is_hostname(text: str) -> bool:
    if not 0 < len(text) <= 255:
        return False
    parts = text.split(".")
    return all(re.fullmatch(r"[^\W_]([-a-zA-Z0-9]|[^\W_]){0,62}(?<!-)", part) for part in parts) and (
        len(parts) == 1 or re.fullmatch(r"[^\W\d_]{2,63}", parts[-1]) is not None
    )


def _is_isbn(length: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        digits = text.replace("-", "").replace(" ", "")
        if length == 10:
            if not re.fullmatch(r"\d{9}[\dX]", digits):
                return False
            return (
                sum((10 - at) * (10 if one == "X" else int(one)) for at, one in enumerate(digits)) % 11 == 0
            )
        return (
            bool(re.fullmatch(r"\d{13}", digits))
            and sum(int(one) * (3 if at % 2 else 1) for at, one in enumerate(digits)) % 10 == 0
        )

    return check


def _is_card(text: str) -> bool:
    digits = [int(one) for one in re.sub(r"\D", "", text)]
    if not 13 <= len(digits) <= 16:
        return False
    doubled = [one if at % 2 == 0 else one * 2 - 9 * (one > 4) for at, one in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _pattern("[0-9a-fA-F]{24}"),
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "cidr": is_cidr,
    "mac": _pattern(
        r"([0-9a-fA-F]{2}([:-]))([0-9a-fA-F]{2}\2){4,18}[0-9a-fA-F]{2}|([0-9a-fA-F]{4}\.){2,9}[0-9a-fA-F]{4}"
    ),
    "uuid": _pattern(_UUID % (_ANY, _ANY), re.IGNORECASE),
    "uuid3": _pattern(_UUID % ("3", _ANY), re.IGNORECASE),
    "uuid4": _pattern(_UUID % ("4", "[89ab]"), re.IGNORECASE),
    "uuid5": _pattern(_UUID % ("5", "[89ab]"), re.IGNORECASE),
    "isbn": lambda text: _is_isbn(10)(text) or _is_isbn(13)(text),
    "isbn10": _is_isbn(10),
    "isbn13": _is_isbn(13),
    "creditcard": _is_card,
    "ssn": _pattern(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _pattern("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _pattern(rf"rgb\(\s*{_CHANNEL}\s*,\s*{_CHANNEL}\s*,\s*{_CHANNEL}\s*\)"),
    "byte": is_base64,
    "password": lambda text: True,
    "date": is_date,
    "duration": is_duration,
    "datetime": is_date_time,
    "k8sshortname": lambda text: len(text) <= 63 and _pattern(_LABEL)(text),
    "k8slongname": lambda text: len(text) <= 253 and _pattern(rf"{_LABEL}(\.{_LABEL})*")(text),
}
