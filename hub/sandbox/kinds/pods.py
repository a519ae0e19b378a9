"""Defaults of Pods and of the templates of Pods. Pure; values are changed in place, callers give copies."""

from agent.kube.api import Object
from hub.sandbox.kinds.quantities import tidied, tidied_field
from hub.sandbox.kinds.values import child, copied, fill, fill_numbers, items_at, mapping_at

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE = 0o644


def default_template(owner: Object, key: str = "template") -> None:
    """Fill in a template of Pods."""
    template = child(owner, key)
    child(template, "metadata")
    default_pod_spec(child(template, "spec"))


def default_pod(pod: Object) -> None:
    """Fill in a Pod, which gets a little more than a template."""
    spec = child(pod, "spec")
    default_pod_spec(spec)
    for group in ("initContainers", "containers"):
        for one in items_at(spec, group):
            _request_limits(one)
            if spec.get("hostNetwork"):
                for port in items_at(one, "ports"):
                    fill_numbers(port, hostPort=port.get("containerPort") or 0)
    fill(spec, enableServiceLinks=True)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for one in items_at(pod, "status", "conditions"):
        for key in ("lastProbeTime", "lastTransitionTime"):
            one.setdefault(key, None)


def default_pod_spec(spec: Object) -> None:
    """Fill in what Pods and templates have in common."""
    fill(
        spec,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
    )
    child(spec, "securityContext")
    _agree_on_account(spec)
    for path in (("overhead",), ("resources", "limits"), ("resources", "requests")):
        tidied(spec, *path)
    for group in _CONTAINERS:
        for one in items_at(spec, group):
            _default_container(one)
    for one in items_at(spec, "volumes"):
        _default_volume(one)


def is_newest(image: str) -> bool:
    """Tell whether an image is named without a version, or by the tag `latest`."""
    if "@" in image:
        return False
    _, is_tagged, tag = image.rpartition("/")[2].partition(":")
    return not is_tagged or tag == "latest"


def _agree_on_account(spec: Object) -> None:
    """Name the service account in the old field too; the new one wins."""
    if name := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _default_container(container: Object) -> None:
    fill(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if is_newest(str(container.get("image") or "")) else "IfNotPresent",
    )
    resources = child(container, "resources")
    tidied(resources, "limits")
    tidied(resources, "requests")
    for port in items_at(container, "ports"):
        fill(port, protocol="TCP")
    for variable in items_at(container, "env"):
        _default_reference(mapping_at(variable, "valueFrom"))
        if optional := mapping_at(variable, "valueFrom", "fileKeyRef"):
            fill(optional, optional=False)
    for name in _PROBES:
        if isinstance(probe := container.get(name), dict):
            fill_numbers(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            _default_handler(probe)
    for handler in mapping_at(container, "lifecycle").values():
        if isinstance(handler, dict):
            _default_handler(handler)


def _default_handler(handler: Object) -> None:
    if isinstance(request := handler.get("httpGet"), dict):
        fill(request, path="/", scheme="HTTP")
    if isinstance(call := handler.get("grpc"), dict) and call.get("service") is None:
        call["service"] = ""


def _default_reference(source: Object) -> None:
    """Fill in where a value about the Pod itself comes from."""
    if isinstance(field := source.get("fieldRef"), dict):
        fill(field, apiVersion="v1")
    if isinstance(resource := source.get("resourceFieldRef"), dict):
        fill(resource, divisor="0")
        tidied_field(resource, "divisor")


def _default_volume(volume: Object) -> None:
    if not any(isinstance(source, dict) for source in volume.values()):
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(source := volume.get(name), dict):
            fill(source, defaultMode=_MODE)
    if isinstance(path := volume.get("hostPath"), dict) and path.get("type") is None:
        path["type"] = ""
    if isinstance(image := volume.get("image"), dict):
        fill(image, pullPolicy="Always" if is_newest(str(image.get("reference") or "")) else "IfNotPresent")
    tidied_field(mapping_at(volume, "emptyDir"), "sizeLimit")
    if isinstance(claim := mapping_at(volume, "ephemeral").get("volumeClaimTemplate"), dict):
        child(claim, "metadata")
        default_claim_spec(child(claim, "spec"))
    _default_less_usual_volume(volume)
    for source in (volume, *items_at(volume, "projected", "sources")):
        for one in items_at(source, "downwardAPI", "items"):
            _default_reference(one)
        if isinstance(token := source.get("serviceAccountToken"), dict):
            fill_numbers(token, expirationSeconds=3600)


def _default_less_usual_volume(volume: Object) -> None:
    if isinstance(target := volume.get("iscsi"), dict):
        fill(target, iscsiInterface="default")
    if isinstance(disk := volume.get("azureDisk"), dict):
        fill(disk, cachingMode="ReadWrite", fsType="ext4", readOnly=False, kind="Shared")
    if isinstance(image := volume.get("rbd"), dict):
        fill(image, pool="rbd", user="admin", keyring="/etc/ceph/keyring")
    if isinstance(store := volume.get("scaleIO"), dict):
        fill(store, storageMode="ThinProvisioned", fsType="xfs")


def default_claim_spec(spec: Object) -> None:
    """Fill in what a PersistentVolumeClaim asks for."""
    fill(spec, volumeMode="Filesystem")
    resources = child(spec, "resources")
    tidied(resources, "limits")
    tidied(resources, "requests")


def _request_limits(container: Object) -> None:
    resources = child(container, "resources")
    if isinstance(limits := resources.get("limits"), dict):
        resources["requests"] = {**copied(limits), **(resources.get("requests") or {})}
