"""The real `sops` and `age` commands, and the documents that they made for the unit tests.

`python -m e2e.sops.foreign` records those anew: encrypted, and as the real command decrypts them, with the throw-away keys to do it with.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from e2e import tools

VECTORS = tools.CHECKOUT / "tests" / "hub" / "build" / "sops" / "vectors"
TYPES = {"yaml": "yaml", "json": "json", "env": "dotenv", "ini": "ini", "bin": "binary"}
"""What the command calls a form, by the end of a file's name."""


def new_identity() -> tuple[str, str]:
    """Return a new age identity and its recipient."""
    made = subprocess.run([tools.path("age-keygen")], capture_output=True, text=True, check=True).stdout
    shown = subprocess.run(
        [tools.path("age-keygen"), "-y"], input=made, capture_output=True, text=True, check=True
    )
    return made, shown.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sops:
    """The command in a folder of its own; `identities` and the keyring of `gpg` there are what it may decrypt with."""

    folder: Path
    identities: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def encrypt(self, content: bytes, form: str, rule: str) -> bytes:
        """Encrypt a document by a creation rule: the fields of a YAML mapping."""
        file = self.folder / "document"
        file.write_bytes(content)
        (self.folder / ".sops.yaml").write_text(f"creation_rules: [{{{rule}}}]")
        types = ("--input-type", TYPES[form], "--output-type", TYPES[form])
        return self._run("encrypt", *types, str(file))

    def decrypt(self, content: bytes, form: str, target: str = "") -> bytes:
        """Decrypt a document, into another form where one is named."""
        file = self.folder / "document"
        file.write_bytes(content)
        types = ("--input-type", TYPES[form], "--output-type", TYPES[target or form])
        return self._run("decrypt", *types, str(file))

    def new_pgp_key(self, name: str) -> tuple[str, str]:
        """Make a key with two subkeys that encrypt; return it, armored, and its fingerprint."""
        quiet = ("--batch", "--quiet", "--passphrase", "")
        self._gpg(*quiet, "--quick-generate-key", name, "rsa2048", "cert,sign", "never")
        listed = self._gpg("--list-keys", "--with-colons", name).splitlines()
        fingerprint = next(line for line in listed if line.startswith("fpr")).split(":")[9]
        for algorithm in ("cv25519", "rsa2048"):
            self._gpg(*quiet, "--quick-add-key", fingerprint, algorithm, "encr", "never")
        return self._gpg("--batch", "--armor", "--export-secret-keys", fingerprint), fingerprint

    def _gpg(self, *arguments: str) -> str:
        command = ["gpg", "--homedir", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _run(self, *arguments: str) -> bytes:
        keys = self.folder / "keys.txt"
        keys.write_text(self.identities)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SOPS_AGE_KEY_FILE": str(keys),
            "GNUPGHOME": str(self.folder),
            **self.environment,
        }
        done = subprocess.run(
            [tools.path("sops"), *arguments],
            check=False,
            capture_output=True,
            env=environment,
            cwd=self.folder,
        )
        if done.returncode:
            raise AssertionError(f"sops {arguments[0]} failed: {done.stderr.decode(errors='replace')}")
        return done.stdout


def record(folder: Path) -> None:
    """Write the documents of the unit tests, working in a folder."""
    key, recipient = new_identity()
    other, another = new_identity()
    sops = Sops(folder=folder, identities=key + other)
    (VECTORS / "one.agekey").write_text(key)
    (VECTORS / "two.agekey").write_text(other)
    plain = {file.suffix[1:]: file.read_bytes() for file in VECTORS.glob("plain.*")}
    secret = (VECTORS / "secret.plain").read_bytes()
    both = f"age: '{recipient},{another}'"
    made = {f"all.{form}": sops.encrypt(plain[form], form, both) for form in TYPES}
    for name, rule in {
        "regex": "encrypted_regex: ^(data|stringData)$",
        "suffix": "encrypted_suffix: Data",
        "only-mac": "unencrypted_regex: ^(apiVersion|kind|metadata)$, mac_only_encrypted: true",
        "comment": "encrypted_comment_regex: seal",
    }.items():
        made[f"{name}.yaml"] = sops.encrypt(secret, "yaml", f"age: '{recipient}', {rule}")
    parts = ", ".join(f"{{age: ['{one}']}}" for one in (recipient, another, new_identity()[1]))
    groups = f"shamir_threshold: 2, key_groups: [{parts}]"
    private, fingerprint = sops.new_pgp_key("sops")
    (VECTORS / "three.asc").write_text(private)
    made["pgp.yaml"] = sops.encrypt(secret, "yaml", f"pgp: {fingerprint}")
    made |= {
        "groups.yaml": sops.encrypt(secret, "yaml", groups),
        "groups.env": sops.encrypt(plain["env"], "env", groups),
    }
    for name, content in made.items():
        (VECTORS / f"{name}.sealed").write_bytes(content)
        (VECTORS / f"{name}.opened").write_bytes(sops.decrypt(content, name.rpartition(".")[2]))


if __name__ == "__main__":
    for one in ("sops", "age-keygen"):
        tools.ensure(one)
    with tempfile.TemporaryDirectory() as name:
        record(Path(name))
