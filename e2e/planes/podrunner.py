"""The kubelet of Cartwheel's own Pods: runs what is labelled `app.kubernetes.io/part-of: cartwheel` as processes from this checkout.

    plane.pods.logs("cartwheel-system", "cartwheel-hub")
    plane.pods.kill9("cartwheel-system", "app.kubernetes.io/name=cartwheel-hub")
    plane.pods.freeze(...); plane.pods.thaw(...)          # SIGSTOP and SIGCONT
    plane.pods.partition(); plane.pods.heal()             # of everything that comes in through Services
    plane.pods.images["cartwheel-hub"] = folder           # this image's Pods take their commands from there

Each Pod has a loopback address of its own as podIP. Environment, volumes, projected tokens and probes are real, a container that ends is
started again, status and logs are told. A NodePort, or a LoadBalancer's port, on 127.0.0.1 leads to a ready Pod. Cluster IPs and cluster DNS
do not exist here. One container per Pod; requests, users and capabilities of security contexts are not enforced.
"""

import asyncio
import contextlib
import itertools
import random
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from e2e.planes.container import Container
from e2e.planes.door import Door, DoorShut, Object
from e2e.planes.podlife import Place, PodLife
from e2e.planes.proxy import Proxies, Target

LABEL = "app.kubernetes.io/part-of"
VALUE = "cartwheel"
_TICK_S = 0.2
_OURS = f"labelSelector={LABEL}%3D{VALUE}&resourceVersion=0"
_NETWORK = f"127.{random.randint(2, 250)}"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The API server whose Pods are run, and the folder for what that needs."""

    port: int
    token: str
    ca: Path
    folder: Path


class PodRunner:
    """Runs one plane's own Pods from `start` to `stop`, in a thread of its own."""

    def __init__(self, server: Server) -> None:
        self.images: dict[str, Path] = {}
        self._server = server
        self._lives: dict[str, PodLife] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._proxies: Proxies | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_up = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pods {server.folder}", daemon=True)
        self._failure = ""

    def start(self) -> None:
        """Begin to run Pods."""
        self._thread.start()
        self._is_up.wait()

    def stop(self) -> None:
        """Kill every Pod's processes. Raises what the runner failed with, if it did."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=20)
        if self._failure:
            raise RuntimeError(self._failure)

    def logs(self, namespace: str, name: str) -> str:
        """Return the logs of the Pods whose names begin so, oldest first, those that are gone included."""
        files = [
            folder / "log" for folder in (self._server.folder / namespace).glob(f"{name}*") if folder.is_dir()
        ]
        found = sorted((file for file in files if file.is_file()), key=lambda file: file.stat().st_ctime)
        return "".join(file.read_text(errors="replace") for file in found)

    def pid(self, namespace: str, selector: str) -> int:
        """Return the first process of the running Pod with these labels."""
        for container in self._running(namespace, selector):
            if (pid := container.pid) is not None:
                return pid
        raise LookupError(f"no process of a Pod in {namespace} with the labels {selector}")

    def kill9(self, namespace: str, selector: str) -> None:
        """Kill -9 the containers of the Pods with these labels (`a=b,c=d`); they are started again."""
        self._signal(namespace, selector, signal.SIGKILL)

    def freeze(self, namespace: str, selector: str) -> None:
        """Stop every process of these Pods without ending them or their connections."""
        self._signal(namespace, selector, signal.SIGSTOP)

    def thaw(self, namespace: str, selector: str) -> None:
        """Let frozen Pods go on."""
        self._signal(namespace, selector, signal.SIGCONT)

    def partition(self) -> None:
        """Hold back every byte through Services; connections stay open, new ones hang."""
        self._in_loop(lambda proxies: proxies.partition())

    def heal(self) -> None:
        """Let the bytes flow again, the held ones first."""
        self._in_loop(lambda proxies: proxies.heal())

    def _in_loop(self, change: Callable[[Proxies], None]) -> None:
        assert self._loop is not None
        assert self._proxies is not None
        done = threading.Event()
        self._loop.call_soon_threadsafe(change, self._proxies)
        self._loop.call_soon_threadsafe(done.set)
        done.wait(timeout=10)

    def _signal(self, namespace: str, selector: str, number: signal.Signals) -> None:
        for container in self._running(namespace, selector):
            container.signal(number)

    def _running(self, namespace: str, selector: str) -> list[Container]:
        labels = dict(one.split("=", 1) for one in selector.split(","))
        found = [life for life in list(self._lives.values()) if _is_selected(life, namespace, labels)]
        running = [life.container for life in found if life.container is not None]
        if not running:
            raise LookupError(f"no running Pod in {namespace} has the labels {selector}")
        return running

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException:
            self._failure = traceback.format_exc()
            raise
        finally:
            self._is_up.set()

    async def _serve(self) -> None:
        self._loop, self._proxies = asyncio.get_running_loop(), Proxies()
        url = f"https://127.0.0.1:{self._server.port}"
        async with Door(url, self._server.token, self._server.ca) as door:
            self._is_up.set()
            try:
                while not self._stopping.is_set():
                    with contextlib.suppress(DoorShut):
                        await self._look(door)
                    await asyncio.sleep(_TICK_S)
            finally:
                await self._proxies.close()
                for task in self._tasks.values():
                    task.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self, door: Door) -> None:
        """Bring what runs in line with what the API server says now. One that is away changes nothing."""
        for uid in [uid for uid, task in self._tasks.items() if task.done()]:
            self._tasks.pop(uid).result()
            self._lives.pop(uid)
        pods = {one["metadata"]["uid"]: one for one in await door.items(f"/api/v1/pods?{_OURS}")}
        for uid, pod in pods.items():
            if uid in self._lives:
                self._lives[uid].pod = pod
            elif pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") == "Pending":
                life = PodLife(door, pod, self._place(pod))
                self._lives[uid] = life
                self._tasks[uid] = asyncio.create_task(life.run())
        for uid in self._lives.keys() - pods.keys():
            # Deleted by force: nobody waits for its end.
            self._tasks[uid].cancel()
            await asyncio.gather(self._tasks.pop(uid), return_exceptions=True)
            self._lives.pop(uid)
        await self._open_services(door)

    def _place(self, pod: Object) -> Place:
        metadata = pod["metadata"]
        folder = self._server.folder / metadata["namespace"] / f"{metadata['name']}.{metadata['uid'][:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        number = next(_NUMBERS)
        address = f"{_NETWORK}.{number // 250}.{number % 250 + 1}"
        return Place(api_port=self._server.port, folder=folder, address=address, images=self.images)

    async def _open_services(self, door: Door) -> None:
        assert self._proxies is not None
        wanted: dict[int, Target] = {}
        for service in await door.items("/api/v1/services?resourceVersion=0"):
            if service["spec"].get("selector") and service["spec"].get("type") != "ClusterIP":
                for at, target in self._ways(service):
                    wanted.setdefault(at, target)
                await _balance(door, service)
        await self._proxies.serve(wanted)

    def _ways(self, service: Object) -> Iterator[tuple[int, Target]]:
        for port in service["spec"].get("ports") or ():
            target = partial(self._target, service, port.get("targetPort", port["port"]))
            if port.get("nodePort"):
                yield port["nodePort"], target
            if service["spec"]["type"] == "LoadBalancer":
                yield port["port"], target

    def _target(self, service: Object, port: str | int) -> tuple[str, int] | None:
        """Return where a connection goes: a ready Pod that the Service selects, any of them."""
        namespace, selector = service["metadata"]["namespace"], service["spec"]["selector"]
        ready = [
            life
            for life in self._lives.values()
            if life.is_ready and not life.is_leaving and _is_selected(life, namespace, selector)
        ]
        if not ready:
            return None
        life = random.choice(ready)
        return life.place.address, life.port(port)


def _is_selected(life: PodLife, namespace: str, labels: dict[str, str]) -> bool:
    return life.namespace == namespace and labels.items() <= life.pod["metadata"].get("labels", {}).items()


async def _balance(door: Door, service: Object) -> None:
    """Give a LoadBalancer its address."""
    told = (service.get("status") or {}).get("loadBalancer", {}).get("ingress")
    if service["spec"]["type"] != "LoadBalancer" or told:
        return
    metadata = service["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/services/{metadata['name']}/status"
    await door.merge(path, {"status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}})
