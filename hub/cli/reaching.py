"""Asks, from a Pod in the cluster that is to be added, whether the hub answers there: an agent that cannot dial would only be silent."""

from importlib.resources import files

from agent.kube.api import Api, Object
from agent.kube.errors import AlreadyExists, NotFound
from agent.kube.resources import PODS
from hub.cli import output
from hub.cli.applying import find
from hub.cli.client import Caller, Failed
from hub.cli.manifests import Address
from hub.cli.progress import Progress, wait
from hub.model import installation
from hub.model.annotations import PART_OF

POD = "cartwheel-reach"
_STEPS = {
    11: "the hub's name does not resolve there",
    12: "no connection to the hub's address; is a firewall or a network policy between?",
    13: "what answers at the hub's address has no certificate of this hub's CA for it",
    14: "what answers at the hub's address does not speak TLS 1.3",
}
"""What deploy/agent/reach.py ends with, for where its words do not get into the Pod's status."""
_UNKNOWN = "the Pod that was to try failed"


def pod(namespace: str, image: str, *, address: Address, enrol_address: Address, ca: str) -> Object:
    """Return the Pod. It becomes ready when everything answers, and ends with a message when something does not."""
    env = {"ADDRESS": str(address), "ENROL_ADDRESS": str(enrol_address), "CA": ca}
    container: Object = {
        "name": "reach",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", (files("hub") / "agent_files" / "reach.py").read_text()],
        "env": [
            *({"name": key, "value": value} for key, value in env.items()),
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "ports": [{"name": "http", "containerPort": 8082}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    security = {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": POD,
            "namespace": namespace,
            "labels": {PART_OF: installation.PART_OF_VALUE, "app.kubernetes.io/name": POD},
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": installation.AGENT,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": security,
            "containers": [container],
        },
    }


async def check_reach(caller: Caller, api: Api, body: Object, *, deadline_s: float) -> None:
    """Run the Pod until it says yes or no, and take it away. Raises Failed that names the failing step."""
    namespace = body["metadata"]["namespace"]
    output.action("checking from a Pod of that cluster that the hub answers")
    await _create(caller, api, body, deadline_s=deadline_s)

    async def look() -> Progress:
        return verdict(await api.get(PODS, namespace, POD))

    try:
        await wait(caller, look, deadline_s=deadline_s, subject=f"Pod {namespace}/{POD} to reach the hub")
    finally:
        await _delete(api, namespace)
    output.success("the hub answers there")


def verdict(one: Object) -> Progress:
    """Say what a Pod's status tells. Raises Failed when the hub was not reached."""
    status = one.get("status", {})
    for container in status.get("containerStatuses", ()):
        ended: Object = container.get("state", {}).get("terminated") or {}
        if ended or container.get("restartCount"):
            words = str(ended.get("message") or "").strip()
            why = words or _STEPS.get(int(ended.get("exitCode") or 0), _UNKNOWN)
            raise Failed(
                f"the hub cannot be reached from that cluster: {why}; give the address that this cluster can dial with"
                " --hub-address, or leave the check out with --skip-check"
            )
        if container.get("ready"):
            return Progress(done=True, message="")
        waiting = container.get("state", {}).get("waiting") or {}
        text = ": ".join(part for part in (waiting.get("reason"), waiting.get("message")) if part)
        if text:
            return Progress(done=False, message=f"Pod {POD}: {text}")
    return Progress(done=False, message=f"Pod {POD} is {status.get('phase', 'Pending')}")


async def _create(caller: Caller, api: Api, body: Object, *, deadline_s: float) -> None:
    """Create the Pod; one that an interrupted command left has other addresses in it and goes first."""
    namespace = body["metadata"]["namespace"]

    async def look() -> Progress:
        try:
            await api.create(PODS, namespace, body, field_manager=installation.FIELD_MANAGER)
        except AlreadyExists:
            await _delete(api, namespace)
            return Progress(done=False, message="")
        return Progress(done=True, message="")

    await wait(caller, look, deadline_s=deadline_s, subject=f"an earlier Pod {namespace}/{POD} to go")


async def _delete(api: Api, namespace: str) -> None:
    found = await find(api, PODS, namespace, POD)
    if found is not None:
        try:
            await api.delete(PODS, namespace, POD, uid=found["metadata"]["uid"])
        except NotFound:
            return
