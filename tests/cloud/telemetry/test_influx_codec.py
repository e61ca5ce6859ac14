from hypothesis import given
from hypothesis import strategies as st

from cloud.telemetry.api import Sample
from cloud.telemetry.domain import grid
from cloud.telemetry.influx_codec import lines, questions, tag

NOON = 1_790_000_000_000


def sample(point: str, value: float | str | None, *, at_ms: int = NOON, quality: int = 192) -> Sample:
    return Sample(device_id=7, point=point, at_ms=at_ms, value=value, quality=quality)


def test_lines_are_as_the_protocol_says() -> None:
    samples = [
        sample("pressure", 7.8),
        sample("running", 1.0, quality=0),
        sample("Motor/转速, 1=a", None),
        sample("serial", 'a "b" \\ c'),
        sample("far", 1e300),
        sample("small", 1e-07),
    ]
    assert [line.decode() for line in lines("linli", samples)] == [
        "linli,device=7,point=pressure value=7.8,quality=192i,at=1790000000000i 1790000000000",
        "linli,device=7,point=running value=1.0,quality=0i,at=1790000000000i 1790000000000",
        "linli,device=7,point=Motor/转速\\,\\ 1\\=a quality=192i,at=1790000000000i 1790000000000",
        'linli,device=7,point=serial text="a \\"b\\" \\\\ c",quality=192i,at=1790000000000i 1790000000000',
        "linli,device=7,point=far value=1e+300,quality=192i,at=1790000000000i 1790000000000",
        "linli,device=7,point=small value=1e-07,quality=192i,at=1790000000000i 1790000000000",
    ]


def test_of_two_samples_with_one_time_the_first_is_written() -> None:
    (line,) = lines("linli", [sample("p", 1.0), sample("p", 2.0)])
    assert b"value=1.0," in line


@given(point=st.text(max_size=64), other=st.text(max_size=64))
def test_a_name_becomes_a_tag_that_is_one_line_quotes_nothing_and_is_its_own(point: str, other: str) -> None:
    made = tag(point)
    assert made
    assert not set(made) & set("'\"\\\n\r\t\x00")
    assert (made == tag(other)) == (point == other)
    (line,) = lines("linli", [sample(point, 1.0)])
    assert b"\n" not in line
    asked = grid(0, 1000, 10)
    for question in questions("linli", device_id=7, point=point, asked=asked):
        assert question.count("'") == 4


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("pressure", "Motor/转速 1", "a-b_c.d:e", "temp (°C)"):
        assert tag(name) == name
