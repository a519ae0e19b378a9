"""The life of one Pod of ours, from the node it was given to its deletion."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from e2e.planes.container import Container, ContainerPlan
from e2e.planes.door import Door, DoorShut, Object
from e2e.planes.probes import Probe
from e2e.planes.volumes import NotYet, Volumes

_TICK_S = 0.1
_RETRY_S = 0.5
_REFRESH_S = 5.0
_BACKOFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # a tenth of a kubelet's
_FORGIVEN_AFTER_S = 60.0
_LAST_LINES, _LAST_CHARACTERS = 80, 2048  # as a kubelet cuts the message


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a Pod runs: its API server's port, a folder of its own, its address; and the commands of the images that were made."""

    api_port: int
    folder: Path
    address: str
    images: Mapping[str, Path]


class PodLife:
    """One Pod: `run` until it is gone. `pod` is replaced by whoever sees it change."""

    def __init__(self, door: Door, pod: Object, place: Place) -> None:
        self.pod = pod
        self.place = place
        self.container: Container | None = None
        self.is_ready = False
        self._door = door
        self._spec: Object = pod["spec"]["containers"][0]
        self._volumes = Volumes(door, pod, place.folder, place.address)
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._last_state: Object = {}
        self._restarts = 0
        self._phase = "Pending"
        self._told: Object | None = None
        self._changed_at: dict[str, tuple[str, str]] = {}
        self._started_at = _now()

    @property
    def namespace(self) -> str:
        return str(self.pod["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def is_leaving(self) -> bool:
        return "deletionTimestamp" in self.pod["metadata"]

    @property
    def log(self) -> Path:
        return self.place.folder / "log"

    def port(self, wanted: str | int) -> int:
        """Return the number of a container port that may be given by name."""
        ports = {one.get("name"): one["containerPort"] for one in self._spec.get("ports") or ()}
        return int(ports.get(wanted, wanted))

    async def run(self) -> None:
        """Live. Cancelled, it kills the container and leaves the Pod's object as it is."""
        try:
            failures = 0
            while not self.is_leaving:
                began = time.monotonic()
                code = await self._run_once()
                if self._is_over(code):
                    break
                failures = 0 if time.monotonic() - began > _FORGIVEN_AFTER_S else failures + 1
                await self._wait_to_restart(_BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1] if failures else 0)
                self._restarts += 1
            await self._until(lambda: self.is_leaving)
            await self._forget()
        finally:
            if self.container is not None:
                self.container.kill()

    async def _run_once(self) -> int:
        """Start the container and look after it until it ends; return its exit code."""
        container = await self._start()
        if container is None:
            return 0
        self.container = container
        running_since, log_begins = _now(), self.log.stat().st_size
        self._phase, self._state = "Running", {"running": {"startedAt": running_since}}
        await self._look_after(container)
        if self.is_leaving:
            await self._end(container)
        code = container.exit_code
        assert code is not None
        self.container, self.is_ready = None, False
        self._state = {
            "terminated": {
                "exitCode": code,
                "reason": "Completed" if code == 0 else "Error",
                "message": self._last_words(code, log_begins),
                "startedAt": running_since,
                "finishedAt": _now(),
            }
        }
        await self._tell()
        return code

    def _last_words(self, code: int, log_begins: int) -> str:
        """Return the end of this run's output, where the Pod asks for that."""
        if code == 0 or self._spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        with self.log.open("rb") as log:
            log.seek(log_begins)
            lines = log.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join(lines)[-_LAST_CHARACTERS:]

    async def _start(self) -> Container | None:
        """Start the container when all that it refers to is there; None when the Pod left before."""
        while not self.is_leaving:
            try:
                plan = await self._plan()
            except NotYet as problem:
                self._state = {"waiting": {"reason": "CreateContainerConfigError", "message": str(problem)}}
            except DoorShut as problem:
                self._state = {"waiting": {"reason": "ContainerCreating", "message": str(problem)}}
            else:
                return Container(f"{self.namespace}.{self.name}", plan, self.place.folder)
            await self._tell()
            await asyncio.sleep(_RETRY_S)
        return None

    async def _plan(self) -> ContainerPlan:
        command = [*(self._spec.get("command") or ()), *(self._spec.get("args") or ())]
        if not self._spec.get("command"):
            raise NotYet("the container names no command, and this runner has no images to take one from")
        env = await self._volumes.env(self._spec)
        given = {
            "HOSTNAME": self.name,
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.place.api_port),
            # Every Pod shares the host's network: ours listen on their own address instead of on all.
            "CARTWHEEL_HOST": self.place.address,
        }
        return ContainerPlan(
            command=command,
            env=given | env,
            mounts=await self._volumes.mounts(self._spec),
            working_folder=self._spec.get("workingDir", "/"),
            is_root_writable=not self._spec.get("securityContext", {}).get("readOnlyRootFilesystem", False),
            commands=self.place.images.get(self._spec["image"].rpartition("/")[2].partition(":")[0]),
        )

    async def _look_after(self, container: Container) -> None:
        """Probe, refresh files and tell the status until the container ends, has to be killed or the Pod leaves."""
        readiness, liveness, startup = (
            self._probe(container, f"{one}Probe") for one in ("readiness", "liveness", "startup")
        )
        refresh_at = time.monotonic() + _REFRESH_S
        while container.exit_code is None and not self.is_leaving:
            if startup is not None and not startup.is_passing:
                await startup.ask_when_due()
                startup.hurry()
                failed = startup.has_failed
            else:
                failed = await self._ask(readiness, liveness)
            if failed:
                container.signal(signal.SIGCONT)
                await self._end(container)
            if time.monotonic() > refresh_at:
                with contextlib.suppress(DoorShut, NotYet):
                    await self._volumes.refresh(self._spec)
                refresh_at = time.monotonic() + _REFRESH_S
            await self._tell()
            await asyncio.sleep(_TICK_S)

    async def _ask(self, readiness: Probe | None, liveness: Probe | None) -> bool:
        """Ask both probes; return whether the container has to be restarted."""
        if readiness is None:
            self.is_ready = True
        else:
            await readiness.ask_when_due()
            self.is_ready = readiness.is_passing
            if not self.is_ready:
                readiness.hurry()
        if liveness is None:
            return False
        await liveness.ask_when_due()
        return liveness.has_failed

    def _probe(self, container: Container, kind: str) -> Probe | None:
        spec = self._spec.get(kind)
        return (
            Probe(spec, self._spec, self.place.address, lambda: container.pid) if spec is not None else None
        )

    async def _end(self, container: Container) -> None:
        """Ask the container to end, and kill it when its grace period is over."""
        metadata, spec = self.pod["metadata"], self.pod["spec"]
        grace_s = metadata.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds", 30))
        self.is_ready = False
        await self._tell()
        container.signal(signal.SIGTERM)
        until = time.monotonic() + grace_s
        while container.exit_code is None and time.monotonic() < until:
            await asyncio.sleep(_TICK_S)
        container.kill()

    def _is_over(self, code: int) -> bool:
        if self.is_leaving:
            return True
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if policy == "Always" or (policy == "OnFailure" and code != 0):
            return False
        self._phase = "Succeeded" if code == 0 else "Failed"
        return True

    async def _wait_to_restart(self, delay_s: float) -> None:
        self._last_state = self._state
        if delay_s:
            self._state = {"waiting": {"reason": "CrashLoopBackOff", "message": f"back-off {delay_s:g}s"}}
        until = time.monotonic() + delay_s
        await self._until(lambda: self.is_leaving or time.monotonic() >= until)

    async def _until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            await self._tell()
            await asyncio.sleep(_TICK_S)

    async def _forget(self) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        while True:
            try:
                await self._door.remove(path, self.pod["metadata"]["uid"])
            except DoorShut as problem:
                if problem.status in (404, 409):
                    return
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _tell(self) -> None:
        """Write the status when it changed; an API server that is away hears it when it is back."""
        status = self._status()
        if status == self._told:
            return
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}/status"
        with contextlib.suppress(DoorShut):
            await self._door.merge(path, {"status": status})
            self._told = status

    def _status(self) -> Object:
        ready = "True" if self.is_ready else "False"
        container = {
            "name": self._spec["name"],
            "image": self._spec["image"],
            "imageID": "",
            "ready": self.is_ready,
            "started": "running" in self._state,
            "restartCount": self._restarts,
            "state": {kind: self._state.get(kind) for kind in ("waiting", "running", "terminated")},
            "lastState": self._last_state,
        }
        conditions = {
            "PodScheduled": "True",
            "Initialized": "True",
            "ContainersReady": ready,
            "Ready": ready,
        }
        return {
            "phase": self._phase,
            "hostIP": "127.0.0.1",
            "podIP": self.place.address,
            "podIPs": [{"ip": self.place.address}],
            "startTime": self._started_at,
            "conditions": [self._condition(kind, status) for kind, status in conditions.items()],
            "containerStatuses": [container],
        }

    def _condition(self, kind: str, status: str) -> Object:
        before, since = self._changed_at.get(kind, ("", ""))
        if before != status:
            since = _now()
            self._changed_at[kind] = status, since
        return {"type": kind, "status": status, "lastTransitionTime": since}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
