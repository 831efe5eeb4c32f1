"""Verifies and signs requests with the PyPI package http-message-signatures, for tests/all/python.rs.

Reads {"verify": [request...], "sign": [request...]} from standard input; writes {"verified": [null or error
text...], "signed": [headers...]}. A request has method, url, headers, body, algorithm, key_id, and keys as text.
"""

import datetime
import json
import sys

from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)

COVERED = ("@method", "@authority", "@path", "@query", "content-type", "content-digest", "x-execution-id")
ALGORITHMS = {"hmac-sha256": algorithms.HMAC_SHA256, "ed25519": algorithms.ED25519}


class Message:
    def __init__(self, request: dict) -> None:
        self.method, self.url, self.headers = request["method"], request["url"], dict(request["headers"])
        self.body = request["body"].encode()
        self.covered = [name for name in COVERED if name[0] == "@" or name in self.headers]
        key_id = request["key_id"]
        self.settings = {
            "signature_algorithm": ALGORITHMS[request["algorithm"]],
            "key_resolver": MappingKeyResolver(
                public_keys={key_id: request["public_key"].encode()},
                private_keys={key_id: request["private_key"].encode()},
            ),
        }


def verify(request: dict) -> str | None:
    message = Message(request)
    verifier = HTTPMessageVerifier(**message.settings)
    try:
        [result] = verifier.verify(message, require_components=message.covered, body=message.body)
    except HTTPMessageSignaturesException as error:
        return f"refused: {error}"
    return None if result.nonce and result.body == message.body else "refused: no nonce or digest"


def sign(request: dict) -> dict[str, str]:
    message = Message(request)
    HTTPMessageSigner(**message.settings).sign(
        message,
        key_id=request["key_id"],
        expires=datetime.datetime.now() + datetime.timedelta(seconds=60),
        nonce=request["nonce"],
        include_alg=request["include_alg"],
        covered_component_ids=message.covered,
        body=message.body,
    )
    return message.headers


asked = json.load(sys.stdin)
json.dump({"verified": [*map(verify, asked["verify"])], "signed": [*map(sign, asked["sign"])]}, sys.stdout)
