"""Git as a source: one request in, the files of a commit out, ready to be stored. Knows no resource and writes no status."""

from pathlib import Path
from typing import Protocol

from hub.sources.fetch import Answer, Failed, Fetched, GitRequest, Order, Unchanged
from hub.sources.git_failure import GitFailure
from hub.sources.workers import Workers


class Fetcher(Protocol):
    """What gets the files that a reference stands for."""

    async def fetch(self, request: GitRequest, folder: Path) -> Fetched | Unchanged:
        """Write TREE_FILE and ARCHIVE_FILE into the folder unless nothing changed. Raises GitFailure."""
        ...


class GitFetcher:
    """Fetches in processes of their own."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def fetch(self, request: GitRequest, folder: Path) -> Fetched | Unchanged:
        """Ask the remote, and fetch when it has something else than `request.known`. Raises GitFailure."""
        answer: Answer = await self._workers.serve(Order(request=request, folder=str(folder)))
        if isinstance(answer, Failed):
            raise GitFailure(answer.kind, answer.message)
        return answer
