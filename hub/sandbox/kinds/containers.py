"""What is wrong with the spec of a Pod, as far as people meet it. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import (
    duplicate,
    forbidden,
    missing,
    negative,
    one_of,
    required,
    unsupported,
    wrong,
    wrongs,
)
from hub.sandbox.kinds.metadata import faults_of_labels
from hub.sandbox.kinds.quantities import canonical, worth
from hub.sandbox.kinds.scheduling import faults_of_scheduling
from hub.sandbox.kinds.services import PROTOCOLS, faults_of_port
from hub.sandbox.kinds.sources import (
    faults_of_environment,
    faults_of_source,
    faults_of_sources,
    in_order_of_types,
)
from hub.sandbox.kinds.values import at, indexed, items_at, mapping_at
from hub.sandbox.refusals import Cause

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_OTHER_RESOURCES = ("storage", "pods", "services", "secrets", "configmaps", "resourcequotas")
_NO_HANDLER = "must specify a handler type"


def faults_of_template(path: str, template: Object) -> Iterator[Cause]:
    """Yield what is wrong with a template of Pods."""
    metadata = mapping_at(template, "metadata")
    yield from faults_of_labels(f"{path}.labels", metadata.get("labels"))
    for key in mapping_at(metadata, "annotations"):
        yield from wrongs(f"{path}.annotations", key, names.qualified(key.lower()))
    yield from faults_of_pod_spec(f"{path}.spec", mapping_at(template, "spec"))


def faults_of_pod_spec(path: str, spec: Object) -> Iterator[Cause]:
    """Yield what is wrong with the spec of a Pod, in the order of a real server."""
    volumes: set[str] = set()
    for place, volume in indexed(f"{path}.volumes", items_at(spec, "volumes")):
        if faults := list(_faults_of_volume(place, volume, volumes)):
            yield from faults
        else:
            volumes.add(volume["name"])
    seen: set[str] = set()
    containers = items_at(spec, "containers")
    if not containers:
        yield required(f"{path}.containers")
    for place, one in indexed(f"{path}.containers", containers):
        yield from _faults_of_container(place, one, volumes)
        if one.get("name") in seen:
            yield duplicate(f"{place}.name", one["name"])
        seen.add(one.get("name") or "")
        yield from _faults_of_probes(place, one)
    yield from _faults_of_host_ports(f"{path}.containers", containers)
    yield from _faults_of_first_containers(path, spec, volumes, seen)
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), ("Always", "OnFailure", "Never"))
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _POLICIES)
    yield from faults_of_labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    yield from _faults_of_names(path, spec)
    yield from faults_of_scheduling(path, spec)


def faults_of_pod_change(before: Object, after: Object) -> Iterator[Cause]:
    """Yield what of a Pod may not change."""
    old, new = mapping_at(before, "spec"), mapping_at(after, "spec")
    for group in ("containers", "initContainers"):
        if len(items_at(old, group)) != len(items_at(new, group)):
            yield forbidden(f"spec.{group}", "pod updates may not add or remove containers")
            return
    if _fixed(old) != _fixed(new):
        yield forbidden("spec", f"pod updates may not change fields other than {','.join(_FREE)}")


_FREE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def _fixed(spec: Object) -> Object:
    """Return what of a Pod's spec an update may not change."""
    free = ("activeDeadlineSeconds", "tolerations", "schedulingGates")
    kept = {key: value for key, value in spec.items() if key not in free}
    for group in ("containers", "initContainers"):
        if group in kept:
            kept[group] = [{**one, "image": ""} for one in items_at(spec, group)]
    return kept


def _faults_of_volume(path: str, volume: Object, seen: set[str]) -> Iterator[Cause]:
    sources = in_order_of_types([(key, one) for key, one in volume.items() if isinstance(one, dict)])
    for key, _ in sources[1:]:
        yield forbidden(f"{path}.{key}", "may not specify more than 1 volume type")
    for key, source in sources[:1]:
        yield from faults_of_source(f"{path}.{key}", key, source)
    name = volume.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from wrongs(f"{path}.name", name, names.label(name))
    if name in seen:
        yield duplicate(f"{path}.name", name)


def _faults_of_container(path: str, container: Object, volumes: set[str]) -> Iterator[Cause]:
    if not (name := container.get("name")):
        yield required(f"{path}.name")
    else:
        yield from wrongs(f"{path}.name", name, names.label(name))
    if not container.get("image"):
        yield required(f"{path}.image")
    elif container["image"].strip() != container["image"]:
        yield wrong(f"{path}.image", container["image"], "must not have leading or trailing whitespace")
    policies = ("File", "FallbackToLogsOnError")
    yield from one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), policies)
    yield from _faults_of_ports(f"{path}.ports", items_at(container, "ports"))
    yield from faults_of_environment(f"{path}.env", items_at(container, "env"))
    yield from faults_of_sources(f"{path}.envFrom", items_at(container, "envFrom"))
    yield from _faults_of_mounts(f"{path}.volumeMounts", items_at(container, "volumeMounts"), volumes)
    yield from one_of(
        f"{path}.imagePullPolicy", container.get("imagePullPolicy"), ("Always", "IfNotPresent", "Never")
    )
    yield from _faults_of_resources(f"{path}.resources", mapping_at(container, "resources"))


def _faults_of_ports(path: str, ports: list[Object]) -> Iterator[Cause]:
    seen: set[str] = set()
    for place, one in indexed(path, ports):
        if name := one.get("name"):
            reasons = names.port_name(name)
            yield from wrongs(f"{place}.name", name, reasons)
            if not reasons and name in seen:
                yield duplicate(f"{place}.name", name)
            elif not reasons:
                seen.add(name)
        if not (number := one.get("containerPort")):
            yield required(f"{place}.containerPort")
        else:
            yield from wrongs(f"{place}.containerPort", number, names.port_number(number))
        if number := one.get("hostPort"):
            yield from wrongs(f"{place}.hostPort", number, names.port_number(number))
        yield from one_of(f"{place}.protocol", one.get("protocol"), PROTOCOLS)


def _faults_of_mounts(path: str, mounts: list[Object], volumes: set[str]) -> Iterator[Cause]:
    seen: set[str] = set()
    for place, one in indexed(path, mounts):
        if not one.get("name"):
            yield required(f"{place}.name")
        if one.get("name") not in volumes:
            yield missing(f"{place}.name", one.get("name") or "")
        if not (mounted := one.get("mountPath")):
            yield required(f"{place}.mountPath")
        if mounted in seen:
            yield wrong(f"{place}.mountPath", mounted or "", "must be unique")
        seen.add(mounted or "")


def _faults_of_resources(path: str, resources: Object) -> Iterator[Cause]:
    limits, requests = mapping_at(resources, "limits"), mapping_at(resources, "requests")
    for group, found in (("limits", limits), ("requests", requests)):
        for name, text in found.items():
            yield from _faults_of_resource(f"{path}.{group}[{name}]", name, text)
            limit, number = worth(limits.get(name)), worth(text)
            if group == "requests" and "/" in name and limit is None:
                yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
            if group == "requests" and limit is not None and number is not None and number > limit:
                why = f"must be less than or equal to {name} limit of {canonical(limits[name])}"
                yield wrong(f"{path}.requests", canonical(text), why)


def _faults_of_resource(path: str, name: str, text: object) -> Iterator[Cause]:
    yield from wrongs(path, name, names.qualified(name))
    if "/" not in name and name not in _RESOURCES and not name.startswith("hugepages-"):
        if name not in _OTHER_RESOURCES:
            yield wrong(path, name, "must be a standard resource type or fully qualified")
        yield wrong(path, name, "must be a standard resource for containers")
    if (number := worth(text)) is not None and number < 0:
        yield wrong(path, str(canonical(text)), "must be greater than or equal to 0")


def _faults_of_probes(path: str, container: Object) -> Iterator[Cause]:
    for event, handler in mapping_at(container, "lifecycle").items():
        if isinstance(handler, dict):
            yield from _faults_of_handler(f"{path}.lifecycle.{event}", handler)
    for name in _PROBES:
        probe = container.get(name)
        if not isinstance(probe, dict):
            continue
        place = f"{path}.{name}"
        yield from _faults_of_handler(place, probe)
        for key in (
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ):
            yield from negative(f"{place}.{key}", probe.get(key))
        if name != "readinessProbe" and (probe.get("successThreshold") or 1) != 1:
            yield wrong(f"{place}.successThreshold", probe["successThreshold"], "must be 1")


def _faults_of_handler(path: str, handler: Object) -> Iterator[Cause]:
    kinds = [
        key for key in ("exec", "httpGet", "tcpSocket", "grpc", "sleep") if isinstance(handler.get(key), dict)
    ]
    for key in kinds[1:]:
        yield forbidden(f"{path}.{key}", "may not specify more than 1 handler type")
    if not kinds:
        yield required(path, _NO_HANDLER)
        return
    found = handler[kinds[0]]
    match kinds[0]:
        case "exec":
            if not found.get("command"):
                yield required(f"{path}.exec.command")
        case "httpGet" | "tcpSocket":
            yield from faults_of_port(f"{path}.{kinds[0]}.port", found.get("port"))
            if kinds[0] == "httpGet" and found.get("scheme") not in ("HTTP", "HTTPS"):
                yield unsupported(f"{path}.httpGet.scheme", found.get("scheme"), ("HTTP", "HTTPS"))
        case "grpc":
            yield from faults_of_port(f"{path}.grpc.port", found.get("port"))


def _faults_of_host_ports(path: str, containers: list[Object]) -> Iterator[Cause]:
    seen: set[str] = set()
    for place, container in indexed(path, containers):
        for where, one in indexed(f"{place}.ports", items_at(container, "ports")):
            if not one.get("hostPort"):
                continue
            key = f"{one.get('protocol')}/{one.get('hostIP') or ''}/{one['hostPort']}"
            if key in seen:
                yield duplicate(f"{where}.hostPort", key)
            seen.add(key)


def _faults_of_first_containers(
    path: str, spec: Object, volumes: set[str], seen: set[str]
) -> Iterator[Cause]:
    """Yield what is wrong with the containers that run before the others."""
    for place, one in indexed(f"{path}.initContainers", items_at(spec, "initContainers")):
        yield from _faults_of_container(place, one, volumes)
        is_aside = one.get("restartPolicy") == "Always"
        if one.get("name") in seen:
            yield duplicate(f"{place}.name", one["name"])
        seen.add(one.get("name") or "")
        if is_aside:
            yield from _faults_of_probes(place, one)
            continue
        for key in ("lifecycle", *_PROBES):
            if one.get(key) is not None:
                yield forbidden(
                    f"{place}.{key}", "may not be set for init containers without restartPolicy=Always"
                )


def _faults_of_names(path: str, spec: Object) -> Iterator[Cause]:
    rules: Mapping[str, names.NameRule] = {
        "serviceAccountName": names.subdomain,
        "nodeName": names.subdomain,
        "hostname": names.label,
        "subdomain": names.label,
        "priorityClassName": names.subdomain,
        "runtimeClassName": names.subdomain,
    }
    for key, rule in rules.items():
        if text := spec.get(key):
            yield from wrongs(f"{path}.{key}", text, rule(text))
    deadline = spec.get("activeDeadlineSeconds")
    if isinstance(deadline, int) and not 1 <= deadline <= 2147483647:
        yield wrong(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive")


def quality_of(pod: Object) -> str:
    """Return the class of service of a Pod, which a server writes in its status."""
    bounded, is_any = True, False
    for group in ("containers", "initContainers"):
        for one in items_at(pod, "spec", group):
            resources = mapping_at(one, "resources")
            for name in ("cpu", "memory"):
                request, limit = worth(at(resources, "requests", name)), worth(at(resources, "limits", name))
                is_any = is_any or bool(request) or bool(limit)
                bounded = bounded and bool(limit) and request == limit
    return "Guaranteed" if bounded and is_any else "Burstable" if is_any else "BestEffort"


def prepare_pod(pod: Object) -> None:
    """Set the status of a new Pod."""
    pod["status"] = {"phase": "Pending", "qosClass": quality_of(pod)}
    if at(pod, "spec", "schedulingGates"):
        pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": at(pod, "metadata", "creationTimestamp"),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
