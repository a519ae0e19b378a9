"""What Flux does with the same work on two cores: source- and kustomize-controller 1.9 with 20 workers and everything else on the same machine.

Measured once with 1,000 Kustomizations of 4 objects each; the figures here are per object or per Kustomization where time grows with them.
"""

DELIVERIES = 1000
OBJECTS = 4000

CREATED_S = 202.0 / OBJECTS
"""Seconds per created object, from the Kustomizations to the last Ready."""

CREATED_CPU_S = 250.0 / OBJECTS
"""CPU seconds of kustomize-controller per created object."""

CHANGED_S = 87.0 / DELIVERIES
"""Seconds per Kustomization of a source until a commit that changes one object of one of them is applied."""

REPORTED_S = 171.0 / DELIVERIES
"""Seconds per Kustomization of a source until all report such a commit's revision."""

IDLE_PERCENT = 0.2
"""Share of a core when nothing happens."""

RSS_MB = 249.0
"""Resident memory of kustomize-controller at its peak."""
