"""What the images carry is pinned as it is for developers, and no lock file says where it was downloaded from."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "requirements"
PIN = re.compile(r"^(\S+)==(\S+) \\$((?:\n    --hash=\S+(?: \\)?$)+)", re.MULTILINE)


def pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    text = (FOLDER / name).read_text()
    return {
        package: (version, frozenset(re.findall(r"--hash=(\S+)", hashes)))
        for package, version, hashes in PIN.findall(text)
    }


@pytest.mark.parametrize("name", ["hub.lock", "agent.lock"])
def test_an_image_carries_what_developers_run(name: str) -> None:
    found, ours = pins(name), pins("dev.lock")
    assert found
    assert {package: pin for package, pin in found.items() if ours.get(package) != pin} == {}


def test_the_agents_image_is_the_smaller_one() -> None:
    assert set(pins("agent.lock")) < set(pins("hub.lock"))
    assert not {"kubernetes", "pygit2", "pyyaml"} & set(pins("agent.lock"))


@pytest.mark.parametrize("name", ["dev.lock", "hub.lock", "agent.lock"])
def test_a_lock_file_names_no_download_address(name: str) -> None:
    assert "://" not in (FOLDER / name).read_text()
