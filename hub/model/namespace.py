"""A namespace of the management cluster, as far as the hub looks at it. Pure."""

from collections.abc import Mapping

from hub.model.metadata import Metadata
from hub.model.value import Value, read


class Namespace(Value, frozen=True, kw_only=True):
    """A namespace of the management cluster: its labels and annotations say where deliveries in it go."""

    metadata: Metadata

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "Namespace":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)
