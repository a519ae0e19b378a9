"""Reads settings from the environment. Every waiting time is one, and all of them can be shortened together.

`CARTWHEEL_TIME_SCALE` multiplies every time that is read here (0.1 in tests). A setting that cannot be read ends the program with the
variable's name.
"""

import os
import socket
from collections.abc import Mapping

from agent.kit.errors import Stalled

PREFIX = "CARTWHEEL_"


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

    def seconds(self, name: str, default: float) -> float:
        """Return a length of time (variable `<name>_S`), scaled."""
        return self.number(f"{name}_S", default) * self._scale

    @property
    def scale(self) -> float:
        """Return the factor for times that come from elsewhere, such as a resource's interval."""
        return self._scale
