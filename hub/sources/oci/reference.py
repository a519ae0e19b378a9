"""Which artifact of a registry an OCIRepository asks for. Pure: works on the tags that the registry lists.

Of the fields of a reference the first that is set counts, in the order digest, semver, tag; without any it is the tag `latest`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import re2

from hub.model.ocirepository import DEFAULT_TAG, LayerSelector, OciRef
from hub.sources import semver

SCHEME = "oci://"
HELM_CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
DOCKER_HUB, DOCKER_HUB_HOST = "docker.io", "index.docker.io"
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class InvalidUrl(ValueError):
    """A URL does not name a repository of a registry."""


class InvalidReference(ValueError):
    """A reference is malformed, or no tag satisfies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of a registry: `host` with its port, `path` without slashes around it."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One manifest: its digest, and the tag that it was found by, empty when the digest was written."""

    digest: str
    tag: str = ""

    @property
    def revision(self) -> str:
        return f"{self.tag}@{self.digest}" if self.tag else self.digest


def repository_of(url: str) -> Repository:
    """Read the URL of an OCIRepository. Raises InvalidUrl."""
    if not url.startswith(SCHEME):
        raise InvalidUrl("URL must be in format 'oci://<domain>/<org>/<repo>'")
    host, slash, path = url.removeprefix(SCHEME).partition("/")
    name = path.partition("@")[0]
    name = name.partition(":")[0]
    if name != path:
        raise InvalidUrl(f"URL must not contain a tag; remove '{path.removeprefix(name)}'")
    if not slash or not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
        raise InvalidUrl("could not parse reference: it must be oci://HOST[:PORT]/REPOSITORY in lower case")
    if host == DOCKER_HUB:
        host = DOCKER_HUB_HOST
    if host == DOCKER_HUB_HOST and "/" not in path:
        path = f"library/{path}"
    return Repository(host=host, path=path)


def is_digest(text: str) -> bool:
    """Tell whether a text is a digest that this hub can verify."""
    return _DIGEST.fullmatch(text) is not None


def digest_of(ref: OciRef) -> str:
    """Return the digest that a reference is pinned to, empty for none. Raises InvalidReference."""
    if ref.digest and not is_digest(ref.digest):
        raise InvalidReference(f"spec.ref.digest '{ref.digest}' must be sha256: and 64 hexadecimal digits")
    return ref.digest


def tag_of(ref: OciRef) -> str:
    """Return the tag of a reference without a range. Raises InvalidReference."""
    tag = ref.tag or DEFAULT_TAG
    if not _TAG.fullmatch(tag):
        raise InvalidReference(f"spec.ref.tag '{tag}' is not a tag")
    return tag


def best_tag(ref: OciRef, tags: Iterable[str], selector: LayerSelector | None = None) -> str:
    """Return the tag of the highest version in the range of spec.ref.semver. Raises InvalidReference.

    Tags cannot hold a `+`: those of Helm charts have `_` in its place.
    """
    is_chart = selector is not None and selector.media_type == HELM_CHART_LAYER
    try:
        wanted = semver.parse_constraint(ref.semver)
    except semver.InvalidConstraint as problem:
        raise InvalidReference(f"semver '{ref.semver}' parse error: {problem}") from problem
    spelled = {
        (tag.replace("_", "+") if is_chart else tag): tag for tag in _filtered(tags, ref.semver_filter)
    }
    matching = [version for version in semver.full_versions(spelled) if wanted.accepts(version)]
    if not matching:
        raise InvalidReference(f"no match found for semver: {ref.semver}")
    return spelled[max(matching).original]


def _filtered(tags: Iterable[str], pattern: str) -> list[str]:
    if not pattern:
        return list(tags)
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as problem:
        raise InvalidReference(f"failed to compile regexp '{pattern}': {problem}") from problem
    return [tag for tag in tags if compiled.search(tag)]
