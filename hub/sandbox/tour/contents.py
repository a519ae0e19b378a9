"""What the tour delivers: a repository with a base and an application, and the resources that bring it to both clusters."""

REPOSITORY = {
    "base/namespace.yaml": """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
""",
    "base/settings.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: shop
data:
  greeting: ${GREETING} from ${CLUSTER_NAME}
""",
    "base/banner.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: banner
  namespace: shop
data:
  text: Summer sale
""",
    "base/orders.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: orders
  namespace: shop
  annotations:
    kustomize.toolkit.fluxcd.io/prune: disabled
data:
  text: What nobody wants to lose
""",
    "apps/web.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: main
        image: web:1
""",
    "apps/README.md": "What runs in the shop.\n",
}


def resources(url: str) -> str:
    """Return the YAML of the source, the clusters and the two deliveries."""
    return f"""\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: shop, namespace: flux-system}}
spec:
  interval: 1m
  url: {url}
  ref: {{branch: main}}
---
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: everywhere, namespace: flux-system}}
spec:
  clusterSelector:
    matchExpressions: [{{key: region, operator: Exists}}]
  overrides:
  - clusterSelector: {{matchLabels: {{region: eu}}}}
    substitute: {{GREETING: Guten Tag}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: shop-base
  namespace: flux-system
  labels: {{fleet.cartwheel.dev/fleet: everywhere}}
spec:
  interval: 10m
  prune: true
  path: ./base
  sourceRef: {{kind: GitRepository, name: shop}}
  postBuild:
    substitute: {{GREETING: Hello}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: shop-apps
  namespace: flux-system
  labels: {{fleet.cartwheel.dev/fleet: everywhere}}
spec:
  interval: 10m
  prune: true
  wait: true
  path: ./apps
  sourceRef: {{kind: GitRepository, name: shop}}
  dependsOn: [{{name: shop-base}}]
"""
