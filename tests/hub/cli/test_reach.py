"""The script that runs in the Pod, against listeners on this machine."""

import asyncio
import socket
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from hub.gateway.ca import Authority, make_authority

SCRIPT = (files("hub") / "agent_files" / "reach.py").read_text()
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> tuple[bytes, Authority]:
    certificate, key = make_authority(now=NOW)
    return certificate, Authority(certificate, key)


@asynccontextmanager
async def listener(authority: Authority, folder: Path, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Listen as the hub does, with a certificate for `host`."""
    issued = authority.issue_server((host,), now=NOW, lifetime=timedelta(hours=1))
    pair = folder / "pair.pem"
    pair.write_bytes(issued.certificate + issued.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def run(script: str, ca: bytes, address: str, enrol_address: str) -> asyncio.subprocess.Process:
    env = {"CA": ca.decode(), "ADDRESS": address, "ENROL_ADDRESS": enrol_address, "POD_IP": "127.0.0.1"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env=env, stderr=asyncio.subprocess.PIPE
    )


async def why(ca: bytes, address: str, enrol_address: str, status: int) -> str:
    process = await run(SCRIPT, ca, address, enrol_address)
    _, told = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == status
    return told.decode()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def test_the_pod_is_ready_when_both_listeners_answer(
    authority: tuple[bytes, Authority], tmp_path: Path
) -> None:
    port = free_port()
    async with listener(authority[1], tmp_path) as address:
        process = await run(SCRIPT.replace("8082", str(port)), authority[0], address, address)
        try:
            url = f"http://127.0.0.1:{port}/readyz"
            async with asyncio.timeout(20):
                while await asyncio.to_thread(status, url) != 200:
                    await asyncio.sleep(0.05)
        finally:
            process.kill()
            await process.communicate()


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return int(answer.status)
    except OSError:
        return 0


async def test_a_name_that_does_not_resolve_is_told(authority: tuple[bytes, Authority]) -> None:
    told = await why(authority[0], "hub.invalid:1", "hub.invalid:2", 11)
    assert "enrol address hub.invalid:2: the name does not resolve" in told


async def test_a_port_where_nobody_listens_is_told(
    authority: tuple[bytes, Authority], tmp_path: Path
) -> None:
    async with listener(authority[1], tmp_path) as address:
        told = await why(authority[0], f"127.0.0.1:{free_port()}", address, 12)
    assert "session address" in told
    assert "no connection" in told


async def test_another_hubs_certificate_is_told(authority: tuple[bytes, Authority], tmp_path: Path) -> None:
    certificate, key = make_authority(now=NOW)
    async with listener(Authority(certificate, key), tmp_path) as address:
        assert "no certificate of this hub's CA" in await why(authority[0], address, address, 13)


async def test_a_certificate_for_another_address_is_told(
    authority: tuple[bytes, Authority], tmp_path: Path
) -> None:
    async with listener(authority[1], tmp_path, "hub.example") as address:
        told = await why(authority[0], address, address, 13)
    assert "no certificate of this hub's CA for 127.0.0.1" in told


async def test_what_does_not_speak_tls_is_told(authority: tuple[bytes, Authority]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert "does not speak TLS 1.3" in await why(authority[0], address, address, 14)
