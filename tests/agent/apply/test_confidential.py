"""What a server says of an object that holds values of Secrets is told without the values."""

import base64

import pytest

from agent.apply.confidential import conceal
from agent.apply.convergence import Action
from agent.kube.errors import Invalid, ServerFailed
from agent.model.content import Manifest
from agent.model.inventory import format_id
from hub.sandbox.refusals import Refused, answer_of
from tests.agent.apply.cluster import Delivery, manifest
from tests.fakes.clock import in_virtual_time

VALUE = "hunter2-x"
CONFIG = manifest(data={"url": f"db://me:{VALUE}@host/x", "pin": 918273645, "share": 2.5, "quoted": 'a"b\nc'})
TYPED = (
    "PATCH /api/v1/namespaces/default/configmaps/one: failed to create typed patch object (default/one; /v1, Kind=ConfigMap): "
    ".data.pin: expected string, got &value.valueUnstructured{Value:918273645}"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (TYPED, TYPED.replace("918273645", "***")),
        (f'data.url: Invalid value: "db://me:{VALUE}@host/x": no', 'data.url: Invalid value: "***": no'),
        ('data.quoted: Invalid value: "a\\"b\\nc": no', 'data.quoted: Invalid value: "***": no'),
        ("got 2.5 of 22.55", "got *** of 22.55"),
        (
            "ConfigMap one in default: data.pin is immutable",
            "ConfigMap one in default: data.pin is immutable",
        ),
    ],
    ids=["a number", "a text", "with signs", "whole words only", "names stay"],
)
def test_values_are_hidden_and_names_stay(said: str, told: str) -> None:
    causes = ({"field": "data.pin", "message": said, "reason": "FieldValueInvalid"},)
    hidden = Invalid(said, status=422, reason="Invalid", causes=causes)
    conceal(hidden, CONFIG.body)
    assert (str(hidden), hidden.message, hidden.causes[0]["message"]) == (told, told, told)
    assert hidden.causes[0]["field"] == "data.pin"


def test_what_a_secret_holds_is_hidden_as_it_is_and_as_it_is_written() -> None:
    encoded = base64.b64encode(VALUE.encode()).decode()
    secret = manifest("Secret", data={"password": encoded})
    said = f"{VALUE} and {encoded} of Secret one"
    hidden = ServerFailed(said, status=500, reason="Unknown")
    conceal(hidden, secret.body)
    assert str(hidden) == "*** and *** of Secret one"


def refuse(delivery: Delivery, problem: Refused, *, dry: bool) -> None:
    """Have ConfigMaps and Secrets refused by a server that says what it was sent."""
    answer = answer_of(problem)
    delivery.cluster.network.refuses = lambda call: (
        answer if call.verb == "apply" and call.is_dry_run is dry else None
    )


def refused(status: int) -> Refused:
    said = f"failed to create typed patch object: .data.password: got {VALUE}"
    return Refused(status, "Invalid", said, {"causes": [{"message": said, "field": "data.password"}]})


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
@pytest.mark.parametrize("dry", [True, False], ids=["tried", "written"])
@in_virtual_time
async def test_no_verdict_holds_a_value(kind: str, dry: bool) -> None:
    wished = manifest(kind, data={"password": VALUE})
    delivery = Delivery()
    refuse(delivery, refused(422), dry=dry)
    ids = frozenset({format_id(wished.ref)} if kind == "ConfigMap" else ())
    changes = await delivery.converge(wished, confidential=ids)
    assert [change.action for change in changes.changes] == [Action.FAILED]
    assert changes.problem.endswith("failed to create typed patch object: .data.password: got ***")
    assert VALUE not in str(changes)


@in_virtual_time
async def test_what_holds_no_secret_is_told_as_the_server_says_it() -> None:
    delivery = Delivery()
    refuse(delivery, refused(422), dry=True)
    changes = await delivery.converge(manifest(data={"password": VALUE}))
    assert VALUE in changes.problem


@in_virtual_time
async def test_no_error_that_ends_a_convergence_holds_a_value() -> None:
    delivery = Delivery()
    refuse(delivery, Refused(500, "", f"etcdserver: request is too large: {VALUE}"), dry=True)
    wished: Manifest = manifest("Secret", data={"password": VALUE})
    with pytest.raises(ServerFailed) as failed:
        await delivery.converge(wished)
    assert str(failed.value).endswith("/secrets/one: etcdserver: request is too large: ***")


@in_virtual_time
async def test_a_field_of_a_wrong_type_is_the_objects_fault_though_the_server_answers_500() -> None:
    delivery = Delivery()
    refuse(delivery, refused(500), dry=True)
    changes = await delivery.converge(manifest(data={"password": 5}))
    assert changes.problem.startswith(
        "ConfigMap/default/one dry-run failed (Invalid): PATCH /api/v1/namespaces/default/configmaps/one: failed to create typed"
    )
    assert changes.inventory == {}
