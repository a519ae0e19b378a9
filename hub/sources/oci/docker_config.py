"""Credentials for registries as Docker's configuration holds them, and which of them are for a repository. Pure.

Matching is that of a cluster's own image pulls: hosts may hold `*` for a label, paths are prefixes, the most specific entry wins.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import msgspec

from hub.sources.oci.reference import DOCKER_HUB, DOCKER_HUB_HOST, Repository

KEY = ".dockerconfigjson"


class InvalidDockerConfig(ValueError):
    """A Secret does not hold a Docker configuration. The text shows nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one registry is told; empty is nothing. An identity token is exchanged, a registry token sent as it is."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be shown."""
        return tuple(text for text in (self.password, self.identity_token, self.registry_token) if text)


ANONYMOUS = Login()


class _Entry(msgspec.Struct, frozen=True):
    username: str = ""
    password: str = ""
    auth: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _Config(msgspec.Struct, frozen=True):
    auths: Mapping[str, _Entry] = {}


def logins(data: Mapping[str, bytes]) -> Mapping[str, Login]:
    """Read a Secret of type kubernetes.io/dockerconfigjson: logins by what they are for. Raises InvalidDockerConfig."""
    raw = data.get(KEY)
    if raw is None:
        raise InvalidDockerConfig(
            f"key '{KEY}' not found; the Secret must be of type kubernetes.io/dockerconfigjson"
        )
    try:
        entries = msgspec.json.decode(raw, type=_Config).auths
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        # The library's text may quote what is wrong.
        raise InvalidDockerConfig(f"key '{KEY}' does not hold a Docker configuration in JSON") from problem
    return {name: _login(name, entry) for name, entry in entries.items()}


def login_for(repository: Repository, given: Iterable[Mapping[str, Login]]) -> Login:
    """Return the most specific login that is for a repository; of equal ones that of the first Secret."""
    found = [
        (pattern, login)
        for one in given
        for name, login in one.items()
        if _matches(pattern := _pattern(name), repository)
    ]
    # A sort by length keeps the order of equals.
    found.sort(key=lambda one: len(one[0]), reverse=True)
    return found[0][1] if found else ANONYMOUS


def _login(name: str, entry: _Entry) -> Login:
    username, password = entry.username, entry.password
    if entry.auth and not (username and password):
        try:
            text = base64.b64decode(entry.auth + "=" * (-len(entry.auth) % 4), validate=True).decode()
        except (binascii.Error, ValueError) as problem:
            raise InvalidDockerConfig(f"'auth' of {name} in key '{KEY}' is not Base64") from problem
        username, _, password = text.partition(":")
    return Login(
        username=username,
        password=password,
        identity_token=entry.identitytoken,
        registry_token=entry.registrytoken,
    )


def _pattern(name: str) -> str:
    """Return `HOST[:PORT][/PATH]` of a name: without scheme, and without the version of the API that Docker writes."""
    host, _, path = name.rpartition("://")[2].partition("/")
    parts = path.strip("/").split("/")
    if parts[0] in ("v1", "v2"):
        del parts[0]
    host = DOCKER_HUB_HOST if host == DOCKER_HUB else host
    return "/".join((host, *(part for part in parts if part)))


def _matches(pattern: str, repository: Repository) -> bool:
    host, _, path = pattern.partition("/")
    wanted, given = host.lower().split("."), repository.host.lower().split(".")
    is_host = len(wanted) == len(given) and all(
        fnmatchcase(label, glob) for glob, label in zip(wanted, given, strict=True)
    )
    return is_host and (not path or f"{repository.path}/".startswith(f"{path}/"))
