"""Where sources keep what they fetched: the archive that Flux's clients download and the tree that builds read, on one root.

State: for each object the trees it stored last, so that sweeping never takes one away that a build may still name; and the trees that were
opened last, since all deliveries of a source build from one.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from pathlib import Path

from agent.model.names import timestamp
from hub.artifacts.contents import Contents, TreeDigest
from hub.artifacts.staging import staging_folder
from hub.artifacts.storage import ArtifactStorage, Presence, artifact_directory
from hub.build.files import Files
from hub.model.source import NO_TREE, TREE_DIGEST, Artifact
from hub.sources.fetch import ARCHIVE_FILE, TREE_FILE, Fetched

KEPT_TREES = 2
OPENED_TREES = 32


class Shelf:
    """Both stores; `address` is where artifacts are served (`host:port`, or a URL)."""

    def __init__(self, storage: ArtifactStorage, contents: Contents, *, address: str) -> None:
        self._storage = storage
        self._contents = contents
        self._base = (address if "://" in address else f"http://{address}").rstrip("/")
        self._trees: dict[str, list[TreeDigest]] = {}
        self._opened: OrderedDict[TreeDigest, Files] = OrderedDict()

    @contextlib.asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """Give a folder from which `put` takes files, gone afterwards. Raises OSError."""
        manager = staging_folder(self._storage.root)
        folder = await asyncio.to_thread(manager.__enter__)
        try:
            yield folder
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)

    async def presence(self, artifact: Artifact) -> Presence:
        """Tell whether an artifact and its tree are there whole; a damaged archive is removed."""
        return await asyncio.to_thread(self._presence, artifact)

    async def put(self, directory: str, fetched: Fetched, folder: Path, *, now: datetime) -> Artifact:
        """Store what was fetched into the folder. Raises OSError."""
        stored = await asyncio.to_thread(self._put, directory, fetched, folder)
        trees = self._trees.setdefault(directory, [])
        tree = fetched.packed.tree
        if tree and trees[-1:] != [tree]:
            for older in trees:
                # Nobody builds from it any more; who does still has it.
                self._opened.pop(older, None)
            trees.append(tree)
            del trees[:-KEPT_TREES]
        return Artifact(
            path=stored,
            url=self.url(stored),
            revision=fetched.revision,
            digest=fetched.packed.archive_digest,
            last_update_time=timestamp(now),
            size=fetched.packed.archive_size,
            metadata={**fetched.metadata, TREE_DIGEST: tree or NO_TREE},
        )

    async def collect(self, artifact: Artifact, *, now: datetime) -> int:
        """Remove the object's archives that retention no longer keeps beside this one; return how many."""
        return await asyncio.to_thread(self._storage.collect, artifact.path, now=now)

    async def remove(self, directory: str) -> int:
        """Remove all archives of an object; return how many there were."""
        self._trees.pop(directory, None)
        return await asyncio.to_thread(self._storage.remove_all, directory)

    async def sweep(self, named: Collection[TreeDigest], *, now: datetime, min_age_s: float) -> int:
        """Remove old trees that are neither among `named` (what all statuses name) nor stored lately; return how many."""
        kept = {*named, *(digest for trees in self._trees.values() for digest in trees)}
        for digest in self._opened.keys() - kept:
            del self._opened[digest]
        return await asyncio.to_thread(self._contents.prune, kept, now=now, min_age_s=min_age_s)

    def opened(self, digest: TreeDigest) -> Files | None:
        """Return a tree that was opened before, at once."""
        return self._opened.get(digest)

    def tree(self, digest: TreeDigest) -> Files | None:
        """Open a stored tree, unless it is open; takes time by the number of its files."""
        opened = self._opened.get(digest)
        if opened is None:
            tree = self._contents.tree(digest)
            if tree is None:
                return None
            opened = self._opened[digest] = Files(tree, lambda name: tree.entries[name].sha256)
            if len(self._opened) > OPENED_TREES:
                self._opened.popitem(last=False)
        return opened

    def url(self, path: str) -> str:
        """Return where an artifact's file is served."""
        return f"{self._base}/{path}"

    def _presence(self, artifact: Artifact) -> Presence:
        try:
            found = self._storage.check(artifact.path, artifact.digest)
            is_whole = artifact.is_opaque or self._contents.tree(TreeDigest(artifact.tree_digest))
        except ValueError:
            # Another program wrote this status.
            return Presence.MISSING
        if found is Presence.CORRUPT:
            self._storage.remove(artifact.path)
        return Presence.MISSING if found is Presence.PRESENT and not is_whole else found

    def _put(self, directory: str, fetched: Fetched, folder: Path) -> str:
        packed = fetched.packed
        if packed.tree:
            # The tree first: whoever sees the artifact finds what it is made of.
            self._contents.adopt(folder / TREE_FILE, packed.tree)
            # Opened here and now: builds ask for it on the loop.
            self._opened.pop(packed.tree, None)
            self.tree(packed.tree)
        path = f"{directory}/{fetched.name}.tar.gz"
        return self._storage.store(folder / ARCHIVE_FILE, path=path, digest=packed.archive_digest).path


def directory_of(kind: str, namespace: str, name: str) -> str:
    """Return where an object's files are."""
    return artifact_directory(kind=kind, namespace=namespace, name=name)
