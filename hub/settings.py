"""The hub's settings, read from its environment once."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from agent.kit.reconcile import Backoff
from agent.kit.settings import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times in seconds. Addresses are those under which agents and clients reach this hub, `host:port`."""

    namespace: str
    instance: str
    kubeconfig: str
    data: Path
    log_level: str
    host: str
    session_port: int
    enrol_port: int
    http_port: int
    artifact_port: int
    address: str
    enrol_address: str
    artifact_address: str
    render: str | None
    renderers: int
    render_time_s: float
    git_workers: int
    api_timeout_s: float
    watch_timeout_s: float
    keepalive_s: float
    alive_interval_s: float
    greeting_timeout_s: float
    certificate_lifetime: timedelta
    lease_duration_s: float
    lease_deadline_s: float
    lease_retry_s: float
    lease_request_s: float
    dependency_retry_s: float
    status_interval_s: float
    unknown_after_s: float
    backoff: Backoff
    watch_backoff: Backoff
    workers: int
    stop_grace_s: float
    stuck_after_s: float
    scale: float
    traces: bool
    sops_age_secret: str
    sops_requires_mac: bool
    sops_service_timeout_s: float
    sops_aws_endpoint: str
    sops_gcp_endpoint: str

    @classmethod
    def from_environment(cls, environment: Environment | None = None) -> "Settings":
        """Read them. Raises SettingInvalid."""
        env = environment or Environment()
        return cls(
            namespace=env.text("NAMESPACE", "cartwheel-system"),
            instance=env.instance,
            kubeconfig=env.text("KUBECONFIG", ""),
            data=Path(env.text("DATA", "/data")),
            log_level=env.text("LOG_LEVEL", "info"),
            host=env.text("HOST", ""),
            session_port=env.count("SESSION_PORT", 7443),
            enrol_port=env.count("ENROL_PORT", 7444),
            http_port=env.count("HTTP_PORT", 8080),
            artifact_port=env.count("ARTIFACT_PORT", 9090),
            address=env.text("ADDRESS", "localhost:7443"),
            enrol_address=env.text("ENROL_ADDRESS", "localhost:7444"),
            artifact_address=env.text("ARTIFACT_ADDRESS", "localhost:9090"),
            render=env.text("RENDER", "") or None,
            renderers=env.count("RENDERERS", 2),
            render_time_s=env.seconds("RENDER_TIME", 60.0),
            git_workers=env.count("GIT_WORKERS", 8),
            api_timeout_s=env.seconds("API_TIMEOUT", 30.0),
            watch_timeout_s=env.seconds("WATCH_TIMEOUT", 300.0),
            keepalive_s=env.seconds("KEEPALIVE", 30.0),
            alive_interval_s=env.seconds("ALIVE_INTERVAL", 10.0),
            greeting_timeout_s=env.seconds("GREETING_TIMEOUT", 30.0),
            certificate_lifetime=timedelta(seconds=env.number("CERTIFICATE_LIFETIME_S", 24 * 3600.0)),
            lease_duration_s=env.seconds("LEASE_DURATION", 15.0),
            lease_deadline_s=env.seconds("LEASE_DEADLINE", 10.0),
            lease_retry_s=env.seconds("LEASE_RETRY", 2.0),
            lease_request_s=env.seconds("LEASE_REQUEST", 4.0),
            dependency_retry_s=env.seconds("DEPENDENCY_RETRY", 30.0),
            status_interval_s=env.seconds("STATUS_INTERVAL", 1.0),
            unknown_after_s=env.seconds("UNKNOWN_AFTER", 60.0),
            backoff=Backoff(
                first_s=env.seconds("RETRY_FIRST", 0.75), last_s=env.seconds("RETRY_LAST", 900.0)
            ),
            watch_backoff=Backoff(
                first_s=env.seconds("WATCH_FIRST", 0.5), last_s=env.seconds("WATCH_LAST", 30.0)
            ),
            workers=env.count("WORKERS", 8),
            stop_grace_s=env.seconds("STOP_GRACE", 10.0),
            stuck_after_s=env.seconds("STUCK_AFTER", 600.0),
            scale=env.scale,
            traces=env.traces,
            sops_age_secret=env.text("SOPS_AGE_SECRET", ""),
            sops_requires_mac=env.flag("SOPS_REQUIRE_MAC"),
            sops_service_timeout_s=env.seconds("SOPS_SERVICE_TIMEOUT", 10.0),
            sops_aws_endpoint=env.text("SOPS_AWS_ENDPOINT", ""),
            sops_gcp_endpoint=env.text("SOPS_GCP_ENDPOINT", ""),
        )
