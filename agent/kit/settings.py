"""Reads settings from the environment. Every waiting time is one, and all of them can be shortened together.

`CARTWHEEL_TIME_SCALE` multiplies every time that is read here (0.1 in tests). A setting that cannot be read ends the program with the
variable's name.
"""

import os
import socket
from collections.abc import Mapping

from agent.kit.errors import Stalled

PREFIX = "CARTWHEEL_"
OTLP = "OTEL_EXPORTER_OTLP_"


class SettingInvalid(Stalled):
    """An environment variable is missing or of the wrong form."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="SettingInvalid")


class Environment:
    """Variables with the common prefix; names are given without it."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables
        self._scale = self.number("TIME_SCALE", 1.0)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; without a default it must be set."""
        found = self._variables.get(PREFIX + name, "")
        if found:
            return found
        if default is None:
            raise SettingInvalid(f"set the environment variable {PREFIX}{name}")
        return default

    @property
    def instance(self) -> str:
        """Return the name of this process: the Pod's (POD_NAME), else the host's."""
        return self._variables.get("POD_NAME") or socket.gethostname()

    @property
    def traces(self) -> bool:
        """Tell whether OpenTelemetry's own variables name a collector to send traces to."""
        named = self._either("TRACES_ENDPOINT", "ENDPOINT")
        is_off = self._variables.get("OTEL_SDK_DISABLED", "").lower() == "true"
        if not named or is_off or self._variables.get("OTEL_TRACES_EXPORTER") == "none":
            return False
        protocol = self._either("TRACES_PROTOCOL", "PROTOCOL") or "grpc"
        if protocol != "grpc":
            raise SettingInvalid(
                f"{OTLP}PROTOCOL is {protocol!r}; traces are sent by grpc alone, commonly port 4317"
            )
        return True

    def _either(self, *names: str) -> str:
        return next((found for name in names if (found := self._variables.get(OTLP + name, ""))), "")

    def number(self, name: str, default: float) -> float:
        """Return a number."""
        text = self._variables.get(PREFIX + name, "")
        if not text:
            return default
        try:
            return float(text)
        except ValueError as problem:
            raise SettingInvalid(f"{PREFIX}{name} is {text!r}, which is no number") from problem

    def count(self, name: str, default: int) -> int:
        """Return a whole number."""
        found = self.number(name, float(default))
        if found != int(found):
            raise SettingInvalid(f"{PREFIX}{name} is {found}, which is not whole")
        return int(found)

    def flag(self, name: str) -> bool:
        """Tell whether something is turned on, which it is not unless it is set."""
        text = self._variables.get(PREFIX + name, "").lower()
        if text not in ("", "true", "false"):
            raise SettingInvalid(f"{PREFIX}{name} is {text!r}; it is either true or false")
        return text == "true"

    def seconds(self, name: str, default: float) -> float:
        """Return a length of time (variable `<name>_S`), scaled."""
        return self.number(f"{name}_S", default) * self._scale

    @property
    def scale(self) -> float:
        """Return the factor for times that come from elsewhere, such as a resource's interval."""
        return self._scale
