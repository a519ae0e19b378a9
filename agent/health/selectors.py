"""Label selectors of objects, as the API server's lists take them. Pure."""

from collections.abc import Iterator

from agent.health.reading import Object, entries, field, text


def format_selector(selector: Object) -> str:
    """Return a selector of labels and expressions as one text. Raises ValueError for an operator that there is not."""
    labels = field(selector, "matchLabels") or {}
    return ",".join([*(f"{key}={value}" for key, value in sorted(labels.items())), *_expressions(selector)])


def _expressions(selector: Object) -> Iterator[str]:
    for one in entries(selector, "matchExpressions"):
        key, values = text(one, "key"), ",".join(map(str, one.get("values") or ()))
        match text(one, "operator"):
            case "In":
                yield f"{key} in ({values})"
            case "NotIn":
                yield f"{key} notin ({values})"
            case "Exists":
                yield key
            case "DoesNotExist":
                yield f"!{key}"
            case operator:
                raise ValueError(f"a label selector has no operator {operator!r}")
