"""The contract: protos/ is what is served, and a client that knows nothing but the address finds it out."""

import asyncio
import inspect
import json
import subprocess
from pathlib import Path
from typing import Any, get_args

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from app.transports.grpc.files import PARTS, Download, Upload
from app.transports.grpc.registry import MODULES, function_name, served
from tests.grpc_calls import address_of

ROOT = Path(__file__).parents[3]
PROTOS = ROOT / "protos"
USER = "123"


def reflected(address: str, service: str, method: str, request: dict[str, Any]) -> tuple[list[str], Any]:
    """Call a method of which only the names are known, as grpcurl does; return the services found, and the answer as JSON."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        described = DescriptorPool(database).FindServiceByName(service).FindMethodByName(method)
        ask: Any = channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        answer = ask(ParseDict(request, GetMessageClass(described.input_type)()))
        return list(database.get_services()), MessageToDict(answer)


@pytest.mark.postgres
@pytest.mark.redis
async def test_reflection_the_rest_call_and_the_classic_query_give_the_same_posts(demo_world, server):
    services, answer = await asyncio.to_thread(reflected, address_of(server), "PostService", "GetPostsForUser", {"userId": USER})
    async with server.http.get(f"{server.url}/api/v1/users/{USER}/posts") as response:
        resources = json.loads(await response.read())
    data = (await server.graphql('query { user(id: "123") { posts { id title content author { id } } } }')).data

    over_grpc = [(post["postId"], post.get("title"), post["content"], post["authorId"]) for post in answer["posts"]]
    assert over_grpc == [(post["postId"], post["title"], post["content"], post["authorId"]) for post in resources]
    assert over_grpc == [(p["id"], p["title"], p["content"], p["author"]["id"]) for p in data["user"]["posts"]]
    assert len(over_grpc) > 1
    assert {service.full_name for service, _ in served()} < set(services)
    assert "grpc.health.v1.Health" in services


def test_the_stubs_are_those_of_the_protos(tmp_path):
    subprocess.run([ROOT / "scripts" / "protos", tmp_path / "stubs"], check=True)
    stubs = ROOT / "app" / "transports" / "grpc" / "stubs"
    fresh = {path.name: path.read_text() for path in (tmp_path / "stubs").iterdir() if path.is_file()}
    assert {path.name: path.read_text() for path in stubs.iterdir() if path.is_file()} == fresh, "run make protos"
    assert {file.name for file in MODULES.values()} == {path.name for path in PROTOS.iterdir()} - {"pages.proto"}


def test_the_classic_example_stands_as_it_is_written():
    text = (PROTOS / "posts.proto").read_text()
    assert "rpc GetPostsForUser(UserRequest) returns (PostList) {}" in text
    assert "package" not in "".join(path.read_text() for path in PROTOS.glob("*.proto")).replace("packaged", "")
    assert [service.full_name for service, module in served() if module.__name__.endswith(".posts")] == ["PostService"]


def batch_type(source: Any) -> Any:
    """Return the type of a stream's messages."""
    messages = inspect.get_annotations(source.batch, eval_str=True)["return"]
    return get_args(get_args(messages)[0] if type(None) in get_args(messages) else messages)[0]


def test_every_method_has_a_function_of_its_types():
    answering = {}
    for service, module in served():
        for method in service.methods:
            function = getattr(module, function_name(method.name))
            types = inspect.get_annotations(function, eval_str=True)
            expected: Any = GetMessageClass(method.output_type)
            given = types["return"]
            if method.client_streaming:
                assert types["file"] is Upload
            else:
                assert next(kind for name, kind in types.items() if name.endswith("request")) is GetMessageClass(
                    method.input_type
                )
            if method.output_type is PARTS:
                assert get_args(given) == (Download,)
            else:
                assert (batch_type(given) if method.server_streaming else given) is expected
            answering[method.full_name] = function
    assert len(answering) == len(set(answering.values())) > 20
