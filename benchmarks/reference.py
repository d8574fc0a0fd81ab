"""A Codec Server as one for Lambda is usually written: the measure of our cold start.

Temporal's SDK for the payloads, boto3 under Powertools' parameters for keys and policy, FastAPI
under Mangum, PyJWKClient for tokens, Powertools' Tracer. It does what is asked of it in the
benchmark, and only that: it has none of our limits and checks.
"""

import json
import os
from base64 import b64decode
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Annotated

import boto3  # noqa: TID251 — it is what we are compared with
import jwt
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.utilities import parameters
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from google.protobuf import json_format  # noqa: TID251 — see above
from mangum import Mangum
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

logger = Logger(service="reference")
tracer = Tracer(service="reference")
metrics = Metrics(namespace="reference", service="reference")
session = boto3.Session()
rings = parameters.SecretsProvider(boto3_session=session)
policies = parameters.SSMProvider(boto3_session=session)
issuer_keys = jwt.PyJWKClient(os.environ["CODEC_JWKS_URL"])

app = FastAPI()
app.add_middleware(
    CORSMiddleware,
    allow_origins=os.environ["CODEC_ORIGINS"].split(","),
    allow_methods=["POST"],
    allow_headers=["content-type", "authorization", "x-namespace"],
)


class Codec(PayloadCodec):
    """Encryption in the way of Temporal's official samples."""

    def __init__(self, keys: dict[str, AESGCM]) -> None:
        self._keys = keys

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Not asked for in the benchmark."""
        raise NotImplementedError

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open each."""
        return [self._open(payload) for payload in payloads]

    def _open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != b"binary/encrypted":
            return payload
        cipher = self._keys[payload.metadata["encryption-key-id"].decode()]
        return Payload.FromString(cipher.decrypt(payload.data[:12], payload.data[12:], None))


@app.post("/decode")  # type: ignore[untyped-decorator]
async def decode(
    request: Request,
    authorization: Annotated[str, Header()],
    x_namespace: Annotated[str, Header()],
) -> Response:
    """Verify the token, ask the policy, open the payloads."""
    token = authorization.removeprefix("Bearer ")
    claims = jwt.decode(
        token,
        issuer_keys.get_signing_key_from_jwt(token).key,
        algorithms=["RS256"],
        audience=os.environ["CODEC_AUDIENCES"],
        issuer=os.environ["CODEC_ISSUER"],
    )
    email = claims["https://saas-api.tmprl.cloud/user/email"]
    policy = json.loads(str(policies.get(os.environ["CODEC_POLICY"].removeprefix("ssm:"))))
    if not any(
        fnmatch(email, identity) and x_namespace in grant["namespaces"]
        for grant in policy["grants"]
        for identity in grant["identities"]
    ):
        raise HTTPException(403)
    ring = json.loads(str(rings.get(os.environ["CODEC_KEYRING"].removeprefix("secretsmanager:"))))
    keys = {each["id"]: AESGCM(b64decode(each["key"])) for each in ring["keys"]}
    sealed = json_format.Parse(await request.body(), Payloads()).payloads
    opened = Payloads(payloads=await Codec(keys).decode(sealed))
    logger.info("decoded", extra={"email": email, "payloads": len(opened.payloads)})
    metrics.add_metric("Decoded", "Count", len(opened.payloads))
    return Response(json_format.MessageToJson(opened), media_type="application/json")


handler = logger.inject_lambda_context(
    tracer.capture_lambda_handler(metrics.log_metrics(Mangum(app, lifespan="off")))
)
