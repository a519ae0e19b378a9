"""Bare Git repositories that are committed to without a work tree."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LANG": "C.UTF-8",
}
_AUTHOR = "Ada Example <ada@example.com>"


class Repository:
    """One bare repository, best in memory.

    repository = Repository(folder / "fleet.git")
    revision = repository.commit({"apps/web.yaml": text, "apps/old.yaml": None}, "Say why", tag="v1.0.0")
    """

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", f"--initial-branch={branch}", ".")
        self.git("config", "http.receivepack", "true")
        self.git("config", "uploadpack.allowReachableSHA1InWant", "true")
        self._branch = branch

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        message: str = "Change the fleet",
        *,
        branch: str = "",
        tag: str = "",
    ) -> str:
        """Write these files (None deletes one, or a folder) on top of a branch, begun when it is not there; return the commit."""
        reference = f"refs/heads/{branch or self._branch}"
        parent = self.resolve(reference)
        parts = [f"commit {reference}\ncommitter {_AUTHOR} now\n".encode(), _data(message.encode())]
        if parent:
            parts.append(f"from {parent}\n".encode())
        for path, content in files.items():
            if content is None:
                parts.append(f"D {path}\n".encode())
            else:
                body = content.encode() if isinstance(content, str) else content
                parts += [f"M 100644 inline {path}\n".encode(), _data(body)]
        self.git("fast-import", "--quiet", "--date-format=now", input=b"".join(parts))
        revision = self.resolve(reference)
        if tag:
            self.tag(tag, revision)
        return revision

    def tag(self, name: str, revision: str = "HEAD") -> None:
        """Set a lightweight tag, moved when it is there."""
        self.git("tag", "--force", name, revision)

    def resolve(self, reference: str) -> str:
        """Return the commit that a reference names, empty when there is none."""
        return self.git("for-each-ref", "--format=%(objectname)", reference)

    def delete_branch(self, name: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{name}")

    def git(self, *arguments: str, input: bytes = b"") -> str:
        """Run git in the repository and return what it prints."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=input,
            env=_ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode().strip()


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
