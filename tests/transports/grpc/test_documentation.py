"""docs/grpc.md: its programs run as they stand there."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.grpc_calls import address_of
from tests.pictures import photo

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "grpc.md").read_text()


async def started(*command, cwd):
    """Start a program whose output is read here."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*map(str, command), cwd=cwd, stdout=pipe, stderr=pipe)


async def output_of(*command, cwd):
    """Run a program to its end; return what it prints."""
    process = await started(*command, cwd=cwd)
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_the_programs_of_the_document_run(demo_world, server, tmp_path):
    [generation] = [line for line in TEXT.splitlines() if "grpc_tools.protoc" in line]
    target = tmp_path / "client"
    target.mkdir()
    line = generation.replace(".venv/bin/python", sys.executable).replace("=client", f"={target}")
    await output_of("bash", "-c", line, cwd=ROOT)
    programs = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    for number, program in enumerate(programs):
        assert "127.0.0.1:50051" in program
        (target / f"program{number}.py").write_text(program.replace("127.0.0.1:50051", address_of(server)))

    listener = await started(sys.executable, "program2.py", cwd=target)
    posts = await output_of(sys.executable, "program0.py", cwd=target)
    reflected = await output_of(sys.executable, "program1.py", cwd=target)
    (tmp_path / "tor.jpg").write_bytes(photo())
    image = await output_of(sys.executable, "program3.py", tmp_path / "tor.jpg", cwd=target)
    ada = await server.person()
    heard = asyncio.create_task(listener.stdout.readline())
    while not heard.done():
        await ada.post("For the listener")
        await asyncio.wait([heard], timeout=0.2)
    listener.terminate()
    await listener.communicate()

    assert len(programs) == 4
    assert re.search(r"^wrote \d+$", posts, re.MULTILINE)
    assert "refused: INVALID_ARGUMENT BAD_USER_INPUT content is empty" in posts
    assert re.search(r"^wrote \d+\nthumbnail: [1-9]\d+ bytes$", image, re.MULTILINE)
    assert "PostService" in reflected.splitlines()[0]
    assert reflected.count('"postId"') == 2
    assert re.match(r"\d+-\d+ post\.created \d+ ", heard.result().decode())
