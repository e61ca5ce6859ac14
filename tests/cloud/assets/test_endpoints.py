import pytest

from cloud.assets import service
from cloud.assets.domain import LastValue
from cloud.platform.database import transaction
from tests.support.cloud import NOW, Town, catalogue


async def test_the_tree_shows_what_one_sees_and_what_leads_there(town: Town) -> None:
    async with town.client("roof") as client:
        (company,) = (await client.get("/api/v1/organisation")).json()["items"]
    path = [company["label"]["en"]]
    level = company
    while level["children"]:
        (level,) = level["children"]
        path.append(level["label"]["en"])
    assert path == ["Sunshine", "North", "garden", "Tower 1", "Roof"]


async def test_the_tree_of_a_company_is_whole(town: Town) -> None:
    async with town.client("boss") as client:
        (company,) = (await client.get("/api/v1/organisation")).json()["items"]
    communities = {one["code"]: one for one in company["children"][0]["children"]}
    assert set(communities) == {"garden", "lake"}
    assert {one["label"]["en"] for one in communities["garden"]["children"]} == {"Tower 1", "Tower 2"}


@pytest.mark.parametrize(
    ("login", "codes"), [("boss", ["garden", "lake"]), ("roof", ["garden"]), ("rival", ["forest"])]
)
async def test_communities_of_which_one_sees_a_part(town: Town, login: str, codes: list[str]) -> None:
    async with town.client(login) as client:
        assert [one["code"] for one in (await client.get("/api/v1/communities")).json()["items"]] == codes


async def test_devices_are_found_by_community_kind_and_text_and_come_in_pages(town: Town) -> None:
    for number in range(3):
        await town.device(f"pump-{number}", node=f"edge-{number}")
    await town.device("lift-1", place="Tower 2", profile="nice3000-elevator", node="edge-9")

    async with town.client("operator") as client:

        async def names(**query: str | int) -> list[str]:
            answer = await client.get("/api/v1/devices", params=query)
            assert answer.status_code == 200, answer.text
            return [one["name"] for one in answer.json()["items"]]

        assert await names() == ["pump-0", "pump-1", "pump-2", "lift-1"]
        assert await names(kind="elevator") == ["lift-1"]
        assert await names(q="tower 2") == ["lift-1"]
        assert await names(q="PUMP-1") == ["pump-1"]
        assert await names(q="一号") == ["pump-0", "pump-1", "pump-2", "lift-1"]
        assert await names(q="%") == []
        assert await names(community=town.scopes["lake"].id) == []
        first = (await client.get("/api/v1/devices", params={"limit": 3})).json()
        assert await names(limit=3, cursor=first["next_cursor"]) == ["lift-1"]
        assert (await client.get("/api/v1/devices", params={"limit": 1000})).status_code == 422


async def test_a_device_shows_its_values_with_quality_and_age(town: Town) -> None:
    born = await town.device()
    async with transaction(town.engine) as conn:
        await service.put_last_values(
            conn,
            [
                LastValue(device_id=born.id, point="a", value=1.5, quality=192, at_ms=NOW - 700, received_ms=NOW),
                LastValue(device_id=born.id, point="b", value="x", quality=500, at_ms=NOW - 900, received_ms=NOW),
                LastValue(device_id=born.id, point="c", value=None, quality=0, at_ms=NOW + 50, received_ms=NOW),
            ],
        )
    async with town.client("viewer") as client:
        shown = (await client.get(f"/api/v1/devices/{born.id}")).json()
    assert (shown["online"], shown["node"], shown["kind"], shown["age_ms"]) == (True, "edge-1", "pump", 0)
    assert (shown["community"], shown["building"], shown["place"]) == ("garden", "Tower 1", "Pump room")
    values = {one["point"]: (one["value"], one["quality"], one["age_ms"]) for one in shown["values"]}
    assert values == {"a": (1.5, "good", 700), "b": ("x", "stale", 900), "c": (None, "bad", 0)}


async def test_a_device_that_one_does_not_see_is_not_there(town: Town) -> None:
    born = await town.device()
    async with town.client("rival") as client:
        for path in (f"devices/{born.id}", f"devices/{born.id}/commands", f"profiles/{born.profile_hash}"):
            answer = await client.get(f"/api/v1/{path}")
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "not_found"
        answer = await client.post(f"/api/v1/devices/{born.id}/commands", json={"name": "start"})
        assert answer.status_code == 404


async def test_a_command_is_taken_and_can_be_followed(town: Town) -> None:
    born = await town.device()
    async with town.client("operator") as client:
        answer = await client.post(f"/api/v1/devices/{born.id}/commands", json={"name": "set_pressure", "value": 40})
        assert answer.status_code == 202
        number = answer.json()["id"]
        assert answer.json()["state"] == "requested"
        async with transaction(town.engine) as conn:
            await service.mark_sent(conn, number, NOW)
            await service.command_outcome(conn, number, "done", "", NOW + 9)
        shown = (await client.get(f"/api/v1/commands/{number}")).json()
        assert (shown["state"], shown["value"], shown["ended_ms"]) == ("done", 40.0, NOW + 9)
        assert [one["id"] for one in (await client.get(f"/api/v1/devices/{born.id}/commands")).json()["items"]] == [
            number
        ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "set_pressure", "value": 99}, 422, "bad_command"),
        ({"name": "set_pressure", "value": "40"}, 422, "bad_command"),
        ({"name": "explode"}, 422, "bad_command"),
        ({"name": "start", "timeout_ms": 60000}, 422, "invalid"),
        ({"nam": "start"}, 422, "invalid"),
    ],
)
async def test_a_command_that_does_not_fit_is_explained(
    town: Town, body: dict[str, object], status: int, code: str
) -> None:
    born = await town.device()
    async with town.client("operator") as client:
        answer = await client.post(f"/api/v1/devices/{born.id}/commands", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_profiles_in_use_are_shown(town: Town) -> None:
    await town.device()
    known = catalogue("grundfos-hydro-mpc")
    async with town.client("viewer") as client:
        (shown,) = (await client.get("/api/v1/profiles")).json()["items"]
        document = (await client.get(f"/api/v1/profiles/{shown['hash']}")).json()
    assert shown["hash"] == known.hash
    assert document["points"].keys() == known.points.keys()
