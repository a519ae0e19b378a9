"""The version of this distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("cartwheel")
except PackageNotFoundError:
    VERSION = "0.0.0"
