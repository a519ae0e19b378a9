"""Looks for a seed that fails: `python -m tests.simulation.find SEEDS` prints the first, and what was wrong there."""

import logging
import sys

from tests.simulation.fleet import FleetStorm
from tests.simulation.storm import Storm

LINKS = 3


def wrong(storm: Storm) -> str:
    """Return what is wrong in a world, empty when nothing is."""
    try:
        storm.rage()
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"
    return storm.world.broken[0] if storm.world.broken else ""


def main(seeds: int) -> None:
    """Print the first seed that fails, nothing when none does; of the link, which costs less, there are three for one of a fleet."""
    logging.disable(logging.WARNING)
    for number in range(seeds):
        links = [Storm(seed) for seed in range(LINKS * number, LINKS * number + LINKS)]
        for storm in (*links, FleetStorm(number)):
            if words := wrong(storm):
                print(storm.seed, words.replace("\n", " ")[:120])
                return


if __name__ == "__main__":
    main(int(sys.argv[1]))
