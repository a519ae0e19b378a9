"""What one rule of a role permits, and which rights it needs to hand rules on. Pure; a rule is a PolicyRule as stored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hub.sandbox.access.request_info import Attributes
from hub.sandbox.wording import quoted

Rule = Mapping[str, Sequence[str]]
EVERYTHING: tuple[Rule, ...] = (
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
)
_TITLES = {
    "APIGroups": "apiGroups",
    "Resources": "resources",
    "NonResourceURLs": "nonResourceURLs",
    "ResourceNames": "resourceNames",
    "Verbs": "verbs",
}


def permits(rule: Rule, asked: Attributes) -> bool:
    """Tell whether a rule allows what is asked."""
    if not _has(rule, "verbs", asked.verb):
        return False
    if not asked.is_resource:
        return any(_reaches(url, asked.path) for url in _of(rule, "nonResourceURLs"))
    names = _of(rule, "resourceNames")
    return (
        _has(rule, "apiGroups", asked.group)
        and _names_resource(_of(rule, "resources"), asked)
        and (not names or asked.name in names)
    )


def not_covered(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return the smallest parts of what is wanted that no rule held gives."""
    return [
        part for rule in wanted for part in _parts(rule) if not any(_covers(owned, part) for owned in held)
    ]


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Join rules that differ in their verbs only and name one resource."""
    simple: dict[tuple[str, ...], dict[str, Sequence[str]]] = {}
    others: list[Rule] = []
    for rule in rules:
        key = _simple_key(rule)
        if key is None:
            others.append(rule)
        elif key in simple:
            simple[key]["verbs"] = [*simple[key]["verbs"], *_of(rule, "verbs")]
        else:
            simple[key] = dict(rule)
    return [*others, *simple.values()]


def described(rule: Rule) -> str:
    """Write a rule as the server's messages do."""
    named = ((title, _of(rule, field)) for title, field in _TITLES.items())
    return "{" + ", ".join(f"{title}:{quoted_list(values)}" for title, values in named if values) + "}"


def quoted_list(texts: Iterable[str]) -> str:
    """Quote a list of texts as Go does."""
    return "[" + " ".join(map(quoted, texts)) + "]"


def _of(rule: Rule, field: str) -> Sequence[str]:
    return rule.get(field) or ()


def _has(rule: Rule, field: str, value: str) -> bool:
    values = _of(rule, field)
    return "*" in values or value in values


def _names_resource(resources: Sequence[str], asked: Attributes) -> bool:
    if "*" in resources or asked.combined in resources:
        return True
    return bool(asked.subresource) and f"*/{asked.subresource}" in resources


def _reaches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def _parts(rule: Rule) -> Iterator[Rule]:
    names: Sequence[str | None] = _of(rule, "resourceNames") or (None,)
    for group in _of(rule, "apiGroups"):
        for resource in _of(rule, "resources"):
            for verb in _of(rule, "verbs"):
                for name in names:
                    named = {} if name is None else {"resourceNames": [name]}
                    yield {"apiGroups": [group], "resources": [resource], "verbs": [verb], **named}
    for url in _of(rule, "nonResourceURLs"):
        for verb in _of(rule, "verbs"):
            yield {"nonResourceURLs": [url], "verbs": [verb]}


def _covers(held: Rule, part: Rule) -> bool:
    """Tell whether a rule gives one of the smallest parts."""
    names, wanted_names = _of(held, "resourceNames"), _of(part, "resourceNames")
    return (
        all(_has(held, "verbs", verb) for verb in _of(part, "verbs"))
        and all(_has(held, "apiGroups", group) for group in _of(part, "apiGroups"))
        and all(_covers_resource(_of(held, "resources"), one) for one in _of(part, "resources"))
        and all(
            any(_reaches(own, url) for own in _of(held, "nonResourceURLs"))
            for url in _of(part, "nonResourceURLs")
        )
        and (not names or (bool(wanted_names) and set(wanted_names) <= set(names)))
    )


def _covers_resource(held: Sequence[str], resource: str) -> bool:
    if "*" in held or resource in held:
        return True
    _, is_part, subresource = resource.partition("/")
    return bool(is_part) and f"*/{subresource}" in held


def _simple_key(rule: Rule) -> tuple[str, ...] | None:
    names = _of(rule, "resourceNames")
    is_simple = (
        not _of(rule, "nonResourceURLs")
        and len(_of(rule, "apiGroups")) == 1
        and len(_of(rule, "resources")) == 1
        and len(names) <= 1
    )
    return (*_of(rule, "apiGroups"), *_of(rule, "resources"), *names) if is_simple else None
