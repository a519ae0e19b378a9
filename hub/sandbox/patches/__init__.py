"""What patches make of a value: JSON patch, JSON merge patch, kubectl's strategic merge patch. Pure."""

from hub.sandbox.patches.errors import PatchError
from hub.sandbox.patches.json_patch import json_patch
from hub.sandbox.patches.merge_patch import merge_patch
from hub.sandbox.patches.strategic import strategic

__all__ = ["PatchError", "json_patch", "merge_patch", "strategic"]
