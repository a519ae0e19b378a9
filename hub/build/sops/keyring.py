"""The keys that documents are opened with, and how a document's data key is got with them. Nothing here shows a key."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyrage
import pysequoia
from pysequoia.packet import Packet, PacketPile, Tag

from hub.build.sops import shamir
from hub.build.sops.errors import KeyRefused, SopsFailed
from hub.build.sops.metadata import KeyKind, Metadata, SealedKey

AGE: Final = ".agekey"
ENTRIES: Final = {
    KeyKind.VAULT: "sops.vault-token",
    KeyKind.AWS_KMS: "sops.aws-kms",
    KeyKind.GCP_KMS: "sops.gcp-kms",
    KeyKind.AZURE_KEY_VAULT: "sops.azure-kv",
}
"""The entries with credentials for services."""
PGP: Final = ".asc"
MAX_SEALED: Final = 4096
"""So long is what holds a data key at most: a message of OpenPGP may be compressed, and be large when it is opened."""
_HOLDS: Final = ("age identities, one a line", "OpenPGP private keys")
_PEM: Final = "-----BEGIN"

AgeIdentity = object
"""One of the library's identities, of which each kind is a class of its own."""
PgpKey = pysequoia.PyDecryptor


Answers = dict[SealedKey, bytes | str]
"""What services said of keys: what is in them, or why they do not open it."""


class KeysWanted(Exception):
    """Services have to be asked for keys before a document can be opened."""

    def __init__(self, keys: Sequence[SealedKey]) -> None:
        super().__init__(f"{len(keys)} keys have to be asked for")
        self.keys = tuple(keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Private keys of all kinds, the kinds of which a service may be asked, and what it answered so far."""

    age: tuple[AgeIdentity, ...] = field(default=(), repr=False)
    pgp: tuple[PgpKey, ...] = field(default=(), repr=False)
    services: frozenset[KeyKind] = frozenset()
    answers: Answers = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, entries: Mapping[str, bytes], services: Iterable[KeyKind] = (), answers: Answers | None = None
    ) -> "Keyring":
        """Read the entries of a Secret, each by the end of its name; others are left alone. Raises SopsFailed, naming the entry."""
        age: list[AgeIdentity] = []
        pgp: list[PgpKey] = []
        # What the libraries say could quote a key.
        for name, content in sorted(entries.items()):
            try:
                if name.endswith(AGE):
                    age.extend(_identities(content.decode()))
                elif name.endswith(PGP):
                    pgp.extend(_pgp_keys(content))
            except (pyrage.IdentityError, ValueError, RuntimeError):
                raise SopsFailed(f"'{name}' holds no {_HOLDS[name.endswith(PGP)]}") from None
        known = {} if answers is None else answers
        return cls(age=tuple(age), pgp=tuple(pgp), services=frozenset(services), answers=known)

    def data_key(self, metadata: Metadata) -> bytes:
        """Return the key that a document's values are encrypted with. Raises SopsFailed, KeysWanted."""
        parts: list[bytes] = []
        problems: list[str] = []
        wanted: list[SealedKey] = []
        for group in metadata.groups:
            part = self._part(group, problems, wanted)
            if part is not None:
                parts.append(part)
        needed = metadata.threshold if len(metadata.groups) > 1 else 1
        if wanted and len(parts) < max(needed, 1):
            raise KeysWanted(wanted)
        if len(parts) < needed or not parts:
            raise SopsFailed(
                f"cannot get sops data key: Error getting data key: {needed} successful groups required, got {len(parts)}"
                + "".join(f"; {one}" for one in problems)
            )
        return shamir.combine(parts) if len(metadata.groups) > 1 else parts[0]

    def _part(
        self, group: tuple[SealedKey, ...], problems: list[str], wanted: list[SealedKey]
    ) -> bytes | None:
        """Return what the first key of a group that opens has; note why the others did not, or which is to be asked for."""
        for sealed in group:
            if sealed.kind in self.services and sealed not in self.answers:
                wanted.append(sealed)
                return None
            try:
                return self._open(sealed)
            except KeyRefused as problem:
                problems.append(f"{sealed.kind} {sealed.name}: {problem}")
        return None

    def _open(self, sealed: SealedKey) -> bytes:
        if len(sealed.sealed) > MAX_SEALED:
            raise KeyRefused("it is too long to hold a key")
        match sealed.kind:
            case KeyKind.AGE:
                return self._open_with_age(sealed.sealed.encode())
            case KeyKind.PGP:
                return self._open_with_pgp(sealed.sealed.encode())
            case _:
                return self._answered(sealed)

    def _answered(self, sealed: SealedKey) -> bytes:
        if sealed.kind not in self.services:
            entry = ENTRIES.get(sealed.kind)
            raise KeyRefused(
                f"there are no credentials for it: put them into the entry {entry} of the decryption Secret"
                if entry
                else "keys of this kind are not supported by this version of Cartwheel"
            )
        answer = self.answers[sealed]
        if isinstance(answer, str):
            raise KeyRefused(answer)
        return answer

    def _open_with_age(self, sealed: bytes) -> bytes:
        if not self.age:
            raise KeyRefused(
                f"there is no age identity: put one into an entry *{AGE} of the decryption Secret"
            )
        try:
            opened: bytes = pyrage.decrypt(sealed, list(self.age))
        except pyrage.DecryptError as problem:
            raise KeyRefused("no identity matched any of the recipients") from problem
        return opened

    def _open_with_pgp(self, sealed: bytes) -> bytes:
        if not self.pgp:
            raise KeyRefused(
                f"there is no OpenPGP private key that decrypts: put one that is neither expired nor has a passphrase into an entry *{PGP}"
                " of the decryption Secret"
            )
        for key in self.pgp:
            try:
                opened = pysequoia.decrypt(sealed, decryptor=key).bytes
            except RuntimeError:
                continue
            if opened is not None:
                return opened
        raise KeyRefused("none of the OpenPGP private keys is the one that it is encrypted for")


def _identities(text: str) -> Iterator[AgeIdentity]:
    if _PEM in text:
        yield pyrage.ssh.Identity.from_buffer(text.encode())
        return
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield pyrage.x25519.Identity.from_str(line.strip())


def _pgp_keys(content: bytes) -> list[PgpKey]:
    """Return what decrypts with each subkey that is there for it; an older subkey opens what was encrypted before a newer one came.

    Keys that are expired or have a passphrase give none. Raises ValueError, RuntimeError for what holds no private keys at all.
    """
    keys: list[PgpKey] = []
    found = False
    primary: list[Packet] = []
    subkeys: list[list[Packet]] = []
    for packet in (*PacketPile.from_bytes(content), None):
        found = found or (packet is not None and packet.tag == Tag.SecretKey)
        if packet is None or packet.tag == Tag.SecretKey:
            keys.extend(_decryptors(primary, subkeys))
            primary, subkeys = [], []
        elif packet.tag == Tag.SecretSubkey:
            subkeys.append([])
        if packet is not None:
            (subkeys[-1] if subkeys else primary).append(packet)
    if not found:
        raise ValueError("no private key")
    return keys


def _decryptors(primary: list[Packet], subkeys: list[list[Packet]]) -> Iterator[PgpKey]:
    for subkey in subkeys:
        try:
            yield pysequoia.Tsk.from_packets([*primary, *subkey]).decryptor()
        except RuntimeError:
            # It signs, is expired or locked.
            continue
