"""botocore, which awscli is made of, against our @connections."""
import asyncio
import json
import sys

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
import websockets


def _fails(call, name, status, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == name, error.response
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        return
    raise AssertionError(f"{name} was expected")


async def _exchange(client, ws):
    await ws.send(json.dumps({"type": "auth", "data": {"action": "authenticate", "token": "sesame"}}))
    connection = json.loads(await ws.recv())["data"]["connectionId"]
    client.post_to_connection(ConnectionId=connection, Data="grüße".encode())
    assert await ws.recv() == "grüße"
    client.post_to_connection(ConnectionId=connection, Data=b"\xff\xfe")
    assert await ws.recv() == b"\xff\xfe"
    seen = client.get_connection(ConnectionId=connection)
    assert seen["Identity"]["SourceIp"] == "127.0.0.1", seen
    assert seen["ConnectedAt"] <= seen["LastActiveAt"], seen
    _fails(client.post_to_connection, "PayloadTooLargeException", 413, ConnectionId=connection,
           Data=b"x" * 131073)
    client.delete_connection(ConnectionId=connection)
    for call in (client.get_connection, client.delete_connection):
        _fails(call, "GoneException", 410, ConnectionId=connection)


async def _main(endpoint, url):
    client = botocore.session.get_session().create_client(
        "apigatewaymanagementapi", region_name="eu-central-1", endpoint_url=endpoint,
        aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="none",
        config=Config(retries={"max_attempts": 0}))
    async with websockets.connect(url) as ws:
        await _exchange(client, ws)


asyncio.run(_main(*sys.argv[1:]))
