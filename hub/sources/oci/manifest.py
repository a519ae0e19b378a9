"""Manifests of artifacts: what they say of their layers, and which of several platforms counts. Pure.

A manifest is what a registry sends: everything in it is checked before it is used.
"""

from collections.abc import Mapping

import msgspec

from hub.model.ocirepository import LayerSelector
from hub.sources.oci.reference import is_digest

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED = ", ".join((IMAGE, INDEX, DOCKER_IMAGE, DOCKER_INDEX))
MAX_BYTES = 4 << 20
MAX_ANNOTATIONS_BYTES = 64 << 10
_DEFAULT_PLATFORM = ("linux", "amd64")
# The hub's own words about artifacts are not for others to say.
_OWN = "fleet.cartwheel.dev/"


class InvalidManifest(ValueError):
    """A manifest cannot be used, or does not have what is asked for."""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that a manifest names."""

    media_type: str
    digest: str
    size: int


class _Platform(msgspec.Struct, frozen=True, kw_only=True):
    os: str = ""
    architecture: str = ""


class _Child(Descriptor, frozen=True, kw_only=True, rename="camel"):
    platform: _Platform | None = None


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    media_type: str = ""
    manifests: tuple[_Child, ...] | None = None
    layers: tuple[Descriptor, ...] | None = None
    annotations: Mapping[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of an artifact."""

    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    def layer(self, selector: LayerSelector | None) -> Descriptor:
        """Return the layer that is selected, the first when nothing says which. Raises InvalidManifest."""
        if not self.layers:
            raise InvalidManifest("no layers found in artifact")
        wanted = selector.media_type if selector is not None else ""
        if not wanted:
            return self.layers[0]
        for one in self.layers:
            if one.media_type == wanted:
                return one
        raise InvalidManifest(f"failed to find layer with media type '{wanted}' in artifact")


def read(raw: bytes) -> Manifest | str:
    """Read a manifest; of an index return the digest of the one for the default platform. Raises InvalidManifest."""
    try:
        found = msgspec.json.decode(raw, type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise InvalidManifest(f"the manifest cannot be read: {problem}") from problem
    if found.media_type in (INDEX, DOCKER_INDEX) or (found.manifests is not None and found.layers is None):
        return _of_platform(found.manifests or ())
    layers = found.layers or ()
    for one in layers:
        if not is_digest(one.digest) or one.size < 0:
            raise InvalidManifest(
                f"the manifest names a layer by '{one.digest[:80]}', which is no sha256 digest"
            )
    annotations = {
        name: text for name, text in (found.annotations or {}).items() if not name.startswith(_OWN)
    }
    if sum(len(name) + len(text) for name, text in annotations.items()) > MAX_ANNOTATIONS_BYTES:
        raise InvalidManifest(
            f"the annotations are larger than {MAX_ANNOTATIONS_BYTES} bytes together, which is the limit"
        )
    return Manifest(layers=layers, annotations=annotations)


def _of_platform(children: tuple[_Child, ...]) -> str:
    for child in children:
        platform = child.platform
        # One without a platform is for every one.
        if platform is None or (platform.os, platform.architecture) == _DEFAULT_PLATFORM:
            if not is_digest(child.digest):
                raise InvalidManifest(
                    f"the index names a manifest by '{child.digest[:80]}', which is no sha256 digest"
                )
            return child.digest
    raise InvalidManifest(f"no child with platform {'/'.join(_DEFAULT_PLATFORM)} in index")
