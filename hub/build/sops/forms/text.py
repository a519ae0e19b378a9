"""Values in forms that know text alone. Pure."""

from typing import Any

from hub.build.sops.values import general


def text_of(value: Any) -> str:
    """Write a value as SOPS does where there are no types."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            text = general(value).upper()
            return text if "." in text or "E" in text else f"{text}.0"
        case bytes():
            return value.decode("utf-8", "surrogateescape")
        case _:
            return str(value)
