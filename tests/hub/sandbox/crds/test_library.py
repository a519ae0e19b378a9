"""What the functions that rules may call come to."""

import pytest

from hub.sandbox.crds.cel import programs

_SCHEMA = {"type": "string"}
_TOLD = [
    (
        "'%s|%d|%f|%.2f|%e|%x|%X|%o|%b|%%'.format(['a',3,1.5,2.345,1000.0,255,255,8,5])",
        "a|3|1.500000|2.35|1.000000×10⁰³|ff|FF|10|101|%",
    ),
    ("'%s'.format([[1,'a',true,null,1.5]])", '[1, "a", true, null, 1.500000]'),
    ("'%s'.format([{'b':1,'a':'x'}])", '{"a":"x", "b":1}'),
    ("'%s'.format([duration('90s')])", "90s"),
    ("'%s'.format([timestamp('2020-01-01T00:00:00Z')])", "2020-01-01T00:00:00Z"),
    ("'%x'.format(['hi'])", "6869"),
    ("'%s'.format([b'ab'])", "ab"),
    ("'hello'.lastIndexOf('l', 2)", 2),
    ("'aXbXc'.replace('X','-',1)", "a-bXc"),
    ("'a,b,c'.split(',',2)[1]", "b,c"),
    ("'a1b22'.findAll('[0-9]+')[1]", "22"),
    ("[1,2,1].lastIndexOf(1)", 2),
    ("[duration('1s'),duration('2s')].sum() == duration('3s')", True),
    ("1 < 1.5", True),
    ("quantity('50k').sub(20000).compareTo(quantity('30k'))", 0),
    ("sign(quantity('-1'))", -1),
    ("isQuantity('1 k')", False),
    ("url('/p q') == url('/p q')", True),
    ("isURL('http://a b')", False),
    ("url('https://a/?x=1&x=2&y').getQuery()['x'].size()", 2),
    ("url('https://[::1]:80/').getHostname()", "::1"),
    ("string(ip('1.2.3.4'))", "1.2.3.4"),
    ("string(cidr('10.0.0.1/8'))", "10.0.0.1/8"),
    ("ip.isCanonical('0:0::1')", False),
    ("cidr('10.0.0.0/16').containsCIDR(cidr('10.0.0.0/8'))", False),
    ("isSemver('v1.0')", False),
    ("isSemver('v1.0', true)", True),
    ("semver('v1.2', true).major()", 1),
    ("semver('1.2.3-rc.1').isLessThan(semver('1.2.3'))", True),
    ("sets.equivalent([1,1],[1])", True),
    ("[3,1].sort()[0]", 1),
    ("{'a':1}[?'b'].orValue(7)", 7),
    ("[1,2].all(i,v,v>i)", True),
]


@pytest.mark.parametrize(("rule", "told"), _TOLD)
def test_a_function_comes_to_what_the_real_one_does(rule: str, told: object) -> None:
    wanted = "bool" if isinstance(told, bool) else "string"
    asked = rule if isinstance(told, bool | str) else f"string({rule})"
    assert programs.fault_of(asked, _SCHEMA, False, wanted) == ""
    assert programs.run(rule, programs.activation("", None, False), False) == told


@pytest.mark.parametrize(
    "rule",
    [
        "{'a':1}.transformMap(k, v, v).size() == 1",
        "!format.dns1123Label().validate(self).hasValue()",
        "authorizer.group('').resource('pods').check('get').allowed()",
        "quantity('1').sign() == 1",
        "nobodyKnows(self)",
    ],
)
def test_a_rule_with_a_function_that_is_not_there_is_none(rule: str) -> None:
    assert programs.fault_of(rule, _SCHEMA, False, "bool").startswith("compilation failed: ")


def test_a_rule_that_cannot_be_evaluated_fails_and_does_not_hold() -> None:
    with pytest.raises(programs.Failed, match="division by zero"):
        programs.run("1 / 0 == 1", programs.activation("", None, False), False)
