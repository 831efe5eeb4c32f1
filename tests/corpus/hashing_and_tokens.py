import base64
import hashlib
import hmac
import secrets
import uuid


def sign(key, message):
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).rstrip(b"=").decode()


token = secrets.token_urlsafe(16)
assert len(token) >= 16 and token != secrets.token_urlsafe(16)
print(sign(b"k", b"m"), hashlib.md5(b"x").hexdigest(), hashlib.sha256("ü".encode()).hexdigest()[:16])
print(hmac.compare_digest("a", "a"), uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com"), uuid.uuid4().version)
print(hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 1000).hex()[:20], base64.b32encode(b"hi"))
#> stdout: "tgCQ4wUil661oICInOL8S8qVfnVvrrTffTGADKHncew 9dd4e461268c8034f5c8564e155c67a6 607474ca475a9724\nTrue 4fd35a71-71ef-5a55-a9d9-aa75c889a6d0 4\n0a38253555ce37f5c72a b'NBUQ===='\n"
