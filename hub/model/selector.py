"""Label selectors, as the API server understands them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import assert_never

from hub.model.value import Value


class Operator(StrEnum):
    """How a label relates to the values of a requirement."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(Value, frozen=True, kw_only=True):
    """One entry of matchExpressions."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels meet it; a label that is absent is in no set of values."""
        match self.operator:
            case Operator.IN:
                return self.key in labels and labels[self.key] in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels
            case _:
                assert_never(self.operator)


class LabelSelector(Value, frozen=True, kw_only=True):
    """Requirements that must all hold; one without any matches everything."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        wanted = all(labels.get(key) == value for key, value in self.match_labels.items())
        return wanted and all(requirement.matches(labels) for requirement in self.match_expressions)
