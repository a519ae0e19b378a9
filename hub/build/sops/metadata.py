"""What a document says of its own encryption: for whom, which values, and its MAC. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import re2

from hub.build.sops.errors import SopsFailed

_MAP: Final = "__map_"
_LIST: Final = "__list_"
_SEPARATOR = re.compile(f"({_MAP}|{_LIST})")
_FRACTION = re.compile(r"\.\d+(?=Z|[-+])")
_UNENCRYPTED_SUFFIX: Final = "_unencrypted"


class KeyKind(StrEnum):
    """Who keeps a key that a document is encrypted for, by the name that the document has for it; those that need no network come first."""

    AGE = "age"
    PGP = "pgp"
    AWS_KMS = "kms"
    GCP_KMS = "gcp_kms"
    HUAWEI_KMS = "hckms"
    AZURE_KEY_VAULT = "azure_kv"
    VAULT = "hc_vault"


_NAMES: Final = ("recipient", "fp", "arn", "resource_id", "key_id", "vault_url", "vault_address")


class RuleKind(StrEnum):
    """How it is told which values are encrypted."""

    UNENCRYPTED_SUFFIX = "unencrypted_suffix"
    ENCRYPTED_SUFFIX = "encrypted_suffix"
    UNENCRYPTED_REGEX = "unencrypted_regex"
    ENCRYPTED_REGEX = "encrypted_regex"
    UNENCRYPTED_COMMENT_REGEX = "unencrypted_comment_regex"
    ENCRYPTED_COMMENT_REGEX = "encrypted_comment_regex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which values are encrypted, by the names of the keys above them."""

    kind: RuleKind = RuleKind.UNENCRYPTED_SUFFIX
    text: str = _UNENCRYPTED_SUFFIX

    def names(self, key: str) -> bool:
        """Tell whether a key is one that the rule names; what is below it is then named, too."""
        match self.kind:
            case RuleKind.UNENCRYPTED_SUFFIX | RuleKind.ENCRYPTED_SUFFIX:
                return key.endswith(self.text)
            case RuleKind.UNENCRYPTED_REGEX | RuleKind.ENCRYPTED_REGEX:
                return self._matches(key)
            case RuleKind.UNENCRYPTED_COMMENT_REGEX | RuleKind.ENCRYPTED_COMMENT_REGEX:
                return False

    def encrypts(self, *, is_named: bool) -> bool | None:
        """Tell whether a value is encrypted; None where comments tell it, which not every form keeps."""
        match self.kind:
            case RuleKind.UNENCRYPTED_SUFFIX | RuleKind.UNENCRYPTED_REGEX:
                return not is_named
            case RuleKind.ENCRYPTED_SUFFIX | RuleKind.ENCRYPTED_REGEX:
                return is_named
            case RuleKind.UNENCRYPTED_COMMENT_REGEX | RuleKind.ENCRYPTED_COMMENT_REGEX:
                return None

    def _matches(self, key: str) -> bool:
        # Patterns come with documents: this library's time is bounded whatever they are. SOPS takes one that is none for no match.
        try:
            return re2.compile(self.text, options=_OPTIONS).search(key) is not None
        except re2.error:
            return False


_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """The data key, or a part of it, encrypted for one holder; `name` is the holder's, `facts` what else there is to know of it."""

    kind: KeyKind
    name: str
    sealed: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """All of it. Each group gives one part of the data key, by any of its keys; a single group gives the key itself."""

    groups: tuple[tuple[SealedKey, ...], ...]
    threshold: int
    mac: str
    modified: str
    rule: Rule
    is_mac_of_encrypted: bool


def read(raw: Mapping[str, Any]) -> Metadata:
    """Read what stands under `sops`. Raises SopsFailed."""
    rules = [
        Rule(kind=kind, text=text) for kind in RuleKind if isinstance(text := raw.get(kind), str) and text
    ]
    if len(rules) > 1:
        raise SopsFailed(f"only one of {', '.join(one.kind for one in rules)} can be used in the same file")
    groups = tuple(_group(raw))
    return Metadata(
        groups=(groups,) if groups else tuple(tuple(_group(one)) for one in _list(raw, "key_groups")),
        threshold=_number(raw.get("shamir_threshold")),
        mac=str(raw.get("mac") or ""),
        # It is read as a time, and written without its fraction, before it goes with the MAC.
        modified=_FRACTION.sub("", str(raw.get("lastmodified") or "")),
        rule=rules[0] if rules else Rule(),
        is_mac_of_encrypted=raw.get("mac_only_encrypted") in (True, "true", "True"),
    )


def unflattened(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return what forms without depth write as `age__list_0__map_recipient`. Raises SopsFailed."""
    root: dict[str | int, Any] = {}
    for name, value in flat.items():
        first, *rest = _SEPARATOR.split(name)
        steps: list[str | int] = [first]
        for sign, part in zip(rest[::2], rest[1::2], strict=True):
            if sign == _LIST and not part.isdecimal():
                raise SopsFailed("the metadata has a list whose places are no numbers")
            steps.append(int(part) if sign == _LIST else part)
        at = root
        for step in steps[:-1]:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise SopsFailed("the metadata has one name for two values")
        at[steps[-1]] = value
    found: dict[str, Any] = _lists(root)
    return found


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(isinstance(place, int) for place in value):
        return [_lists(value[place]) for place in sorted(value)]
    return {str(name): _lists(one) for name, one in value.items()}


def _group(raw: Mapping[str, Any]) -> Iterator[SealedKey]:
    for kind in KeyKind:
        for entry in _list(raw, kind):
            name = next((str(entry[one]) for one in _NAMES if entry.get(one)), "?")
            facts = (
                (str(one), _fact(value)) for one, value in sorted(entry.items()) if one != "enc" and value
            )
            yield SealedKey(kind=kind, name=name, sealed=str(entry.get("enc") or ""), facts=tuple(facts))


def _fact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _list(raw: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = raw.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _number(value: object) -> int:
    text = str(value or 0)
    if not text.isdecimal():
        raise SopsFailed("shamir_threshold must be a whole number")
    return int(text)
