"""AWS Signature Version 4 of one request without a body hash to hide. Pure.

pyarrow writes objects but cannot say "only if there is none", which is what makes a claim on a
version atomic; so that one request is signed here (AWS General Reference, Signature Version 4).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class S3Credentials:
    """Who asks; `session_token` is empty for long-lived keys."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class S3Place:
    """An S3-compatible store: `endpoint` is scheme and host, e.g. `https://s3.example.org`."""

    endpoint: str
    region: str
    bucket: str
    prefix: str

    def url(self, key: str) -> str:
        """Return the path-style address of an object below the prefix."""
        return f"{self.endpoint}{self.path(key)}"

    def path(self, key: str) -> str:
        """Return the encoded path of an object below the prefix."""
        parts = [self.bucket, *(p for p in self.prefix.split("/") if p), *key.split("/")]
        return "/" + "/".join(quote(part, safe="-_.~") for part in parts)


def create_headers(
    place: S3Place, key: str, body: bytes, credentials: S3Credentials, now: dt.datetime
) -> dict[str, str]:
    """Return the signed headers of a PUT that succeeds only where nothing is yet.

    Parameters
    ----------
    place, key, body
        What is put where.
    credentials : S3Credentials
        Who puts it.
    now : datetime
        Time of the request, UTC.
    """
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {
        "host": place.endpoint.split("://", 1)[1],
        "if-none-match": "*",
        "x-amz-content-sha256": digest,
        "x-amz-date": stamp,
    }
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    names = sorted(headers)
    canonical = "\n".join(
        [
            "PUT",
            place.path(key),
            "",
            *(f"{name}:{headers[name]}" for name in names),
            "",
            ";".join(names),
            digest,
        ]
    )
    scope = f"{day}/{place.region}/s3/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join([_ALGORITHM, stamp, scope, hashed])
    signing = f"AWS4{credentials.secret_key}".encode()
    for part in (day, place.region, "s3", "aws4_request"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, to_sign.encode(), hashlib.sha256).hexdigest()
    del headers["host"]
    return headers | {
        "authorization": f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    }
