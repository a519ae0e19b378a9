"""A real Kubernetes control plane on loopback: etcd, API server, controller-manager, scheduler, and kwok as the kubelet of workloads.

    with Plane("east", folder) as plane:                       # folder: best in memory, /dev/shm/...
        plane.kubectl("apply", "-f", "-", input=text)
        plane.get("deployment", "web", "-n", "shop")           # values, or None
        Client(HttpTransport(from_kubeconfig(str(plane.kubeconfig()))), clock=SystemClock())
        restricted = plane.restrict("reader", "shop")          # kubeconfig of a service account with rights in one namespace
        plane.kill_apiserver(); plane.restart_apiserver()      # the data stays
        plane.freeze(); plane.thaw()
        plane.audit(since)                                     # who wrote what, dry runs marked
        plane.pods                                             # Cartwheel's own Pods, run for real (podrunner.py)

Ready about five seconds after `start`; several come up side by side by `begin` of each, then `finish` of each. Everything is below one
folder and gone with `stop`. No process outlives the harness, however that ends.
"""

import json
import secrets
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from e2e import tools
from e2e.planes.podrunner import PodRunner, Server
from e2e.planes.process import Program
from hub.sandbox.ports import free_port

NODE = "node"
READY_S = 60.0
_STAGES = Path(__file__).parent / "stages.yaml"
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
{reads}- level: Metadata
"""
_WITHOUT_READS = "- level: None\n  verbs: [get, list, watch]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One request of the audit log. `pod` is the one whose token was shown, empty for others."""

    verb: str
    user: str
    pod: str
    resource: str
    namespace: str
    name: str
    subresource: str
    dry_run: bool
    code: int
    time: datetime


class PlaneFailed(RuntimeError):
    """A part of a plane did not come up; the text has the end of its log."""


class KubectlFailed(RuntimeError):
    """A kubectl command ended with an error; the text has what it said."""


class Plane:
    """One plane. `start` it, or use it as a context. Its audit log has reading requests when `audits_reads`."""

    def __init__(self, name: str, folder: Path, *, audits_reads: bool = False) -> None:
        self.name = name
        self.folder = folder / name
        self._audits_reads = audits_reads
        self.port = free_port()
        self._etcd_port, self._peer_port, self._kwok_port = free_port(), free_port(), free_port()
        self._users = {"root": "system:masters", "admin": "cartwheel:admins"}
        self._tokens = {user: secrets.token_hex(16) for user in self._users}
        self._programs: dict[str, Program] = {}
        self.pods = PodRunner(
            Server(port=self.port, token=self._tokens["root"], ca=self.ca, folder=self.folder / "pods")
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.folder / "certs" / "apiserver.crt"

    def begin(self) -> None:
        """Start the processes without waiting, so that several planes come up side by side."""
        self.folder.mkdir(parents=True)
        self._write_files()
        self._run("etcd", *self._etcd())
        self._run("kube-apiserver", *self._apiserver())

    def finish(self) -> None:
        """Wait until the plane serves and its node is ready."""
        self._wait(self._is_serving, "kube-apiserver")
        for user in self._users:
            self._write_kubeconfig(user, self._tokens[user])
        root = self.kubeconfig("root")
        self._run("kube-controller-manager", *self._controller_manager(root))
        self._run("kube-scheduler", "--kubeconfig", root, "--secure-port=0", "--leader-elect=false")
        self._start_kwok(root)
        self._call("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", _ADMINS)
        self._call("/api/v1/nodes", _node())
        self._wait(self._is_node_ready, "kwok")
        self._wait(self._has_default_account, "kube-controller-manager")
        self.pods.start()

    def start(self) -> None:
        """Start and wait."""
        self.begin()
        self.finish()

    def stop(self) -> None:
        """End all processes and remove the folder. Raises RuntimeError when the Pods' runner broke."""
        try:
            self.pods.stop()
        finally:
            for program in reversed(self._programs.values()):
                program.kill()
            shutil.rmtree(self.folder, ignore_errors=True)

    def kubeconfig(self, user: str = "admin") -> Path:
        """Return a kubeconfig; `admin` may do everything by RBAC, others are made by `restrict`."""
        return self.folder / f"{user}.kubeconfig"

    def restrict(self, user: str, namespace: str) -> Path:
        """Return a kubeconfig of a service account that may do everything in one namespace and nothing elsewhere."""
        whole = {"apiVersion": "v1", "kind": "List", "items": _restricted(user, namespace)}
        self.kubectl("apply", "-f", "-", input=json.dumps(whole), user="root")
        token = self.kubectl("create", "token", user, "-n", namespace, "--duration=24h").strip()
        self._write_kubeconfig(user, token)
        return self.kubeconfig(user)

    def kubectl(self, *arguments: str, input: str | None = None, user: str = "admin") -> str:
        """Run the real kubectl and return what it prints. Raises KubectlFailed with what it says."""
        command = [
            str(tools.ensure("controlplane")),
            "kubectl",
            f"--kubeconfig={self.kubeconfig(user)}",
            *arguments,
        ]
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, check=False, cwd=self.folder, timeout=120
        )
        if done.returncode:
            raise KubectlFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds, as values; None when it is not there."""
        text = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def kill_apiserver(self) -> None:
        """Kill -9 the API server: connections are refused from now on."""
        self._programs["kube-apiserver"].kill()

    def restart_apiserver(self) -> None:
        """Start the killed API server again, and wait until it serves; what was stored is there."""
        self._programs["kube-apiserver"].start()
        self._wait(self._is_serving, "kube-apiserver")

    def freeze(self, program: str = "kube-apiserver") -> None:
        """Stop a part without closing its connections."""
        self._programs[program].signal(signal.SIGSTOP)

    def thaw(self, program: str = "kube-apiserver") -> None:
        """Let a frozen part go on."""
        self._programs[program].signal(signal.SIGCONT)

    def pid(self, program: str = "kube-apiserver") -> int:
        """Return the process of a part."""
        return self._programs[program].pid

    def audit(self, since: datetime | None = None) -> list[AuditEntry]:
        """Return the requests so far, oldest first; Leases are left out."""
        text = (self.folder / "audit.log").read_text()
        whole = text[: text.rfind("\n") + 1]  # the last line may be half written
        entries = (_entry(json.loads(line)) for line in whole.splitlines())
        return [entry for entry in entries if since is None or entry.time >= since]

    def _run(self, name: str, *arguments: str | Path, binary: str = "controlplane") -> None:
        head = [tools.ensure(binary)] if binary != "controlplane" else [tools.ensure(binary), name]
        program = Program(name, [*head, *arguments], self.folder / f"{name}.log")
        program.start()
        self._programs[name] = program

    def _etcd(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._peer_port}"
        return [
            "--unsafe-no-fsync",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _apiserver(self) -> list[str]:
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certs'}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'accounts.key'}",
            f"--service-account-signing-key-file={self.folder / 'accounts.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-node-port-range=30000-32767",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
            f"--audit-policy-file={self.folder / 'audit.yaml'}",
            f"--audit-log-path={self.folder / 'audit.log'}",
            "--audit-log-mode=blocking",
            "--shutdown-delay-duration=0s",
        ]

    def _controller_manager(self, kubeconfig: Path) -> list[str]:
        return [
            f"--kubeconfig={kubeconfig}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self.ca}",
            "--secure-port=0",
            "--leader-elect=false",
            "--namespace-sync-period=5s",
            "--concurrent-namespace-syncs=20",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]

    def _start_kwok(self, kubeconfig: Path) -> None:
        self._run(
            "kwok",
            "--kubeconfig",
            kubeconfig,
            "--config",
            _STAGES,
            "--manage-all-nodes",
            "--cidr",
            "10.1.0.0/16",
            "--node-ip",
            "127.0.0.1",
            "--node-lease-duration-seconds",
            "40",
            "--server-address",
            f"127.0.0.1:{self._kwok_port}",
            binary="kwok",
        )

    def _write_files(self) -> None:
        key = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        lines = [f'{self._tokens[user]},{user},{user},"{group}"' for user, group in self._users.items()]
        tokens = self.folder / "tokens.csv"
        tokens.write_text("\n".join(lines) + "\n")
        tokens.chmod(0o600)
        (self.folder / "audit.yaml").write_text(
            _AUDIT_POLICY.replace("{reads}", "" if self._audits_reads else _WITHOUT_READS)
        )

    def _write_kubeconfig(self, user: str, token: str) -> None:
        value = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "clusters": [
                {"name": self.name, "cluster": {"server": self.server, "certificate-authority": str(self.ca)}}
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
        }
        file = self.kubeconfig(user)
        file.write_text(json.dumps(value))
        file.chmod(0o600)

    def read(self, path: str, accept: str = "application/json") -> bytes:
        """Return what the API server answers root at a path. Raises OSError."""
        return self._call(path, accept=accept)

    def _call(self, path: str, body: dict[str, Any] | None = None, accept: str = "application/json") -> bytes:
        """Ask the API server as root; kubectl would need a second for each of the first calls."""
        headers = {
            "Authorization": f"Bearer {self._tokens['root']}",
            "Content-Type": "application/json",
            "Accept": accept,
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data=data, headers=headers)
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            content: bytes = answer.read()
            return content

    def _answers(self, path: str) -> bytes | None:
        try:
            return self._call(path)
        except OSError:  # refused, not found, no certificate yet: all of it passes
            return None

    def _is_serving(self) -> bool:
        return self._answers("/readyz") is not None

    def _is_node_ready(self) -> bool:
        node = json.loads(self._answers(f"/api/v1/nodes/{NODE}") or b"{}")
        conditions = node.get("status", {}).get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def _has_default_account(self) -> bool:
        return self._answers("/api/v1/namespaces/default/serviceaccounts/default") is not None

    def _wait(self, is_done: Callable[[], bool], program: str) -> None:
        until = time.monotonic() + READY_S
        while not is_done():
            if self._programs[program].exit_code() is not None or time.monotonic() > until:
                raise PlaneFailed(f"plane {self.name}: {program}:\n{self._programs[program].tail()}")
            time.sleep(0.05)


def _entry(event: dict[str, Any]) -> AuditEntry:
    reference = event.get("objectRef") or {}
    return AuditEntry(
        verb=event["verb"],
        user=event["user"]["username"],
        pod=event["user"].get("extra", {}).get("authentication.kubernetes.io/pod-name", [""])[0],
        resource=reference.get("resource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        subresource=reference.get("subresource", ""),
        dry_run="dryRun=" in event["requestURI"],
        code=(event.get("responseStatus") or {}).get("code", 0),
        time=datetime.fromisoformat(event["stageTimestamp"].replace("Z", "+00:00")),
    )


_ADMINS: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "harness-admins"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "cartwheel:admins"}],
}


def _node() -> dict[str, Any]:
    room = {"cpu": "1000", "memory": "1000Gi", "pods": "10000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        "status": {"allocatable": room, "capacity": room},
    }


def _restricted(user: str, namespace: str) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    here = {"namespace": namespace, "name": user}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": here, "rules": everything},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": here,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
            "subjects": [{"kind": "ServiceAccount", "name": user, "namespace": namespace}],
        },
    ]
