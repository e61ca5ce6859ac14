import json

import pytest

from edge.gate import report
from edge.gate.api import Answer, Check, CheckResult, Decision, Reason, Way


def said(decision: Decision, who: str = "p1") -> dict[str, object]:
    text = report.event(attempt="a1", way=Way.FACE, who=who, decision=decision, opened="confirmed", took_ms=123.45)
    return dict(json.loads(text))


def test_an_opening_says_who_and_how() -> None:
    told = said(Decision(answer=Answer.OPEN, results=(CheckResult.passed(Check.IDENTITY, score=0.21),)))
    assert told["who"] == "p1"
    assert told["answer"] == "open"
    assert told["opened"] == "confirmed"
    assert told["took_ms"] == 123.5
    assert told["checks"] == {"identity": "passed"}


@pytest.mark.parametrize("check", [Check.TEMPERATURE, Check.HEALTH_CODE, Check.RECORD])
def test_nobodys_health_is_told(check: Check) -> None:
    result = CheckResult.failed(check, Reason.FEVER, raw_c=38.4)
    decision = Decision(answer=Answer.STAFF, reasons=((check, Reason.FEVER),), results=(result,))
    told = said(decision)
    assert told["who"] == ""
    assert told["reasons"] == [["health", ""]]
    assert told["checks"] == {}
    advised = said(Decision(answer=Answer.OPEN, advice=((check, Reason.FEVER),), results=(result,)))
    assert advised["who"] == ""
    assert "fever" not in json.dumps([told, advised])
    assert "38" not in json.dumps([told["checks"], told["reasons"]])


def test_figures_never_leave_the_gate() -> None:
    decision = Decision(answer=Answer.OPEN, results=(CheckResult.passed(Check.IDENTITY, score=0.2123456),))
    assert "0.212" not in json.dumps(said(decision))


def test_an_interrupted_opening_keeps_its_id_and_is_unknown() -> None:
    text = report.event(
        attempt="a1", way=Way.CARD, who="p1", decision=Decision(answer=Answer.OPEN), opened="unknown", took_ms=0
    )
    told = json.loads(report.interrupted(text))
    assert (told["id"], told["opened"], told["who"]) == ("a1", "unknown", "p1")
