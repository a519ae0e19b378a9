"""Finds out who sends a request: by a bearer token, or nobody in particular."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hub.sandbox.access.impersonation import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED
from hub.sandbox.access.tokens import API_AUDIENCES, AccountTokens, Authenticated, Rejected
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller

_UNKNOWN = "invalid bearer token"


def unauthorized() -> Refused:
    """Return the refusal of credentials that are not good; the reason is told to nobody."""
    return Refused(401, "Unauthorized", "Unauthorized")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """Who may come to one cluster: the holders of fixed tokens, its ServiceAccounts, and strangers."""

    fixed: Mapping[str, Caller]
    accounts: AccountTokens
    is_open_to_strangers: bool = True

    def caller_of(self, headers: Mapping[str, str]) -> Caller:
        """Return who sends a request. Raises Refused (401)."""
        token = bearer_token(headers)
        if not token:
            if self.is_open_to_strangers:
                return Caller(name=ANONYMOUS, groups=(UNAUTHENTICATED,))
            raise unauthorized()
        try:
            return self.authenticate(token).caller
        except Rejected as problem:
            raise unauthorized() from problem

    def authenticate(self, token: str, audiences: Iterable[str] = API_AUDIENCES) -> Authenticated:
        """Return who a token is. Raises Rejected, in the words of a TokenReview."""
        asked = tuple(audiences)
        known = self.fixed.get(token)
        shared = tuple(one for one in asked if one in API_AUDIENCES)
        if known is not None and shared:
            return Authenticated(caller=_authenticated(known), audiences=shared)
        try:
            return self.accounts.authenticate(token, asked)
        except Rejected as problem:
            raise Rejected(_UNKNOWN if problem.is_foreign else f"[{_UNKNOWN}, {problem}]") from problem


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the token that a request carries, empty where it carries none that is read."""
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    return rest.partition(" ")[0] if scheme.lower() == "bearer" else ""


def _authenticated(caller: Caller) -> Caller:
    groups = caller.groups
    return caller if AUTHENTICATED in groups else replace(caller, groups=(*groups, AUTHENTICATED))
