"""What extends or shapes a server: webhooks, admission policies, API services, flow control, runtime classes. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import required, wrong, wrongs
from hub.sandbox.kinds.rule import Rules, Step
from hub.sandbox.kinds.values import at, child, fill, fill_numbers, items_at, mapping_at
from hub.sandbox.refusals import Cause

_SPEC = (("spec",),)


def _default_webhooks(value: Object) -> None:
    for hook in items_at(value, "webhooks"):
        fill(hook, failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
        child(hook, "namespaceSelector")
        child(hook, "objectSelector")
        for rule in items_at(hook, "rules"):
            fill(rule, scope="*")
        if isinstance(service := at(hook, "clientConfig", "service"), dict):
            fill(service, port=443)


def _default_mutating_webhooks(value: Object) -> None:
    _default_webhooks(value)
    for hook in items_at(value, "webhooks"):
        fill(hook, reinvocationPolicy="Never")


def _default_api_service(value: Object) -> None:
    spec = child(value, "spec")
    child(value, "status")
    if isinstance(service := spec.get("service"), dict):
        fill_numbers(service, port=443)


def _faults_of_api_service(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    name, group, version = at(value, "metadata", "name"), spec.get("group") or "", spec.get("version") or ""
    if name != f"{version}.{group}":
        yield wrong("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{version}.{group}"')
    if group:
        yield from wrongs("spec.group", group, names.subdomain(group))
    elif version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    yield from wrongs("spec.version", version, names.label_1035(version))
    for key, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        if not 0 < (spec.get(key) or 0) <= most:
            yield wrong(f"spec.{key}", spec.get(key) or 0, f"must be positive and less than {most}")
    yield from _faults_of_backend(spec)


def _faults_of_backend(spec: Object) -> Iterator[Cause]:
    service, is_insecure = spec.get("service"), bool(spec.get("insecureSkipTLSVerify"))
    if service is None:
        if is_insecure:
            yield wrong(
                "spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify"
            )
        return
    for key in ("namespace", "name"):
        if not service.get(key):
            yield required(f"spec.service.{key}")
    if is_insecure and spec.get("caBundle"):
        yield wrong("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present")


def _policies(defaults: Step, status: Mapping[str, str] | None = None) -> Rules:
    return Rules(defaults=defaults, status=status, counted=_SPEC, needs_version=True)


def _webhooks(defaults: Step) -> Rules:
    return Rules(defaults=defaults, counted=(("webhooks",),), needs_version=True)


def _default_admission_policy(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, failurePolicy="Fail")
    if isinstance(matched := spec.get("matchConstraints"), dict):
        _default_matching(matched)


def _default_admission_binding(value: Object) -> None:
    if isinstance(matched := child(value, "spec").get("matchResources"), dict):
        _default_matching(matched)


def _default_matching(matched: Object) -> None:
    fill(matched, matchPolicy="Equivalent")
    child(matched, "namespaceSelector")
    child(matched, "objectSelector")
    for key in ("resourceRules", "excludeResourceRules"):
        for rule in items_at(matched, key):
            fill(rule, scope="*")


def _prepare_api_service(value: Object) -> None:
    """Say of an API that the server serves itself that it is there."""
    if at(value, "spec", "service") is None:
        condition = {
            "type": "Available",
            "status": "True",
            "lastTransitionTime": at(value, "metadata", "creationTimestamp"),
            "reason": "Local",
            "message": "Local APIServices are always available",
        }
        value["status"] = {"conditions": [condition]}


def _default_flow(value: Object) -> None:
    fill_numbers(child(value, "spec"), matchingPrecedence=1000)


def _default_level(value: Object) -> None:
    if isinstance(limited := child(value, "spec").get("limited"), dict):
        fill(limited, nominalConcurrencyShares=30, lendablePercent=0)


GROUPS: Mapping[str, Mapping[str, Rules]] = {
    "admissionregistration.k8s.io": {
        "ValidatingWebhookConfiguration": _webhooks(_default_webhooks),
        "MutatingWebhookConfiguration": _webhooks(_default_mutating_webhooks),
        "ValidatingAdmissionPolicy": _policies(_default_admission_policy, status={}),
        "ValidatingAdmissionPolicyBinding": _policies(_default_admission_binding),
        "MutatingAdmissionPolicy": _policies(_default_admission_policy),
        "MutatingAdmissionPolicyBinding": _policies(_default_admission_binding),
    },
    "apiregistration.k8s.io": {
        "APIService": Rules(
            named=names.path_segment,
            defaults=_default_api_service,
            prepares=_prepare_api_service,
            has_own_finalizers=False,
            checks=_faults_of_api_service,
            status={},
            status_keeps=("labels", "annotations", "finalizers", "ownerReferences"),
            needs_version=True,
        )
    },
    "flowcontrol.apiserver.k8s.io": {
        "FlowSchema": Rules(defaults=_default_flow, status={}, counted=_SPEC),
        "PriorityLevelConfiguration": Rules(defaults=_default_level, status={}, counted=_SPEC),
    },
    "node.k8s.io": {"RuntimeClass": Rules(creates_on_update=True, needs_version=True)},
}
