"""Where an installation keeps its things: the names that whoever installs, the hub and the gateway agree on."""

NAMESPACE = "cartwheel-system"
"""The hub's namespace, and the agent's unless it serves a single namespace."""

PART_OF_VALUE = "cartwheel"
FIELD_MANAGER = "cartwheel-cli"

HUB = "cartwheel-hub"
"""The name of the hub's Deployment, Service, ServiceAccount and roles, and of the ConfigMap that says where agents find it."""
ADDRESS_KEY = "address"
ENROL_ADDRESS_KEY = "enrol-address"
BESIDE_FLUX_KEY = "beside-flux"
"""There when somebody allowed Flux's controllers of other kinds, so that installing again allows them, too."""
CA_CERTIFICATE_KEY = "ca.crt"
CA_KEY_KEY = "ca.key"
CA_SECRET = "cartwheel-ca"  # noqa: S105  (a name)
SESSION_PORT = 7443
ENROL_PORT = 7444

AGENT = "cartwheel-agent"
"""The name of the agent's Deployment, ServiceAccount and roles."""
BOOTSTRAP_SECRET = "cartwheel-agent-bootstrap"  # noqa: S105  (a name)
IDENTITY_SECRET = "cartwheel-agent-identity"  # noqa: S105  (a name)
DESK_LABEL = "fleet.cartwheel.dev/desk"
"""On every Secret of an agent's desk."""
TOKEN_KEY = "token"  # noqa: S105  (a name)
CLUSTER_KEY = "cluster"

CLUSTERS_NAMESPACE = "flux-system"
"""Where commands look for resources unless told otherwise, as Flux's do."""
MANAGEMENT_CLUSTER = "management"
"""The name of the Cluster that is the management cluster itself."""
