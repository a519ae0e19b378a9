"""Runs layers of tests one after the other and prints what each took beside its budget.

`layers.py check unit ...` runs the make target of each name and goes on after a failure, so that one run tells everything. A layer that
took half as long again as its budget fails where CI is set; elsewhere it is only told: machines differ.
"""

import os
import subprocess
import sys
import time

BUDGETS_S = {
    "check": 60,
    "unit": 180,
    "integration": 120,
    "contract": 120,
    "simulation": 180,
    "e2e": 480,
    "slow": 1800,
}
TOLERANCE = 1.5


def run(layer):
    """Run one layer; return how long it took in seconds and what is wrong with it, "" for nothing."""
    started = time.monotonic()
    code = subprocess.run(["make", "--no-print-directory", layer], check=False).returncode
    took_s = time.monotonic() - started
    if code:
        return took_s, "failed"
    if took_s > TOLERANCE * BUDGETS_S[layer]:
        return took_s, "too slow"
    return took_s, ""


def main(names):
    results = {name: run(name) for name in names}
    print(f"\n{'layer':<14}{'took':>8}{'budget':>8}")
    for name, (took_s, fault) in results.items():
        print(f"{name:<14}{took_s:>6.0f} s{BUDGETS_S[name]:>6} s  {fault}".rstrip())
    faults = [fault for _, fault in results.values() if fault == "failed" or (fault and os.environ.get("CI"))]
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
