"""The agent's settings, read from its environment once."""

from dataclasses import dataclass
from pathlib import Path

from agent.kit.reconcile import Backoff
from agent.kit.settings import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Times in seconds. `watch_namespace` limits the agent to one namespace, empty for the whole cluster."""

    namespace: str
    instance: str
    watch_namespace: str
    bootstrap: Path
    address: str
    enrol_address: str
    kubeconfig: str
    log_level: str
    http_host: str
    http_port: int
    api_timeout_s: float
    watch_timeout_s: float
    keepalive_s: float
    call_timeout_s: float
    lease_duration_s: float
    lease_deadline_s: float
    lease_retry_s: float
    lease_request_s: float
    dependency_retry_s: float
    in_use_wait_s: float
    move_wait_s: float
    health_poll_s: float
    catch_up_s: float
    fight_window_s: float
    stage_timeout_s: float
    stage_poll_s: float
    early_kinds: str
    backoff: Backoff
    link_backoff: Backoff
    workers: int
    stop_grace_s: float
    stuck_after_s: float
    scale: float
    traces: bool


def read_settings(environment: Environment | None = None) -> AgentSettings:
    """Read them. Raises SettingInvalid."""
    env = environment or Environment()
    bootstrap = Path(env.text("BOOTSTRAP", "/etc/cartwheel"))
    return AgentSettings(
        namespace=env.text("NAMESPACE", "cartwheel-system"),
        instance=env.instance,
        watch_namespace=env.text("WATCH_NAMESPACE", ""),
        bootstrap=bootstrap,
        address=env.text("ADDRESS", _file(bootstrap / "address")),
        enrol_address=env.text("ENROL_ADDRESS", _file(bootstrap / "enrol-address")),
        kubeconfig=env.text("KUBECONFIG", ""),
        log_level=env.text("LOG_LEVEL", "info"),
        http_host=env.text("HOST", ""),
        http_port=env.count("HTTP_PORT", 8081),
        api_timeout_s=env.seconds("API_TIMEOUT", 30.0),
        watch_timeout_s=env.seconds("WATCH_TIMEOUT", 300.0),
        keepalive_s=env.seconds("KEEPALIVE", 30.0),
        call_timeout_s=env.seconds("CALL_TIMEOUT", 60.0),
        lease_duration_s=env.seconds("LEASE_DURATION", 15.0),
        lease_deadline_s=env.seconds("LEASE_DEADLINE", 10.0),
        lease_retry_s=env.seconds("LEASE_RETRY", 2.0),
        lease_request_s=env.seconds("LEASE_REQUEST", 4.0),
        dependency_retry_s=env.seconds("DEPENDENCY_RETRY", 30.0),
        in_use_wait_s=env.seconds("IN_USE_WAIT", 60.0),
        move_wait_s=env.seconds("MOVE_WAIT", 30.0),
        health_poll_s=env.seconds("HEALTH_POLL", 5.0),
        catch_up_s=env.seconds("CATCH_UP", 5.0),
        fight_window_s=env.seconds("FIGHT_WINDOW", 300.0),
        stage_timeout_s=env.seconds("STAGE_TIMEOUT", 60.0),
        stage_poll_s=env.seconds("STAGE_POLL", 2.0),
        early_kinds=env.text("CUSTOM_APPLY_STAGE_KINDS", ""),
        backoff=Backoff(first_s=env.seconds("RETRY_FIRST", 0.75), last_s=env.seconds("RETRY_LAST", 900.0)),
        link_backoff=Backoff(first_s=env.seconds("DIAL_FIRST", 0.5), last_s=env.seconds("DIAL_LAST", 30.0)),
        workers=env.count("WORKERS", 4),
        stop_grace_s=env.seconds("STOP_GRACE", 10.0),
        stuck_after_s=env.seconds("STUCK_AFTER", 600.0),
        scale=env.scale,
        traces=env.traces,
    )


def _file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
