"""Regular expressions of schemas and rules: RE2, linear, as the real server's."""

from functools import cache, lru_cache

from cel_expr_python import cel

_REMEMBERED = 4096
_WORDS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "bad repetition operator": "invalid nested repetition operator",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
}


def matches(text: str, pattern: str) -> bool:
    """Tell whether a pattern is found in a text; false for a pattern that is none."""
    found = _expression().eval(data={"text": text, "pattern": pattern}).plain_value()
    return found is True


@lru_cache(maxsize=_REMEMBERED)
def fault_of(pattern: str) -> str:
    """Return why a pattern is none, empty when it is one."""
    value = _expression().eval(data={"text": "", "pattern": pattern})
    if value.type() != cel.Type.ERROR:
        return ""
    problem, _, where = str(value.value()).rpartition("regular expression: ")[2].partition(": ")
    return f"{_WORDS.get(problem, problem)}: `{where}`"


@cache
def _expression() -> cel.Expression:
    return cel.NewEnv(variables={"text": cel.Type.STRING, "pattern": cel.Type.STRING}).compile(
        "text.matches(pattern)"
    )
