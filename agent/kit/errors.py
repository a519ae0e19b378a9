"""The three failures a reconcile loop acts on. Any other exception is a defect and is treated as Transient."""


class CartwheelError(Exception):
    """A failure with a machine-readable reason; the message is for people, names the object, and carries no secret."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class Transient(CartwheelError):
    """It may succeed when tried again; the loop retries with backoff."""


class Waiting(CartwheelError):
    """Something else has to come first; looked at again when that changes, at the latest after `after_s` seconds."""

    def __init__(self, message: str, *, reason: str, after_s: float) -> None:
        super().__init__(message, reason=reason)
        self.after_s = after_s


class Stalled(CartwheelError):
    """It cannot succeed until a person or a new spec changes it; not retried."""
