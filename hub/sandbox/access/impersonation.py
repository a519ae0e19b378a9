"""Lets a caller act as somebody else where roles allow it, as the headers of a request ask.

The server tries four narrow ways (a verb for each kind of person and request) before the broad one, `impersonate`. It
remembers which way last worked for a caller and tries that first, which decides what a refusal names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import unquote

from hub.sandbox.access.rbac import MASTERS, Authorize, forbidden_by
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.refusals import Refused, bad_request
from hub.sandbox.wire import Caller
from hub.sandbox.wording import quoted

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
REPEATED = "\n"
"""What joins the values of a header that was sent several times: no value can hold it."""
_USER, _UID, _GROUP, _EXTRA = "impersonate-user", "impersonate-uid", "impersonate-group", "impersonate-extra-"
_NODE = "system:node:"
_ACCOUNT = "system:serviceaccount:"
_NODE_EXTRA = "authentication.kubernetes.io/node-name"
_AUTHENTICATION = "authentication.k8s.io"
_MANY = 4


class _Way(StrEnum):
    ASSOCIATED_NODE = "associated-node"
    ARBITRARY_NODE = "arbitrary-node"
    SERVICE_ACCOUNT = "serviceaccount"
    USER_INFO = "user-info"
    BROAD = ""


def wanted_by(headers: Mapping[str, str]) -> Caller | None:
    """Read who the headers ask to be, None where nobody. Raises Refused where they name no user."""
    name, uid = headers.get(_USER, ""), headers.get(_UID, "")
    groups = tuple(headers[_GROUP].split(REPEATED)) if _GROUP in headers else ()
    extra = {
        unquote(header.removeprefix(_EXTRA)): tuple(values.split(REPEATED))
        for header, values in headers.items()
        if header.startswith(_EXTRA)
    }
    if not name and (uid or groups or extra):
        raise bad_request(f"requested {_in_go(uid, groups, extra)} without impersonating a user name")
    return Caller(name=name, uid=uid, groups=groups, extra=extra) if name else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonator:
    """Decides who may be whom in one cluster."""

    authorize: Authorize
    _last: dict[str, _Way] = field(default_factory=dict)

    def become(self, caller: Caller, wanted: Caller, asked: Attributes) -> Caller:
        """Return whom the caller acts as in a request. Raises Refused."""
        last = self._last.get(caller.name)
        refusal: Refused | None = None
        for way in sorted(_Way, key=lambda one: one is not last):
            if not _applies(way, caller, wanted):
                continue
            try:
                self._check(way, caller, wanted, asked)
            except Refused as refused:
                refusal = refusal or refused
            else:
                self._last[caller.name] = way
                return _completed(way, wanted)
        raise refusal or forbidden_by(caller, asked)

    def _check(self, way: _Way, caller: Caller, wanted: Caller, asked: Attributes) -> None:
        if way is not _Way.BROAD:
            self._require(caller, replace(asked, verb=f"impersonate-on:{way}:{asked.verb}"))
        check = _Checks(way=way, caller=caller, wanted=wanted)
        self._require(caller, check.username())
        if wanted.uid:
            self._require(caller, check.attributes("uids", wanted.uid))
        for many, each in (check.groups(), check.extra()):
            if many is None or not self.authorize(caller, many).allowed:
                for one in each:
                    self._require(caller, one)

    def _require(self, caller: Caller, asked: Attributes) -> None:
        decision = self.authorize(caller, asked)
        if not decision.allowed:
            raise forbidden_by(caller, asked, decision.reason)


_Checked = tuple[Attributes | None, Iterator[Attributes]]
"""What, if allowed, makes the single checks needless; and these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checks:
    """What a caller must be allowed for one way of being somebody."""

    way: _Way
    caller: Caller
    wanted: Caller

    def attributes(self, resource: str, name: str, subresource: str = "") -> Attributes:
        is_broad = self.way is _Way.BROAD
        group = "" if is_broad and resource in ("users", "groups", "serviceaccounts") else _AUTHENTICATION
        verb = "impersonate" if is_broad else f"impersonate:{self.way}"
        return Attributes(verb=verb, group=group, resource=resource, name=name, subresource=subresource)

    def username(self) -> Attributes:
        account = _account_of(self.wanted.name)
        if account is not None:
            namespace, name = account
            return replace(self.attributes("serviceaccounts", name), namespace=namespace)
        if self.way is _Way.ASSOCIATED_NODE:
            return self.attributes("nodes", "*")
        if self.way is _Way.ARBITRARY_NODE:
            return self.attributes("nodes", self.wanted.name.removeprefix(_NODE))
        return self.attributes("users", self.wanted.name)

    def groups(self) -> _Checked:
        groups = self.wanted.groups
        if self.way is not _Way.BROAD:
            self._refuse_groups(groups)
        is_many = self.way is not _Way.BROAD and len(groups) >= _MANY
        every = self.attributes("groups", "*") if is_many else None
        return every, (self.attributes("groups", group) for group in groups)

    def extra(self) -> _Checked:
        pairs = [(key, value) for key, values in self.wanted.extra.items() for value in values]
        is_many = self.way is not _Way.BROAD and len(pairs) >= _MANY
        every = self.attributes("userextras", "*", "*") if is_many else None
        return every, (self.attributes("userextras", value, key) for key, value in pairs)

    def _refuse_groups(self, groups: tuple[str, ...]) -> None:
        if "" in groups:
            why = "impersonating the empty string group is not allowed"
            raise forbidden_by(self.caller, self.attributes("groups", ""), why)
        if MASTERS in groups:
            why = f"impersonating the {MASTERS} group is not allowed"
            raise forbidden_by(self.caller, self.attributes("groups", MASTERS), why)


def _applies(way: _Way, caller: Caller, wanted: Caller) -> bool:
    is_node, is_account = _is_node(wanted.name), _account_of(wanted.name) is not None
    is_name_only = not (wanted.uid or wanted.groups or wanted.extra)
    match way:
        case _Way.ASSOCIATED_NODE:
            is_own = caller.extra.get(_NODE_EXTRA) == (wanted.name.removeprefix(_NODE),)
            return is_name_only and is_node and is_own and _account_of(caller.name) is not None
        case _Way.ARBITRARY_NODE:
            return is_name_only and is_node
        case _Way.SERVICE_ACCOUNT:
            return is_name_only and is_account
        case _Way.USER_INFO:
            return not is_node and not is_account
        case _Way.BROAD:
            return True


def _completed(way: _Way, wanted: Caller) -> Caller:
    """Return the wanted one with the groups that follow from the name."""
    groups = wanted.groups
    account = _account_of(wanted.name)
    if account is not None and not groups:
        groups = account_groups(account[0])
    elif way in (_Way.ASSOCIATED_NODE, _Way.ARBITRARY_NODE):
        groups = ("system:nodes",)
    if wanted.name == ANONYMOUS:
        added = UNAUTHENTICATED
    else:
        added = "" if UNAUTHENTICATED in groups else AUTHENTICATED
    return replace(wanted, groups=groups if not added or added in groups else (*groups, added))


def account_groups(namespace: str) -> tuple[str, ...]:
    """Return the groups of a namespace's ServiceAccounts."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")


def _account_of(name: str) -> tuple[str, str] | None:
    namespace, is_account, account = name.removeprefix(_ACCOUNT).partition(":")
    if not name.startswith(_ACCOUNT) or not is_account or not namespace or not account or ":" in account:
        return None
    return namespace, account


def _is_node(name: str) -> bool:
    node = name.removeprefix(_NODE)
    return name.startswith(_NODE) and bool(node) and node == node.lower() and node.strip("-.") == node


def _in_go(uid: str, groups: tuple[str, ...], extra: Mapping[str, tuple[str, ...]]) -> str:
    """Write a user as the real server's message does."""
    listed = f"[]string{{{', '.join(map(quoted, groups))}}}" if groups else "[]string(nil)"
    pairs = ", ".join(
        f"{quoted(key)}:[]string{{{', '.join(map(quoted, extra[key]))}}}" for key in sorted(extra)
    )
    mapped = f"map[string][]string{{{pairs}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{quoted(uid)}, Groups:{listed}, Extra:{mapped}}}'
