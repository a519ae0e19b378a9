"""What patches make of a value: JSON patch, JSON merge patch, kubectl's strategic merge patch. Pure."""

from hub.sandbox.patches.errors import PatchError, cannot_decode
from hub.sandbox.patches.json_patch import json_patch
from hub.sandbox.patches.merge_patch import merge_patch
from hub.sandbox.patches.misfits import misfit
from hub.sandbox.patches.strategic import strategic

__all__ = ["PatchError", "cannot_decode", "json_patch", "merge_patch", "misfit", "strategic"]
