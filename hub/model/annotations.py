"""Well-known names: the labels, annotations and finalizers by which people, Flux's commands and the hub understand each other."""

FINALIZER = "finalizers.fluxcd.io"

# Tokens: the newest value wins, "handled" is said by copying it to the status.
RECONCILE_REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
# Digests of Bundles whose prune may go on, separated by commas; `DIGEST@NAMESPACE/NAME` is for that Cluster alone.
APPROVE_PRUNE = "fleet.cartwheel.dev/approve-prune"

# In an artifact's metadata: the W3C trace context of the fetch that brought it, so that one commit is one trace. On a resource: that of the
# request to reconcile, as `CONTEXT@REQUESTED_AT`, since whoever asks next may know nothing of it.
TRACEPARENT = "fleet.cartwheel.dev/traceparent"

# A label on ConfigMaps and Secrets: a change of their data reconciles what names them.
WATCH = "reconcile.fluxcd.io/watch"
WATCH_ENABLED = "Enabled"

# Annotations with this prefix go into the metadata of every event of the object.
EVENT_PREFIX = "event.toolkit.fluxcd.io/"

# Placement of a delivery. FLEET is a label or an annotation on the delivery, CLUSTER (`NAMESPACE.NAME`) a label on its
# namespace, HOME_NAMESPACE a label or an annotation on its namespace.
FLEET = "fleet.cartwheel.dev/fleet"
CLUSTER = "fleet.cartwheel.dev/cluster"
HOME_NAMESPACE = "fleet.cartwheel.dev/home-namespace"
# What the hub first placed a delivery by: one that lost its label is not taken for one that never had it.
PLACED = "fleet.cartwheel.dev/placed"

# An annotation on a delivery: substitute the cluster's variables although Flux would not substitute.
VARIABLES = "fleet.cartwheel.dev/variables"
VARIABLES_ENABLED = "enabled"

# An annotation on a Cluster that is to be deleted: what becomes of its workloads, `keep` or `prune`; `forget` is to wait no more for an
# agent that is away.
REMOVE = "fleet.cartwheel.dev/remove"

# Annotations on a Cluster: released placements to delete there, or to forget. Entries `Kind/namespace/name@since`, separated by
# commas, with the home name and the time that the Cluster's status gives; an entry is for that release alone.
PRUNE_RELEASED = "fleet.cartwheel.dev/prune-released"
FORGET_RELEASED = "fleet.cartwheel.dev/forget-released"

PART_OF = "app.kubernetes.io/part-of"
VERSION = "app.kubernetes.io/version"
CRD_REVISION = "fleet.cartwheel.dev/crd-revision"
