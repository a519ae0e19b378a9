"""The functions of Kubernetes that rules may call: lists, quantities, addresses, URLs, versions.

A value of a type that the language does not have is a map with one name that tells the type: the library cannot be
taught types. Some functions are not there, and a rule that calls one is refused when its definition is written:
`format` with its `validate`, `transformMap`, and authorizers.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import pairwise
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hub.sandbox.crds import formats
from hub.sandbox.crds.cel import strings

_T = cel.Type
_S, _I, _B, _D, _L = _T.STRING, _T.INT, _T.BOOL, _T.DYN, _T.List(_T.DYN)
_M = _T.Map(_T.STRING, _T.DYN)
Tagged = Mapping[str, Any]
QUANTITY, ADDRESS, RANGE, URL, VERSION = "$quantity", "$ip", "$cidr", "$url", "$semver"

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)
_CONFIG = "name: rules\nextensions:\n- name: two-var-comprehensions\n- name: sets\n- name: lists\n"
NOT_BUILT = re.compile(
    r"(?<![\w.])format\.|\.validate\(|\.transformMap(?:Entry)?\(|(?<![\w.])(authorizer|jsonpatch)\b"
)


def environment(variables: Mapping[str, Any], pool: Any = None) -> cel.Env:
    """Return what rules are compiled in."""
    return cel.NewEnv(pool, cel.NewEnvConfigFromYaml(_CONFIG), dict(variables), _extensions())


@cache
def _extensions() -> list[Any]:
    declared = [
        *strings.declarations(),
        _one(
            "isSorted",
            True,
            (_L,),
            _B,
            lambda items: all(a <= b for a, b in pairwise(items)),
        ),
        _one("sum", True, (_L,), _D, lambda items: _known(sum(items[1:], items[0])) if items else 0),
        _one("min", True, (_L,), _D, lambda items: _known(min(items))),
        _one("max", True, (_L,), _D, lambda items: _known(max(items))),
        *_quantities(),
        *_addresses(),
        *_urls(),
    ]
    return [cel.CelExtension("kubernetes", declared), ext_optional.ExtOptional()]


def _one(
    name: str, is_member: bool, parameters: tuple[Any, ...], result: Any, run: Callable[..., Any]
) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [cel.Overload(f"k8s_{name}", result, list(parameters), is_member, run)])


def _is(read: Callable[..., Any]) -> Callable[..., bool]:
    def check(*arguments: Any) -> bool:
        try:
            read(*arguments)
        except (ValueError, InvalidOperation):
            return False
        return True

    return check


def _quantities() -> list[cel.FunctionDecl]:
    return [
        _one("quantity", False, (_S,), _M, _quantity),
        _one("isQuantity", False, (_S,), _B, _is(amount)),
        _either("semver", _M, _semver),
        _either("isSemver", _B, _is(_semver)),
        _one("major", True, (_M,), _I, lambda one: _version(one[VERSION])[0]),
        _one("minor", True, (_M,), _I, lambda one: _version(one[VERSION])[1]),
        _one("patch", True, (_M,), _I, lambda one: _version(one[VERSION])[2]),
        _one("sign", False, (_M,), _I, lambda one: _compared(amount(one[QUANTITY]), Decimal(0))),
        _one("isInteger", True, (_M,), _B, lambda one: amount(one[QUANTITY]) == int(amount(one[QUANTITY]))),
        _one("asInteger", True, (_M,), _I, _as_integer),
        _one("asApproximateFloat", True, (_M,), _T.DOUBLE, lambda one: float(amount(one[QUANTITY]))),
        _arithmetic("add", 1),
        _arithmetic("sub", -1),
        _one("compareTo", True, (_M, _M), _I, _compare),
        _one("isLessThan", True, (_M, _M), _B, lambda one, other: _compare(one, other) < 0),
        _one("isGreaterThan", True, (_M, _M), _B, lambda one, other: _compare(one, other) > 0),
    ]


def _arithmetic(name: str, sign: int) -> cel.FunctionDecl:
    def run(one: Tagged, other: Any) -> Tagged:
        value = Decimal(other) if isinstance(other, int) else amount(other[QUANTITY])
        return {QUANTITY: _canonical(amount(one[QUANTITY]) + sign * value)}

    forms = [cel.Overload(f"k8s_{name}_{at}", _M, [_M, kind], True, run) for at, kind in enumerate((_M, _I))]
    return cel.FunctionDecl(name, forms)


def amount(text: str) -> Decimal:
    """Return the number that a quantity is. Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]) if suffix else 0
    return number * Decimal(10) ** exponent


def _canonical(value: Decimal) -> str:
    # Equal quantities are equal maps, however they were written.
    return format(value.normalize(), "f")


def _quantity(text: str) -> Tagged:
    return {QUANTITY: _canonical(amount(text))}


def _as_integer(one: Tagged) -> int:
    value = amount(one[QUANTITY])
    if value != int(value):
        raise ValueError("cannot convert value to integer")
    return int(value)


def _compared(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _compare(one: Tagged, other: Tagged) -> int:
    if VERSION in one:
        return _compared(_order(one[VERSION]), _order(other[VERSION]))
    return _compared(amount(one[QUANTITY]), amount(other[QUANTITY]))


def _version(text: str) -> tuple[int, int, int]:
    found = _VERSION.fullmatch(text)
    if found is None:
        raise ValueError("invalid semantic version")
    return int(found[1]), int(found[2]), int(found[3])


def _semver(text: str, is_lenient: bool = False) -> Tagged:
    """Return a version; a lenient reader takes `v1.2` for 1.2.0."""
    told = _completed(text) if is_lenient else text
    _version(told)
    return {VERSION: told}


def _completed(text: str) -> str:
    numbers, mark, more = re.fullmatch(r"v?([\d.]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [part.lstrip("0") or "0" if part else part for part in numbers.split(".")]
    return ".".join([*parts, "0", "0"][: max(3, len(parts))]) + mark + more


def _either(name: str, result: Any, run: Callable[..., Any]) -> cel.FunctionDecl:
    """Declare a function of a text that may be told to be lenient."""
    forms = [cel.Overload(f"k8s_{name}_{len(of)}", result, of, False, run) for of in ([_S], [_S, _B])]
    return cel.FunctionDecl(name, forms)


def _order(text: str) -> tuple[Any, ...]:
    found = _VERSION.fullmatch(text)
    parts = found[4].split(".") if found and found[4] else []
    ranked = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
    return (*_version(text), not parts, ranked)


def _addresses() -> list[cel.FunctionDecl]:
    return [
        _one("isIP", False, (_S,), _B, _is(address)),
        _one("isCIDR", False, (_S,), _B, formats.is_cidr),
        _one("cidr", False, (_S,), _M, lambda text: {RANGE: str(_interface(text))}),
        cel.FunctionDecl(
            "ip",
            [
                cel.Overload("k8s_ip", _M, [_S], False, lambda text: {ADDRESS: str(address(text))}),
                cel.Overload(
                    "k8s_cidr_ip", _M, [_M], True, lambda one: {ADDRESS: str(_interface(one[RANGE]).ip)}
                ),
            ],
        ),
        _one("string", False, (_M,), _S, _address_text),
        _one("ip.isCanonical", False, (_S,), _B, lambda text: str(address(text)) == text),
        _one("family", True, (_M,), _I, lambda one: address(one[ADDRESS]).version),
        _one("isUnspecified", True, (_M,), _B, lambda one: address(one[ADDRESS]).is_unspecified),
        _one("isLoopback", True, (_M,), _B, lambda one: address(one[ADDRESS]).is_loopback),
        _one(
            "isLinkLocalMulticast",
            True,
            (_M,),
            _B,
            lambda one: _is_link_local_multicast(address(one[ADDRESS])),
        ),
        _one("isLinkLocalUnicast", True, (_M,), _B, lambda one: address(one[ADDRESS]).is_link_local),
        _one("isGlobalUnicast", True, (_M,), _B, lambda one: _is_global_unicast(address(one[ADDRESS]))),
        _one("prefixLength", True, (_M,), _I, lambda one: _interface(one[RANGE]).network.prefixlen),
        _one("masked", True, (_M,), _M, lambda one: {RANGE: str(_interface(one[RANGE]).network)}),
        _contains("containsIP", lambda other: address(other[ADDRESS] if isinstance(other, dict) else other)),
        _contains(
            "containsCIDR",
            lambda other: _interface(other[RANGE] if isinstance(other, dict) else other).network,
        ),
    ]


def _address_text(one: Tagged) -> str:
    text = one.get(ADDRESS) or one.get(RANGE)
    if not isinstance(text, str):
        raise ValueError("no such overload")
    return text


def _known(value: Any) -> Any:
    """Return a value in a form that the library takes back."""
    if isinstance(value, timedelta):
        made = Duration()
        made.FromTimedelta(value)
        return made
    if isinstance(value, datetime):
        moment = Timestamp()
        moment.FromDatetime(value)
        return moment
    return bytes(value) if isinstance(value, bytearray) else value


def _contains(name: str, read: Callable[[Any], Any]) -> cel.FunctionDecl:
    def run(one: Tagged, other: Any) -> bool:
        outer, inner = _interface(one[RANGE]).network, read(other)
        if outer.version != inner.version:
            return False
        is_range = isinstance(inner, ipaddress.IPv4Network | ipaddress.IPv6Network)
        return bool(inner.subnet_of(outer) if is_range else inner in outer)

    forms = [cel.Overload(f"k8s_{name}_{at}", _B, [_M, kind], True, run) for at, kind in enumerate((_M, _S))]
    return cel.FunctionDecl(name, forms)


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address. Raises ValueError, for one with a zone or written as IPv4 in IPv6 too."""
    if "%" in text or (":" in text and "." in text):
        raise ValueError(f'IP Address "{text}" parse error during conversion from string')
    return ipaddress.ip_address(text)


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if not formats.is_cidr(text):
        raise ValueError(f'network address parse error during conversion from string: "{text}"')
    return ipaddress.ip_interface(text)


def _is_link_local_multicast(one: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    local = ipaddress.ip_network("224.0.0.0/24") if one.version == 4 else ipaddress.ip_network("ff02::/16")
    return one in local


def _is_global_unicast(one: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    broadcast = one.version == 4 and int(one) == 2**32 - 1
    return not (broadcast or one.is_unspecified or one.is_loopback or one.is_multicast or one.is_link_local)


def _urls() -> list[cel.FunctionDecl]:
    return [
        _one("url", False, (_S,), _M, lambda text: _checked_url(text)),
        _one("isURL", False, (_S,), _B, _is(url)),
        _one("getScheme", True, (_M,), _S, lambda one: url(one[URL]).scheme),
        _one("getHost", True, (_M,), _S, lambda one: url(one[URL]).netloc.rpartition("@")[2]),
        _one("getHostname", True, (_M,), _S, lambda one: _hostname(url(one[URL]))),
        _one("getPort", True, (_M,), _S, lambda one: str(url(one[URL]).port or "")),
        _one("getEscapedPath", True, (_M,), _S, lambda one: url(one[URL]).path),
        _one("getQuery", True, (_M,), _T.Map(_S, _T.List(_S)), _query),
    ]


def url(text: str) -> SplitResult:
    """Return the parts of an absolute URL or path. Raises ValueError."""
    if not formats.has_format(text, "uri"):
        raise ValueError(
            f'URL parse error during conversion from string: parse "{text}": invalid URI for request'
        )
    return urlsplit(text)


def _checked_url(text: str) -> Tagged:
    url(text)
    return {URL: text}


def _hostname(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return host[1 : host.index("]")] if host.startswith("[") else host.partition(":")[0]


def _query(one: Tagged) -> dict[str, list[str]]:
    return parse_qs(url(one[URL]).query, keep_blank_values=True)
