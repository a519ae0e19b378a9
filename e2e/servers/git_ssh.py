"""Git over SSH: OpenSSH's own server on a loopback port, which serves one folder of repositories to its authorized keys and nothing else."""

import getpass
import os
import shlex
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from e2e.planes.process import Program
from e2e.servers.repository import Repository
from hub.sandbox.ports import free_port

_SSHD = Path("/usr/sbin/sshd")
_FORCED = """\
#!/bin/sh
case "$SSH_ORIGINAL_COMMAND" in
"git-upload-pack '"{root}/*"'"|"git-receive-pack '"{root}/*"'") ;;
*) echo "only repositories below {root} are served" >&2; exit 1;;
esac
case "$SSH_ORIGINAL_COMMAND" in *..*) echo "a path with .. is not served" >&2; exit 1;; esac
exec git shell -c "$SSH_ORIGINAL_COMMAND"
"""


class SshMissing(RuntimeError):
    """OpenSSH's server is not installed."""


class GitSsh:
    """Serves every repository below `root`; keys and settings are kept in `folder`.

    with GitSsh(root, folder) as server:
        server.url("fleet.git"), server.identity.read_text(), server.known_hosts
    """

    def __init__(self, root: Path, folder: Path) -> None:
        if not _SSHD.exists():
            raise SshMissing(
                f"Git over SSH needs {_SSHD}, which is not there: run `apt-get install openssh-server`"
            )
        root.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.port = free_port()
        self.identity = make_key(folder / "identity")
        self._folder = folder
        self._host_key = make_key(folder / "host")
        self._server: Program | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        forced = self._folder / "serve.sh"
        forced.write_text(_FORCED.format(root=self.root))
        forced.chmod(0o755)
        public = self.identity.with_suffix(".pub").read_text().strip()
        (self._folder / "authorized_keys").write_text(f"restrict {public}\n")
        settings = self._folder / "sshd_config"
        settings.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self._host_key}\nPidFile none\n"
            f"AuthorizedKeysFile {self._folder / 'authorized_keys'}\n"
            f"ForceCommand {shlex.quote(str(forced))}\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        if os.geteuid() == 0:
            # Where sshd locks itself up before it knows its client; the package makes it only when the service starts.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._server = Program("sshd", [_SSHD, "-D", "-e", "-f", settings], self._folder / "log")
        self._server.start()
        self._wait(self._server)

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.kill()

    def repository(self, name: str, branch: str = "main") -> Repository:
        """Make a repository that is served under this name."""
        return Repository(self.root / name, branch)

    def url(self, name: str) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.root / name}"

    @property
    def known_hosts(self) -> str:
        """The line by which a client knows this server."""
        kind, key, *_ = self._host_key.with_suffix(".pub").read_text().split()
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def _wait(self, server: Program) -> None:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if server.exit_code() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"sshd does not answer:\n{server.tail()}")


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """Make a key pair without a passphrase, the public half beside it as .pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)], check=True)
    return path
