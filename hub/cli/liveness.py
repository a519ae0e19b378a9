"""Whether a hub is at work: what its Lease proves. Statuses are as of its last moment when it is not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.kube.api import Api
from agent.kube.resources import LEASES
from hub.cli.ages import short
from hub.cli.applying import find
from hub.model import installation
from hub.model.durations import instant

STALE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """The hub that leads, or led. `age` is None when none ever did."""

    holder: str
    age: timedelta | None

    @property
    def is_alive(self) -> bool:
        return self.age is not None and self.age < STALE_AFTER

    @property
    def text(self) -> str:
        """Say what is known, and what to do when that is not good."""
        look = f"see `kubectl -n {installation.NAMESPACE} get pods`"
        if self.age is None:
            return (
                "no hub leads, and what is shown is as the last one left it; `hub check` says what is missing"
            )
        if not self.is_alive:
            return f"hub {self.holder} last renewed its lease {short(self.age)} ago: what is shown is as of then; {look}"
        return f"hub {self.holder} leads"


async def leader(api: Api, now: datetime) -> Leader:
    """Read who leads."""
    lease = await find(api, LEASES, installation.NAMESPACE, installation.HUB)
    spec = (lease or {}).get("spec") or {}
    if not (spec.get("renewTime") and spec.get("holderIdentity")):
        # A hub that ends in good order gives its Lease up.
        return Leader(holder="", age=None)
    return Leader(holder=str(spec["holderIdentity"]), age=now - instant(spec["renewTime"]))
