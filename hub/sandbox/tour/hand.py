"""Somebody's hand on clusters, for who has no kubectl: looks at objects and changes them through their API servers."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Object = Mapping[str, Any]
_PATHS = {
    "configmap": "/api/v1/namespaces/{0}/configmaps/{1}",
    "deployment": "/apis/apps/v1/namespaces/{0}/deployments/{1}",
    "gitrepository": "/apis/source.toolkit.fluxcd.io/v1/namespaces/{0}/gitrepositories/{1}",
    "fleet": "/apis/fleet.cartwheel.dev/v1alpha1/namespaces/{0}/fleets/{1}",
    "kustomization": "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{0}/kustomizations/{1}",
}
_MANAGER = "by-hand"


class Hand:
    """The clusters of a kubeconfig, by the names of its contexts."""

    def __init__(self, kubeconfig: Path) -> None:
        found = yaml.safe_load(kubeconfig.read_text())
        self._clusters: dict[str, Object] = {one["name"]: one["cluster"] for one in found["clusters"]}
        self._token = found["users"][0]["user"]["token"]

    def get(self, cluster: str, kind: str, name: str, namespace: str) -> Object | None:
        try:
            found: Object = json.loads(self._send(cluster, "GET", _path(kind, name, namespace)))
        except urllib.error.HTTPError as problem:
            if problem.code == 404:
                return None
            raise
        return found

    def apply(self, cluster: str, text: str) -> None:
        for one in yaml.safe_load_all(text):
            metadata = one["metadata"]
            path = _path(one["kind"].lower(), metadata["name"], metadata["namespace"])
            query = f"?fieldManager={_MANAGER}&force=true"
            self._send(cluster, "PATCH", path + query, json.dumps(one), "application/apply-patch+yaml")

    def scale(self, cluster: str, name: str, namespace: str, replicas: int) -> None:
        patch = json.dumps({"spec": {"replicas": replicas}})
        path = _path("deployment", name, namespace) + f"?fieldManager={_MANAGER}"
        self._send(cluster, "PATCH", path, patch, "application/merge-patch+json")

    def delete(self, cluster: str, kind: str, name: str, namespace: str) -> None:
        self._send(cluster, "DELETE", _path(kind, name, namespace))

    def _send(
        self, cluster: str, method: str, path: str, body: str = "", content_type: str = "application/json"
    ) -> bytes:
        found = self._clusters[cluster]
        authority = base64.b64decode(found["certificate-authority-data"]).decode()
        request = urllib.request.Request(  # noqa: S310  (an address of ours)
            found["server"] + path,
            method=method,
            data=body.encode() or None,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": content_type},
        )
        context = ssl.create_default_context(cadata=authority)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content


def _path(kind: str, name: str, namespace: str) -> str:
    return _PATHS[kind].format(namespace, name)
