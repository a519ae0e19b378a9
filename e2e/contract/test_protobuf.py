"""The form in which in-memory API servers read protobuf is the one of Kubernetes' own modules."""

from e2e.controlplane.protobuf import FILE, messages, text


def test_the_messages_are_those_of_the_modules() -> None:
    assert text(messages()) == FILE.read_text(), "write it again: python -m e2e.controlplane.protobuf"
