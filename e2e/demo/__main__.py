"""The tour on real planes: `make demo-real`, or `python -m e2e.demo [--unattended]`. It needs root, because the clusters' own Pods get
mounts of their own."""

import argparse
import os
import sys
from collections.abc import Sequence

from e2e.demo.stage import stage
from hub.sandbox.tour.tour import tour


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tour; return the exit code: 0 when every step came out as it should."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo", description=__doc__)
    parser.add_argument(
        "--unattended", action="store_true", help="do not wait for anybody, check every step, and end"
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("the tour on real planes needs root: run `sudo make demo-real`", file=sys.stderr)
        return 1
    return tour(stage, waits=not options.unattended)


if __name__ == "__main__":
    sys.exit(main())
