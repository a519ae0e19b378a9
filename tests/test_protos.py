"""The generated code beside the protobuf sources is what the sources give."""

from pathlib import Path

import pytest
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
GENERATED = sorted(path.relative_to(ROOT) for path in (ROOT / "protos").rglob("*_pb2*.py"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("protos")
    sources = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "protos").rglob("*.proto"))]
    status = protoc.main(
        ["protoc", f"-I{ROOT}", f"--python_out={folder}", f"--grpc_python_out={folder}", *sources]
    )
    assert status == 0
    return folder


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_generated_code_is_that_of_the_sources(fresh: Path, path: Path) -> None:
    assert (ROOT / path).read_text() == (fresh / path).read_text(), "run `make protos`"


def test_every_source_has_its_code() -> None:
    sources = {path.with_suffix("").name for path in (ROOT / "protos").rglob("*.proto")}
    assert {
        path.name.removesuffix("_pb2.py") for path in GENERATED if path.name.endswith("_pb2.py")
    } == sources
