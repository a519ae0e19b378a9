"""Planes to try things on: `make planes`, or `python -m e2e.planes NAME ...`. They live until Ctrl-C."""

import signal
import sys
import time

from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane


def main() -> None:
    """Start planes side by side, say how to reach them, and wait."""
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with memory_folder() as folder:
        planes = [Plane(name, folder) for name in sys.argv[1:] or ("management", "east", "west")]
        try:
            for plane in planes:
                plane.begin()
            for plane in planes:
                plane.finish()
                print(f"{plane.name}: export KUBECONFIG={plane.kubeconfig()}", flush=True)
            print(f"up in {time.monotonic() - began:.1f} s; end them with Ctrl-C", flush=True)
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print("ending", flush=True)
        finally:
            for plane in planes:
                plane.stop()


if __name__ == "__main__":
    main()
