"""What must be so before anything is installed: no Flux controller that would act on the same resources, no schema that would be lost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from agent.kube.api import Api, Object
from agent.kube.resources import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS
from hub.cli.applying import find
from hub.cli.client import Failed
from hub.crds import Install, Keep, KeepReason, decide, packaged
from hub.model import installation

SAME_KINDS = frozenset({"source-controller", "kustomize-controller"})
"""Flux's controllers of the kinds that the hub serves."""
_OTHERS = frozenset(
    {
        "helm-controller",
        "notification-controller",
        "image-reflector-controller",
        "image-automation-controller",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FluxController:
    """A controller of Flux that runs in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def serves_the_same_kinds(self) -> bool:
        return self.name in SAME_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class CrdPlan:
    """Which of the hub's CRDs are written, and what is to be said of those that stay as they are."""

    write: tuple[Object, ...]
    warnings: tuple[str, ...]


def controllers_among(deployments: Iterable[Object]) -> tuple[FluxController, ...]:
    """Return Flux's controllers that have replicas."""
    return tuple(
        FluxController(namespace=one["metadata"]["namespace"], name=one["metadata"]["name"])
        for one in deployments
        if _is_flux(one) and one["spec"].get("replicas", 1) > 0
    )


async def refuse_beside_flux(api: Api, *, beside_flux: bool) -> None:
    """Raise Failed when Flux's controllers run, with `beside_flux` only for those of the kinds that the hub serves."""
    running = controllers_among((await api.list(DEPLOYMENTS)).items)
    refused = [one for one in running if one.serves_the_same_kinds or not beside_flux]
    if not refused:
        return
    names = ", ".join(str(one) for one in refused)
    stop = "; ".join(
        f"kubectl -n {one.namespace} scale deployment {one.name} --replicas=0" for one in refused
    )
    if beside_flux:
        raise Failed(
            f"Flux controllers of the same kinds run in this cluster: {names}; stop them first: {stop}"
        )
    raise Failed(
        f"Flux controllers run in this cluster: {names}; stop them first ({stop}), or give --beside-flux to leave those"
        " alone that serve no kind of the hub's"
    )


async def is_beside_flux(api: Api) -> bool:
    """Tell whether Flux's controllers of other kinds were allowed when the hub was installed before."""
    config = await find(api, CONFIG_MAPS, installation.NAMESPACE, installation.HUB)
    return ((config or {}).get("data") or {}).get(installation.BESIDE_FLUX_KEY) == "true"


async def plan_crds(api: Api) -> CrdPlan:
    """Decide for every CRD. Raises Failed, before anything is written, when the hub could not work with what is there."""
    write: list[Object] = []
    warnings: list[str] = []
    refused: list[str] = []
    for ours in packaged():
        existing = await find(api, CUSTOM_RESOURCE_DEFINITIONS, "", ours["metadata"]["name"])
        match decide(existing, ours):
            case Install():
                write.append(dict(ours))
            case Keep(reason=KeepReason.NEWER, message=message):
                warnings.append(f"{message}; it stays as it is")
            case Keep(message=message):
                refused.append(message)
            case other:
                assert_never(other)
    if refused:
        raise Failed("; ".join(refused))
    return CrdPlan(write=tuple(write), warnings=tuple(warnings))


def is_established(crd: Mapping[str, object]) -> bool:
    """Tell whether the API server serves the kind."""
    status = crd.get("status")
    conditions = status.get("conditions", ()) if isinstance(status, Mapping) else ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _is_flux(deployment: Object) -> bool:
    """By Flux's label, or by name and image where somebody left the label out; what we install carries another label."""
    metadata = deployment["metadata"]
    if metadata["name"] not in SAME_KINDS | _OTHERS:
        return False
    labels: Mapping[str, str] = metadata.get("labels") or {}
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return labels.get("app.kubernetes.io/part-of") == "flux" or any(
        "fluxcd/" in one.get("image", "") for one in containers
    )
