"""Jobs and CronJobs. Pure."""

import re
from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.containers import faults_of_template
from hub.sandbox.kinds.faults import negative, required, unchanged, unsupported, wrong
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.pods import default_template
from hub.sandbox.kinds.rule import Rules, alike
from hub.sandbox.kinds.values import at, child, copied, fill, items_at, mapping_at
from hub.sandbox.kinds.workloads import selects
from hub.sandbox.refusals import Cause

_MOST = 2147483647
_UID = "batch.kubernetes.io/controller-uid"
_FIXED = (
    "selector",
    "template",
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
)
_NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_POD_DIRECTIVES = ("nodeSelector", "tolerations", "affinity", "schedulingGates")
_CRON_NAME_LENGTH = 52
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def _default_job(value: Object) -> None:
    spec = child(value, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(
        spec,
        parallelism=1,
        backoffLimit=6 if spec.get("backoffLimitPerIndex") is None else _MOST,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed",
        manualSelector=False,
    )
    _default_failures(spec)
    default_template(spec)
    labels = at(spec, "template", "metadata", "labels")
    if labels and not at(value, "metadata", "labels"):
        child(value, "metadata")["labels"] = copied(labels)


def _default_failures(spec: Object) -> None:
    for rule in items_at(spec, "podFailurePolicy", "rules"):
        for one in items_at(rule, "onPodConditions"):
            fill(one, status="True")


def _prepare_job(value: Object) -> None:
    """Give a Job the labels by which it knows its Pods."""
    spec = child(value, "spec")
    if spec.get("manualSelector"):
        return
    labels = child(child(child(spec, "template"), "metadata"), "labels")
    # A Job that took its labels from the template takes these too.
    is_shared = bool(labels) and at(value, "metadata", "labels") == labels
    for key, text in _generated(value).items():
        labels.setdefault(key, text)
    child(child(spec, "selector"), "matchLabels").setdefault(_UID, at(value, "metadata", "uid"))
    if is_shared:
        value["metadata"]["labels"] = dict(labels)


def _faults_of_job(value: Object) -> Iterator[Cause]:
    yield from _faults_of_generated(value)
    yield from _faults_of_job_update(value)


def _faults_of_job_update(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    yield from _faults_of_job_spec("spec", spec)
    if (selector := spec.get("selector")) is None:
        yield required("spec.selector")
    else:
        yield from faults_of_selector("spec.selector", selector)
    labels = at(spec, "template", "metadata", "labels")
    if selector is None or not selects(selector, labels or {}):
        yield wrong("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _faults_of_generated(value: Object) -> Iterator[Cause]:
    """Yield that somebody else set the labels a server sets."""
    spec = mapping_at(value, "spec")
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    labels, wanted = mapping_at(spec, "template", "metadata", "labels"), _generated(value)
    for key, text in wanted.items():
        field, why = f"spec.template.metadata.labels[{key}]", f"must be '{text}'"
        if key not in labels:
            yield required(field, why)
        elif labels[key] != text:
            yield wrong(field, labels, why)
    if not selects(spec["selector"], wanted):
        yield wrong("spec.selector", spec["selector"], "`selector` not auto-generated")


def _generated(job: Object) -> Mapping[str, str]:
    """Return the labels by which a Job knows its Pods."""
    name, uid = at(job, "metadata", "name") or "", at(job, "metadata", "uid") or ""
    return {"controller-uid": uid, "job-name": name, _UID: uid, "batch.kubernetes.io/job-name": name}


def _faults_of_job_spec(path: str, spec: Object) -> Iterator[Cause]:
    for key in _NUMBERS:
        yield from negative(f"{path}.{key}", spec.get(key))
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        yield unsupported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed" and spec.get("completions") is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if mode in (None, "NonIndexed"):
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(key) is not None:
                yield wrong(f"{path}.{key}", spec[key], "requires indexed completion mode")
    wanted = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    if (replaced := spec.get("podReplacementPolicy")) is not None and replaced not in wanted:
        yield unsupported(f"{path}.podReplacementPolicy", replaced, wanted)
    yield from faults_of_template(f"{path}.template", mapping_at(spec, "template"))
    policy, field = at(spec, "template", "spec", "restartPolicy"), f"{path}.template.spec.restartPolicy"
    if policy in (None, "", "Always"):
        yield required(field, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield unsupported(field, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield wrong(field, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _faults_of_job_change(before: Object, after: Object) -> Iterator[Cause]:
    """Yield what may not change; the real server checks a changed Job a second time, as it does here."""
    yield from _faults_of_job_update(after)
    old, new = mapping_at(before, "spec"), mapping_at(after, "spec")
    if old.get("completions") != new.get("completions"):
        if new.get("completionMode") != "Indexed":
            yield from unchanged("spec.completions", old.get("completions"), new.get("completions"))
        elif new.get("completions") is not None and new["completions"] != new.get("parallelism"):
            yield wrong(
                "spec.completions", new["completions"], "can only be modified in tandem with spec.parallelism"
            )
    for key in _FIXED:
        one, other = old.get(key), new.get(key)
        if key == "template" and _may_be_directed(before):
            one, other = _undirected(one), _undirected(other)
        if not alike(one, other):
            yield from unchanged(f"spec.{key}", old.get(key), new.get(key))


def _may_be_directed(job: Object) -> bool:
    """Tell whether the Pods of a Job can still be told where to run: it is suspended and never started."""
    return bool(at(job, "spec", "suspend")) and at(job, "status", "startTime") is None


def _undirected(template: object) -> object:
    made = copied(template)
    for key in _POD_DIRECTIVES:
        mapping_at(made, "spec").pop(key, None)
    for key in ("labels", "annotations"):
        mapping_at(made, "metadata").pop(key, None)
    return made


def _default_cron(value: Object) -> None:
    spec = child(value, "spec")
    fill(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    template = child(spec, "jobTemplate")
    child(template, "metadata")
    _default_failures(child(template, "spec"))
    default_template(template["spec"])


def _faults_of_cron(value: Object) -> Iterator[Cause]:
    spec, name = mapping_at(value, "spec"), at(value, "metadata", "name") or ""
    if not (schedule := spec.get("schedule")):
        yield required("spec.schedule")
    elif why := _why_no_schedule(schedule):
        yield wrong("spec.schedule", schedule, why)
    yield from negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if spec.get("timeZone") == "":
        yield wrong("spec.timeZone", "", "timeZone must be nil or non-empty string")
    policy = spec.get("concurrencyPolicy")
    if policy not in ("Allow", "Forbid", "Replace"):
        yield unsupported("spec.concurrencyPolicy", policy, ("Allow", "Forbid", "Replace"))
    yield from _faults_of_job_spec("spec.jobTemplate.spec", mapping_at(spec, "jobTemplate", "spec"))
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from negative(f"spec.{key}", spec.get(key))
    if len(name) > _CRON_NAME_LENGTH:
        yield wrong("metadata.name", name, names.longer(_CRON_NAME_LENGTH))


def _why_no_schedule(text: str) -> str:
    """Return why a text is no schedule, nothing when it is one."""
    if text.startswith("@"):
        known = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
        if text in known or re.fullmatch(r"@every (\d+(\.\d+)?(ns|us|ms|s|m|h))+", text):
            return ""
        return f"unrecognized descriptor: {text}"
    if "TZ" in text:
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    parts = text.split()
    if len(parts) != len(_RANGES):
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    for part, (least, most) in zip(parts, _RANGES, strict=True):
        for one in part.split(","):
            if why := _why_no_term(one, least, most):
                return why
    return ""


def _why_no_term(text: str, least: int, most: int) -> str:
    found = re.fullmatch(r"(\*|\?|(\w+)(?:-(\w+))?)(?:/(\d+))?", text)
    if found is None:
        return f"failed to parse int from {text}: strconv.Atoi: parsing {_quoted(text)}: invalid syntax"
    for number in (found[2], found[3]):
        if number is None or re.fullmatch("[A-Za-z]{3}", number):
            continue
        if not number.isdecimal():
            return (
                f"failed to parse int from {number}: strconv.Atoi: parsing {_quoted(number)}: invalid syntax"
            )
        if int(number) > most:
            return f"end of range ({int(number)}) above maximum ({most}): {text}"
        if int(number) < least:
            return f"beginning of range ({int(number)}) below minimum ({least}): {text}"
    if (found[2] or "").isdecimal() and (found[3] or "").isdecimal() and int(found[2]) > int(found[3]):
        return f"beginning of range ({int(found[2])}) beyond end of range ({int(found[3])}): {text}"
    if found[4] and int(found[4]) == 0:
        return f"step of range should be a positive number: {text}"
    return ""


def _quoted(text: str) -> str:
    return f'"{text}"'


KINDS: Mapping[str, Rules] = {
    "Job": Rules(
        defaults=_default_job,
        prepares=_prepare_job,
        checks=_faults_of_job,
        checks_change=_faults_of_job_change,
        status={},
        counted=(("spec",),),
    ),
    "CronJob": Rules(
        defaults=_default_cron,
        checks=_faults_of_cron,
        status_checks_metadata=False,
        status={},
        counted=(("spec",),),
        rechecks_metadata=False,
    ),
}
