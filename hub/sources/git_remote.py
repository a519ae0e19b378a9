"""Git through libgit2: what a remote advertises, and the commit that is wanted, in a bare repository.

libgit2's trust (known hosts, authorities) and its time limits are settings of the whole process, so this runs only in a process that
does one fetch at a time. Only this file and `git_tree.py` import pygit2; errors leave as FetchFailure without credentials in them.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pygit2
from pygit2.enums import ConfigLevel, CredentialType

from hub.sources import references, revision
from hub.sources.credentials import AuthOptions
from hub.sources.failure import FailureKind, FetchFailure, without_secrets
from hub.sources.fetch import GitRequest
from hub.sources.redirects import foreign_redirect, refuse_foreign_redirect
from hub.sources.references import (
    RemoteRefs,
    Resolved,
    Strategy,
    reference_not_found,
    repository_not_found_text,
)

FETCHED = "refs/fetched/it"
HISTORY = ("+refs/heads/*:refs/fetched/heads/*", "+refs/tags/*:refs/fetched/tags/*")
BRANCHES = "refs/heads/"
SCHEMES = ("http", "https", "ssh")
LIST = "unable to list remote for"
CLONE = "unable to clone"
_LEVELS = (ConfigLevel.PROGRAMDATA, ConfigLevel.SYSTEM, ConfigLevel.XDG, ConfigLevel.GLOBAL)
_FOREIGN = (pygit2.GitError, OSError, KeyError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The commit that was fetched, and the name that it was asked for by."""

    resolved: Resolved
    commit: pygit2.Commit
    repository: pygit2.Repository


def checkout(request: GitRequest, folder: Path) -> Checkout | None:
    """Fetch the commit that the reference stands for into `folder`; None when that is the known revision. Raises FetchFailure."""
    connection = _Connection(request, folder)
    remote = connection.connect()
    candidates = references.resolve(request.ref, remote, connection.url)
    if len(candidates) == 1 and revision.same_revision(candidates[0].revision, request.known):
        return None
    if candidates[0].strategy is Strategy.COMMIT:
        return connection.fetch_pinned(candidates[0], remote)
    fetched = {found.reference: connection.fetch_tip(found) for found in candidates}
    return fetched[references.newest({name: one.commit.commit_time for name, one in fetched.items()})]


class _Callbacks(pygit2.RemoteCallbacks):  # type: ignore[misc]
    """What libgit2 asks while it is connected; remembers why it was refused."""

    def __init__(self, auth: AuthOptions, received_limit: int) -> None:
        super().__init__()
        self._auth = auth
        self._received_limit = received_limit
        self._offered = False
        self._host = _hostname(auth.host)
        self.is_distrusted = False

    def credentials(self, url: str, username_from_url: str | None, allowed_types: CredentialType) -> object:
        auth = self._auth
        if allowed_types & CredentialType.USERNAME and not allowed_types & CredentialType.SSH_KEY:
            return pygit2.Username(auth.username)
        # libgit2 asks again for as long as the server refuses.
        if self._offered:
            raise FetchFailure(
                FailureKind.AUTHENTICATION, "authentication failed: the server refuses the credentials"
            )
        self._offered = True
        if auth.transport == "ssh":
            if not allowed_types & CredentialType.SSH_KEY:
                raise FetchFailure(FailureKind.AUTHENTICATION, "the server does not accept public keys")
            identity = auth.identity.decode("utf-8", "replace")
            return pygit2.KeypairFromMemory(auth.username, None, identity, auth.password)
        if not auth.username:
            message = (
                "authentication failed: the server refuses the token"
                if auth.bearer_token
                else "authentication required"
            )
            raise FetchFailure(FailureKind.AUTHENTICATION, message)
        return pygit2.UserPass(auth.username, auth.password)

    def certificate_check(self, certificate: None, valid: bool, host: bytes) -> bool:
        if self._auth.has_http_credentials and _hostname(host.decode()) != self._host:
            raise foreign_redirect(host.decode())
        # The default lets every SSH host in, whatever known_hosts says.
        self.is_distrusted = not valid
        return valid

    def custom_headers(self) -> list[str] | None:
        auth = self._auth
        if not auth.bearer_token or auth.username:
            return None
        return [f"Authorization: Bearer {auth.bearer_token}"]

    def transfer_progress(self, stats: pygit2.remotes.TransferProgress) -> None:
        if stats.received_bytes > self._received_limit:
            raise FetchFailure(
                FailureKind.TOO_LARGE,
                f"the server sent more than {self._received_limit} bytes, which is the limit",
            )


class _Connection:
    """One remote and the bare repository that its objects go to."""

    def __init__(self, request: GitRequest, folder: Path) -> None:
        self._request = request
        self._auth = request.auth
        self.url = _bare_url(request)
        _trust(request, folder)
        self._repository = pygit2.init_repository(str(folder / "git"), bare=True)

    def connect(self) -> RemoteRefs:
        """Ask what the remote has; fetches that follow go through the same connection."""
        self._remote = self._repository.remotes.create_anonymous(self.url)
        with self._mapped(LIST) as callbacks:
            if self._auth.transport == "http" and self._auth.has_http_credentials:
                refuse_foreign_redirect(self.url, timeout_s=self._request.timeout_s)
            heads = self._remote.list_heads(callbacks=callbacks)
            return RemoteRefs(hashes={head.name: str(head.oid) for head in heads})

    def fetch_tip(self, found: Resolved) -> Checkout:
        """Fetch the newest commit of a reference, without its history. It may have moved since the remote was asked."""
        source = found.reference.removesuffix(references.PEELED)
        self._fetch(f"+{source}:{FETCHED}", depth=1)
        commit = self._repository.references[FETCHED].peel(pygit2.Commit)
        return Checkout(
            resolved=replace(found, commit=str(commit.id)), commit=commit, repository=self._repository
        )

    def fetch_pinned(self, found: Resolved, remote: RemoteRefs) -> Checkout:
        """Fetch one commit: by a name that stands for it, else by its hash, else with the history that it is in."""
        branch = found.reference if found.reference.startswith(BRANCHES) else ""
        if branch and remote.commit_of(branch) is None:
            raise reference_not_found(branch, self.url)
        names = [name for name in remote.names_of(found.commit) if not branch or name == branch]
        if names:
            self._fetch(f"+{names[0]}:{FETCHED}", depth=1)
        elif branch or not self._fetch_by_hash(found.commit):
            self._fetch(*((f"+{branch}:{FETCHED}",) if branch else HISTORY))
        commit = self._repository.get(found.commit)
        if not isinstance(commit, pygit2.Commit):
            message = f"unable to resolve commit object for '{found.commit}': object not found"
            raise FetchFailure(FailureKind.REFERENCE_NOT_FOUND, message)
        return Checkout(resolved=found, commit=commit, repository=self._repository)

    def _fetch_by_hash(self, commit: str) -> bool:
        """Tell whether the server gave a commit that no reference stands for; many servers do not."""
        with contextlib.suppress(FetchFailure):
            self._fetch(f"{commit}:{FETCHED}", depth=1)
            return True
        # A refusal ends the connection.
        self.connect()
        return False

    def _fetch(self, *refspecs: str, depth: int = 0) -> None:
        with self._mapped(CLONE) as callbacks:
            self._remote.fetch(list(refspecs), callbacks=callbacks, depth=depth)

    @contextlib.contextmanager
    def _mapped(self, what: str) -> Iterator[_Callbacks]:
        callbacks = _Callbacks(self._auth, self._request.limits.received_bytes)
        try:
            yield callbacks
        except FetchFailure as problem:
            raise FetchFailure(problem.kind, f"{what} '{self.url}': {problem}") from None
        except _FOREIGN as problem:
            # The cause may quote what was sent.
            raise self._failure(what, str(problem), callbacks) from None

    def _failure(self, what: str, text: str, callbacks: _Callbacks) -> FetchFailure:
        kind, detail = FailureKind.NETWORK, without_secrets(text, self._auth.secrets())
        if callbacks.is_distrusted:
            kind, detail = _distrust(self._auth)
        elif "404" in text:
            kind, detail = (
                FailureKind.REPOSITORY_NOT_FOUND,
                repository_not_found_text("repository not found", self.url),
            )
        elif "401" in text or "403" in text or "authenticat" in text:
            kind, detail = FailureKind.AUTHENTICATION, f"authentication failed: {detail}"
        elif "redirect" in text:
            kind, detail = (
                FailureKind.PROTOCOL,
                f"{detail}; set spec.url to the address that the server redirects to",
            )
        return FetchFailure(kind, f"{what} '{self.url}': {detail}")


def _hostname(netloc: str) -> str:
    return (urlsplit(f"//{netloc}").hostname or "").lower()


def _distrust(auth: AuthOptions) -> tuple[FailureKind, str]:
    if auth.transport == "ssh":
        return (
            FailureKind.HOST_KEY,
            f"the host key of {auth.host} is not one of those in 'known_hosts' of the Secret",
        )
    return (
        FailureKind.CERTIFICATE,
        f"the certificate of {auth.host} is not valid or not signed by a trusted authority; put a private one "
        "into 'ca.crt' of the Secret",
    )


def _bare_url(request: GitRequest) -> str:
    """Return the URL without user and password, which go through the callbacks. Raises FetchFailure."""
    parts = urlsplit(request.url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise FetchFailure(
            FailureKind.INVALID_URL, "the URL must begin with http://, https:// or ssh:// and name a host"
        )
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "ssh":
        host = f"{request.auth.username}@{host}"
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def _trust(request: GitRequest, folder: Path) -> None:
    """Set the process to trust what the request says, to heed no configuration of this machine, and not to wait for ever."""
    settings = pygit2.settings
    for level in _LEVELS:
        settings.search_path[level] = ""
    milliseconds = max(int(request.timeout_s * 1000), 1)
    settings.server_connect_timeout = milliseconds
    settings.server_timeout = milliseconds
    settings.homedir = str(folder)
    ssh = folder / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "known_hosts").write_bytes(request.auth.known_hosts)
    if request.auth.ca:
        authority = folder / "ca.crt"
        authority.write_bytes(request.auth.ca)
        try:
            settings.set_ssl_cert_locations(str(authority), None)
        except _FOREIGN as problem:
            message = "key 'ca.crt' holds no certificates in PEM form"
            raise FetchFailure(FailureKind.INVALID_CREDENTIALS, message) from problem
