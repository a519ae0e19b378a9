"""The guided change, step by step: what is done, what is to be seen, and whether it came out as it should.

Each step begins where the one before ended, and raises AssertionError when something is not as it should be.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hub.sandbox.tour.stage import CLOCK, Stage

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: its title, what it is about, and what is done."""

    title: str
    words: str
    act: Callable[[Stage], None]


def steps(stage: Stage) -> Iterator[Step]:
    """Yield the steps in their order."""
    yield Step(
        title="Deploy to all clusters",
        words="""
            Unmodified Flux YAML, and one resource of our own: a Fleet, which says which clusters are meant and what differs between them.
            The hub fetches the repository once, builds it, and hands the result to the agents.
        """,
        act=deploy,
    )
    yield Step(
        title="A commit reaches every cluster",
        words="""
            One line changes. Only that one object is written, once in each cluster. The hub looks at the repository every minute;
            `hub reconcile` says that it should do so now, as a webhook does.
        """,
        act=change,
    )
    yield Step(
        title="Drift is corrected before your eyes",
        words="""
            Somebody scales the Deployment by hand in one cluster, and deletes a ConfigMap. The agent there sees it as it happens,
            puts it back, and tells who did it. The hub is not needed for that.
        """,
        act=drift,
    )
    if stage.network is not None:
        yield Step(
            title="A cluster is cut off, and comes back",
            words="""
                The network between one cluster and the hub is cut, and a commit is pushed. The others take it; what runs in the cluster
                that is away goes on. When it is reachable again it catches up by itself.
            """,
            act=cut_off,
        )
    yield Step(
        title="A bad commit changes nothing",
        words="""
            A file that is no YAML any more. The hub says so, with the file's name; what runs goes on running, and nothing is deleted
            because something could not be read. Then the commit is reverted.
        """,
        act=break_,
    )
    yield Step(
        title="Deleted files are pruned",
        words="""
            The files of two ConfigMaps leave the repository. One of the ConfigMaps leaves the clusters too; the other says by an
            annotation, kustomize.toolkit.fluxcd.io/prune: disabled, that it is to stay.
        """,
        act=prune,
    )
    yield Step(
        title="An emptied directory is held",
        words="""
            All manifests of a delivery vanish at once. That is more often an accident than a wish: nothing is deleted until a person
            approves it, for exactly this change.
        """,
        act=empty,
    )


def deploy(stage: Stage) -> None:
    stage.shell.run("cat shop.yaml")
    text = (stage.shell.folder / "shop.yaml").read_text()
    stage.kubectl("apply -f shop.yaml", lambda: stage.clusters.apply(stage.management, text))
    _until(stage, "all clusters run it", lambda: _are_ready(stage))
    stage.shell.run("hub status")
    for name, region in stage.regions.items():
        greeting = f"{'Guten Tag' if region == 'eu' else 'Hello'} from {name}"
        settings = stage.clusters.get(name, "configmap", "settings", "shop") or {}
        _check(stage, settings["data"]["greeting"] == greeting, f"the ConfigMap of {name} says: {greeting}")


def change(stage: Stage) -> None:
    stage.shell.run("sed -i 's/web:1/web:2/' apps/web.yaml", within="shop")
    _push(stage, "Roll out version 2")
    _until(stage, "all clusters run web:2", lambda: _are_ready(stage, at_head=True))
    stage.shell.run("hub get kustomizations")
    for name in stage.regions:
        image = _deployment(stage, name)["spec"]["template"]["spec"]["containers"][0]["image"]
        _check(stage, image == "web:2", f"{name} runs {image}")


def drift(stage: Stage) -> None:
    name = list(stage.regions)[-1]
    there = f"--context {name} -n shop"
    stage.kubectl(
        f"{there} scale deployment web --replicas=5", lambda: stage.clusters.scale(name, "web", "shop", 5)
    )
    stage.kubectl(
        f"{there} delete configmap settings",
        lambda: stage.clusters.delete(name, "configmap", "settings", "shop"),
    )

    def is_back() -> bool:
        settings = stage.clusters.get(name, "configmap", "settings", "shop")
        return _deployment(stage, name)["spec"]["replicas"] == 2 and settings is not None

    _until(stage, f"{name} is as Git says again", is_back)
    told = ("spec.replicas was changed by", "ConfigMap/shop/settings was deleted")
    _until(stage, "both are told", lambda: all(text in stage.shell.ask("hub events") for text in told))
    said = stage.shell.run("hub events | grep DriftCorrected")
    _check(stage, all(text in said for text in told), "events name what was changed, and by whom")


def cut_off(stage: Stage) -> None:
    name = list(stage.regions)[-1]
    network = stage.network
    assert network is not None
    network("cut", name)
    stage.screen.note(f"the network of {name} is cut")
    stage.shell.run("sed -i 's/Summer sale/Autumn sale/' base/banner.yaml", within="shop")
    _push(stage, "Autumn")
    others = [one for one in stage.regions if one != name]
    _until(stage, "the others have it", lambda: all(_banner(stage, one) == "Autumn sale" for one in others))
    _check(stage, _banner(stage, name) == "Summer sale", f"{name} keeps what it has")
    _check(stage, _available(stage, name) == 2, f"{name} still runs both replicas")
    network("mend", name)
    stage.screen.note(f"the network of {name} is whole again")
    _until(stage, f"{name} has caught up", lambda: _banner(stage, name) == "Autumn sale")
    _until(stage, "all is well again", lambda: _are_ready(stage, at_head=True) and _is_in_step(stage, name))
    stage.shell.run("hub cluster list")


def _is_in_step(stage: Stage, cluster: str) -> bool:
    lines = stage.shell.ask("hub cluster list").splitlines()
    return any(line.split()[0] == cluster and "2/2 deliveries in step" in line for line in lines if line)


def _banner(stage: Stage, cluster: str) -> str:
    found = stage.clusters.get(cluster, "configmap", "banner", "shop") or {}
    return str((found.get("data") or {}).get("text", ""))


def break_(stage: Stage) -> None:
    stage.shell.run("sed -i 's/^metadata:/metadata: {/' apps/web.yaml", within="shop")
    _push(stage, "Break it")
    _until(stage, "the hub has refused it", lambda: stage.ready("shop-apps")[1] == "BuildFailed")
    stage.shell.run("hub get kustomizations")
    for name in stage.regions:
        _check(stage, _available(stage, name) == 2, f"{name} still runs both replicas")
    stage.shell.run("git revert --no-edit HEAD >/dev/null && git push --quiet", within="shop")
    stage.shell.run("hub reconcile source git shop")
    _until(stage, "all is well again", lambda: _are_ready(stage, at_head=True))


def prune(stage: Stage) -> None:
    stage.shell.run("git rm --quiet base/banner.yaml base/orders.yaml", within="shop")
    _push(stage, "The sale is over")
    _until(stage, "the commit is applied", lambda: _are_ready(stage, at_head=True))
    for name in stage.regions:
        banner, orders, settings = (
            stage.clusters.get(name, "configmap", one, "shop") for one in ("banner", "orders", "settings")
        )
        _check(stage, banner is None, f"the ConfigMap banner is gone from {name}")
        _check(stage, orders is not None, f"the ConfigMap orders, which is not to be pruned, stays in {name}")
        _check(stage, settings is not None, f"the ConfigMap settings is in {name}, as before")


def empty(stage: Stage) -> None:
    stage.shell.run("git rm --quiet apps/web.yaml", within="shop")
    _push(stage, "Oops")
    _until(stage, "the deletion is held", lambda: _is_held(stage))
    stage.shell.run("hub status")
    for name in stage.regions:
        _check(stage, _available(stage, name) == 2, f"{name} still runs both replicas")
    stage.shell.run("hub approve prune shop-apps")
    _until(
        stage,
        "the Deployment is gone",
        lambda: all(stage.clusters.get(name, "deployment", "web", "shop") is None for name in stage.regions),
    )
    _until(stage, "nothing is held any more", lambda: not _is_held(stage))
    stage.shell.run("git revert --no-edit HEAD >/dev/null && git push --quiet", within="shop")
    stage.shell.run("hub reconcile source git shop")
    _until(stage, "the shop is open again", lambda: _are_ready(stage, at_head=True))


def _push(stage: Stage, message: str) -> None:
    stage.shell.run(f"git add --all && git commit --quiet -m '{message}' && git push --quiet", within="shop")
    stage.shell.run("hub reconcile source git shop")


def _until(stage: Stage, text: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds, and say how long that took."""
    stage.screen.note(f"waiting until {text}")
    began = CLOCK.monotonic_s()
    stage.until(holds, lambda: _standing(stage), timeout_s=_PATIENCE_S)
    stage.screen.done(f"{text}, after {CLOCK.monotonic_s() - began:.1f} s")


def _check(stage: Stage, holds: bool, text: str) -> None:
    assert holds, f"not as it should be: {text}"
    stage.screen.done(text)


def _are_ready(stage: Stage, *, at_head: bool = False) -> bool:
    """Tell whether both deliveries are Ready in all clusters, at the clone's newest commit when that is asked for."""
    head = (stage.work / ".git" / "refs" / "heads" / "main").read_text().strip() if at_head else ""
    return all(stage.is_ready(name, head) for name in ("shop-base", "shop-apps"))


def _is_held(stage: Stage) -> bool:
    return stage.condition("shop-apps", "PruneHeld")[0] == "True"


def _deployment(stage: Stage, name: str) -> Any:
    found = stage.clusters.get(name, "deployment", "web", "shop")
    assert found is not None, f"the Deployment web is not there in {name}"
    return found


def _available(stage: Stage, name: str) -> int:
    return int(_deployment(stage, name)["status"].get("availableReplicas", 0))


def _standing(stage: Stage) -> str:
    return str({name: stage.ready(name) for name in ("shop-base", "shop-apps")})
