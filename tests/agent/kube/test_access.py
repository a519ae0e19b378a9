"""Credentials come from a Pod's service account or from a kubeconfig, and stay fresh."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.kube.access import TOKEN_AGE_S, AccessInvalid, from_kubeconfig, in_cluster
from tests.fakes.clock import FakeClock, in_virtual_time


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text(certificate(tmp_path))
    return tmp_path


def certificate(folder: Path) -> str:
    file = folder / "made.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=test", "-keyout", str(folder / "made.key"), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file.read_text()


def kubeconfig(folder: Path, user: dict[str, Any], **cluster: Any) -> str:
    value = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": "https://one.test:6443"} | cluster}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "me"}}],
    }
    file = folder / "config"
    file.write_text(json.dumps(value))
    return str(file)


@in_virtual_time
async def test_a_pods_token_is_read_anew_once_a_minute_and_kept_when_it_cannot_be(account: Path) -> None:
    clock = FakeClock()
    access = in_cluster(clock, account)
    assert access.server == "https://[fd00::1]:443"
    assert access.authorization() == "Bearer first"
    (account / "token").write_text("second\n")
    assert access.authorization() == "Bearer first"
    await clock.sleep(TOKEN_AGE_S + 1)
    assert access.authorization() == "Bearer second"
    (account / "token").unlink()
    await clock.sleep(TOKEN_AGE_S + 1)
    assert access.authorization() == "Bearer second"


@in_virtual_time
async def test_outside_of_a_pod_there_is_no_service_account(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (account / "ca.crt").unlink()
    with pytest.raises(AccessInvalid, match=r"ca\.crt"):
        in_cluster(FakeClock(), account)
    (account / "token").unlink()
    with pytest.raises(AccessInvalid, match="token"):
        in_cluster(FakeClock(), account)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(AccessInvalid, match="no Pod"):
        in_cluster(FakeClock(), account)


def test_a_kubeconfig_gives_server_and_token(tmp_path: Path) -> None:
    access = from_kubeconfig(kubeconfig(tmp_path, {"token": "secret"}), "one")
    assert access.server == "https://one.test:6443"
    assert access.authorization() == "Bearer secret"
    assert access.tls is not None
    assert access.tls.check_hostname


def test_a_kubeconfigs_command_is_run_for_the_token(tmp_path: Path) -> None:
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-command"},
    }
    command = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [json.dumps(credential)],
        "interactiveMode": "Never",
    }
    access = from_kubeconfig(kubeconfig(tmp_path, {"exec": command}))
    assert access.authorization() == "Bearer from-command"


def test_a_kubeconfig_may_forgo_verification_and_say_who_by_password(tmp_path: Path) -> None:
    user = {"username": "me", "password": "pass"}
    access = from_kubeconfig(kubeconfig(tmp_path, user, **{"insecure-skip-tls-verify": True}))
    assert access.authorization() == "Basic bWU6cGFzcw=="
    assert access.tls is not None
    assert not access.tls.check_hostname


def test_a_kubeconfig_that_cannot_be_used_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(AccessInvalid, match=r"there is no kubeconfig .*absent"):
        from_kubeconfig(str(tmp_path / "absent"))
    with pytest.raises(AccessInvalid, match=r"config has no context 'other'; it has one"):
        from_kubeconfig(kubeconfig(tmp_path, {}), "other")
    (tmp_path / "broken").write_text("{")
    with pytest.raises(AccessInvalid, match=r"cannot use kubeconfig .*broken"):
        from_kubeconfig(str(tmp_path / "broken"))


def test_the_service_accounts_way_does_not_load_the_big_library() -> None:
    code = "import sys, agent.kube.client, agent.kube.access; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
