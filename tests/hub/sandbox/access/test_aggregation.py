"""ClusterRoles gather the rules of those that they select."""

from hub.sandbox.access.aggregation import aggregated
from hub.sandbox.access.defaults import default_policies
from tests.hub.sandbox.access.policies import role, rule

_LOGS, _PODS = rule("core", "pods/log", "get"), rule("core", "pods", "get")


def test_rules_are_gathered_by_label_in_the_order_of_names_and_once() -> None:
    part = {"metadata": {"name": "b", "labels": {"to": "x"}}, "rules": [_PODS, _LOGS]}
    other = {"metadata": {"name": "a", "labels": {"to": "x"}}, "rules": [_LOGS]}
    whole = role("whole", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"to": "x"}}]})
    (gathered,) = aggregated([part, other, whole])
    assert gathered["rules"] == [_LOGS, _PODS]
    assert list(aggregated([part, other, gathered])) == []
    assert whole["rules"] == []


def test_a_role_that_gathers_is_gathered_by_another() -> None:
    leaf = {"metadata": {"name": "z", "labels": {"to": "view"}}, "rules": [_PODS]}
    view = {
        "metadata": {"name": "view", "labels": {"to": "admin"}},
        "aggregationRule": {
            "clusterRoleSelectors": [
                {"matchExpressions": [{"key": "to", "operator": "In", "values": ["view"]}]}
            ]
        },
    }
    admin = role("admin", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"to": "admin"}}]})
    assert {one["metadata"]["name"]: one["rules"] for one in aggregated([admin, leaf, view])} == {
        "admin": [_PODS],
        "view": [_PODS],
    }


def test_the_roles_that_people_bind_hold_what_they_hold_in_a_fresh_cluster() -> None:
    rules = {
        one["metadata"]["name"]: len(one["rules"])
        for one in default_policies()
        if one["kind"] == "ClusterRole"
    }
    assert (rules["view"], rules["edit"], rules["admin"]) == (12, 27, 29)
