"""Sorts the wishes of all placements by cluster, so that a session wakes for its own cluster only.

State: one board per cluster that has wishes, what is kept of what each says, and per Bundle the digests that it names. Says who may fetch what.
"""

from agent.kit.board import Board
from agent.model.names import ClusterId, Digest, HomeName
from hub.gateway.allowance import Allowance
from hub.model.wish import Assigned, Boards, Wish


class Router:
    """Wishes by cluster. `run` follows the common board until cancelled."""

    def __init__(self, boards: Boards) -> None:
        self._boards = boards
        self._clusters: dict[ClusterId, Board[HomeName, Wish]] = {}
        self._allowances: dict[ClusterId, Allowance] = {}
        self._named: dict[Digest, frozenset[Digest]] = {}

    def board(self, cluster: ClusterId) -> Board[HomeName, Wish]:
        """Return a cluster's own board."""
        return self._clusters.setdefault(cluster, Board())

    def allowance(self, cluster: ClusterId) -> Allowance:
        """Return how much of a cluster is kept."""
        return self._allowances.setdefault(cluster, Allowance(cluster, self._boards))

    def names(self, cluster: ClusterId, digest: Digest) -> bool:
        """Tell whether an assignment of the cluster names a blob: one of its indexes or manifests."""
        wishes = self.board(cluster).snapshot().values()
        return any(digest in self._digests(wish) for wish in wishes if isinstance(wish, Assigned))

    async def run(self) -> None:
        with self._boards.wishes.reader() as reader:
            while True:
                for (cluster, home), wish in (await reader.next()).items():
                    board = self.board(cluster)
                    if wish is None:
                        board.drop(home)
                    else:
                        board.put(home, wish)

    def _digests(self, wish: Assigned) -> frozenset[Digest]:
        bundle = wish.assignment.bundle.digest
        if bundle not in self._named:
            if len(self._named) > 10_000:
                self._named.clear()
            ref = wish.assignment.bundle
            manifests = (entry.digest for entry in wish.bundle.entries)
            self._named[bundle] = frozenset((ref.base, ref.overlay, *manifests))
        return self._named[bundle]
