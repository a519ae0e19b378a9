"""The README names every metric that there is, and none that there is not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DECLARING = {"counter", "gauge", "histogram", "GaugeMetricFamily"}


def declared(source: str) -> Iterator[str]:
    """Yield the names of the metrics that a module declares, as they are scraped."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=kind) | ast.Name(id=kind),
                args=[ast.Constant(value=str(name)), *_],
            ) if kind in DECLARING:
                yield f"{name}_total" if kind == "counter" else name


def test_every_metric_is_in_the_table() -> None:
    modules = [path for package in ("agent", "hub") for path in (ROOT / package).rglob("*.py")]
    found = {name for path in modules for name in declared(path.read_text())}
    rows = re.findall(r"^\| (?:both|hub|agent) \|([^|]*)\|", (ROOT / "README.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert told == found


def test_a_metric_is_seen_wherever_it_is_declared() -> None:
    source = "telemetry.counter('a', 't', x=())\ntelemetry.gauge('b', 't')\nGaugeMetricFamily('c', 't')"
    assert list(declared(source)) == ["a_total", "b", "c"]
