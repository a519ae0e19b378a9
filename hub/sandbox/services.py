"""How Services behave as objects: as other built-in kinds, but that each is given an address and ports that no other has."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.kube.api import Object
from hub.sandbox.behaviour import BuiltIn, refuse
from hub.sandbox.kinds.addresses import allocated
from hub.sandbox.storage import KindKey

KIND: KindKey = ("", "services")


@dataclass(frozen=True, kw_only=True)
class ServiceKind(BuiltIn):
    """The kind Service of one server. `others` are the Services that are stored."""

    others: Callable[[], Iterable[Object]]

    def new(self, value: Object, suffix: str) -> Object:
        given, faults = allocated(None, value, self.others())
        refuse(self.resource, value, faults)
        return super().new(given, suffix)

    def changed(self, before: Object, after: Object, subresource: str) -> Object:
        made = super().changed(before, after, subresource)
        if subresource:
            return made
        given, faults = allocated(before, made, self.others())
        refuse(self.resource, before, faults)
        return given
