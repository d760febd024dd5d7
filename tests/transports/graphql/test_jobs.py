"""Slow work over GraphQL: asked for, found by id, and heard of until it ends."""

import pytest

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

JOB = "id kind state done total attempts errorCode resultUrl createdAt finishedAt"
EXPORT = f"mutation {{ requestExport {{ job {{ {JOB} }} }} }}"
UPDATED = f"subscription($id: ID!, $after: EventCursor) {{ jobUpdated(id: $id, after: $after) {{ {JOB} }} }}"
FOUND = "query($id: ID!) { job(id: $id) { id state } node(id: $id) { __typename id } jobs { nodes { id } } }"


async def heard(socket, **variables):
    """Return what a subscription tells until it is complete."""
    await socket.subscribe(UPDATED, **variables)
    messages = []
    while (message := await socket.receive())["type"] != "complete":
        messages.append(message)
    return messages


async def test_a_job_is_asked_for_heard_to_its_end_and_found(server):
    ada, bob = await server.person(), await server.person()
    cursor = (await server.graphql("{ eventCursor }")).data["eventCursor"]
    job = (await ada.graphql(EXPORT)).data["requestExport"]["job"]
    assert (job["kind"], job["resultUrl"], job["errorCode"]) == ("export", None, None)
    socket = await server.socket(ada.token)
    told = await heard(socket, id=job["id"], after=cursor)
    last = told[-1]["payload"]["data"]["jobUpdated"]
    assert (last["state"], last["resultUrl"]) == ("SUCCEEDED", f"/api/v1/jobs/{job['id']}/result")
    assert last["done"] == last["total"] > 0
    assert last["finishedAt"] >= last["createdAt"]
    cursors = [message["payload"]["extensions"]["cursor"] for message in told]
    assert cursors == sorted(set(cursors), key=lambda text: int(text.partition("-")[2]))
    [again] = await heard(socket, id=job["id"])  # who comes late hears the end at once
    assert again["payload"]["data"]["jobUpdated"] == last
    found = (await ada.graphql(FOUND, id=job["id"])).data
    assert found["job"] == {"id": job["id"], "state": "SUCCEEDED"}
    assert found["node"] == {"__typename": "Job", "id": job["id"]}
    assert found["jobs"]["nodes"] == [{"id": job["id"]}]
    assert (await bob.graphql(FOUND, id=job["id"])).data == {"job": None, "node": None, "jobs": {"nodes": []}}
    assert (await bob.graphql("mutation($id: ID!) { cancelJob(id: $id) { job { id } } }", id=job["id"])).codes == ["NOT_FOUND"]
    for asked in (EXPORT, "{ job(id: 404) { id } }", f"{{ job(id: {job['id']}) {{ id }} }}", "{ jobs { nodes { id } } }"):
        assert (await server.graphql(asked)).codes == ["UNAUTHENTICATED"]
    assert (await server.graphql("query($id: ID!) { node(id: $id) { id } }", {"id": job["id"]})).data == {"node": None}
    await socket.close()


async def test_only_its_owner_hears_of_a_job(server):
    ada, bob = await server.person(), await server.person()
    job = (await ada.graphql(EXPORT)).data["requestExport"]["job"]
    for token, code in ((bob.token, "NOT_FOUND"), (None, "UNAUTHENTICATED")):
        socket = await server.socket(token)
        await socket.subscribe(UPDATED, id=job["id"])
        message = await socket.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)
        await socket.close()
