"""PersistentVolumeClaims: each is bound to a volume, one that is there or one that its class has made for it."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, copied
from hub.sandbox.life.kinds import CLAIMS, CLASSES, PODS, VOLUMES
from hub.sandbox.life.pods import ENDED
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.related import claims_of
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_PROTECTION = "kubernetes.io/pvc-protection"
_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
_BOUND = {"pv.kubernetes.io/bind-completed": "yes", _BY_CONTROLLER: "yes"}
_SOURCE = "persistentvolume-controller"


def keep(world: World, place: Place) -> float | None:
    """Bind a claim; let it go when it is deleted and no Pod uses it."""
    claim = world.get(CLAIMS, place)
    if claim is None:
        return None
    if is_leaving(claim):
        if not _is_used(world, claim):
            world.let_go(CLAIMS, claim, _PROTECTION)
        return None
    if at(claim, "status", "phase") == "Bound":
        return None
    volume = _volume_of(world, claim)
    if volume is not None:
        _bind(world, claim, volume)
    return None


def _is_used(world: World, claim: Object) -> bool:
    namespace, name = claim["metadata"]["namespace"], claim["metadata"]["name"]
    pods = (one for one in world.all(PODS, namespace) if at(one, "status", "phase") not in ENDED)
    return any(name in claims_of(one) for one in pods)


def _volume_of(world: World, claim: Object) -> Object | None:
    """Return the volume for a claim; None when there is none yet, which an event says where somebody could do something about it."""
    if name := at(claim, "spec", "volumeName"):
        return world.get(VOLUMES, ("", name))
    found = next((one for one in world.all(VOLUMES) if _fits(one, claim)), None)
    named = at(claim, "spec", "storageClassName")
    if found is not None or named == "":
        return found
    chosen = world.get(CLASSES, ("", named)) if named else _default_class(world)
    if chosen is None:
        if named:
            message = f'storageclass.storage.k8s.io "{named}" not found'
            world.tell(CLAIMS, claim, "ProvisioningFailed", message, source=_SOURCE, warns=True)
        return None
    if chosen.get("volumeBindingMode") == "WaitForFirstConsumer" and not _is_used(world, claim):
        message = "waiting for first consumer to be created before binding"
        world.tell(CLAIMS, claim, "WaitForFirstConsumer", message, source=_SOURCE)
        return None
    return world.create(VOLUMES, _made(claim, chosen))


def _fits(volume: Object, claim: Object) -> bool:
    reference = at(volume, "spec", "claimRef")
    if reference:
        wanted = (claim["metadata"]["namespace"], claim["metadata"]["name"])
        is_same = reference.get("uid") in (None, "", claim["metadata"]["uid"])
        return is_same and (reference.get("namespace"), reference.get("name")) == wanted
    wanted_class = at(claim, "spec", "storageClassName")
    has_modes = set(at(claim, "spec", "accessModes") or ()) <= set(at(volume, "spec", "accessModes") or ())
    is_free = at(volume, "status", "phase") == "Available" and not is_leaving(volume)
    return (
        is_free
        and has_modes
        and wanted_class is not None
        and (at(volume, "spec", "storageClassName") or "") == wanted_class
    )


def _default_class(world: World) -> Object | None:
    classes = world.all(CLASSES)
    return next((one for one in classes if at(one, "metadata", "annotations", _IS_DEFAULT) == "true"), None)


def _made(claim: Object, chosen: Object) -> Object:
    uid, provisioner = claim["metadata"]["uid"], chosen["provisioner"]
    return {
        "metadata": {
            "name": f"pvc-{uid}",
            "annotations": {"pv.kubernetes.io/provisioned-by": provisioner},
        },
        "spec": {
            "capacity": {"storage": at(claim, "spec", "resources", "requests", "storage")},
            "accessModes": copied(claim["spec"]["accessModes"]),
            "claimRef": _reference(claim),
            "hostPath": {"path": f"/var/lib/volumes/pvc-{uid}", "type": "DirectoryOrCreate"},
            "persistentVolumeReclaimPolicy": chosen.get("reclaimPolicy", "Delete"),
            "storageClassName": chosen["metadata"]["name"],
            "volumeMode": at(claim, "spec", "volumeMode") or "Filesystem",
        },
    }


def _reference(claim: Object) -> Object:
    metadata = claim["metadata"]
    return {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }


def _bind(world: World, claim: Object, volume: Object) -> None:
    spec = {**volume["spec"], "claimRef": at(volume, "spec", "claimRef") or {}}
    if spec["claimRef"].get("uid") != claim["metadata"]["uid"]:
        marked = {**(at(volume, "metadata", "annotations") or {}), _BY_CONTROLLER: "yes"}
        metadata = {**volume["metadata"], "annotations": marked}
        taken = {**spec, "claimRef": _reference(claim)}
        volume = world.update(VOLUMES, {**volume, "metadata": metadata, "spec": taken})
    metadata, chosen = claim["metadata"], at(volume, "spec", "storageClassName") or ""
    annotations = {**(metadata.get("annotations") or {}), **_BOUND}
    wanted = {**claim["spec"], "volumeName": volume["metadata"]["name"]}
    if wanted.get("storageClassName") is None:
        wanted["storageClassName"] = chosen
    claim = world.update(
        CLAIMS, {**claim, "metadata": {**metadata, "annotations": annotations}, "spec": wanted}
    )
    status = {
        "phase": "Bound",
        "accessModes": at(volume, "spec", "accessModes"),
        "capacity": at(volume, "spec", "capacity"),
    }
    world.set_status(CLAIMS, claim, status)
