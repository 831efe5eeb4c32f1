import base64

[
    base64.b64encode("Grüße".encode()),
    base64.b64decode("aGFsbA==").decode(),
    base64.urlsafe_b64encode(b"\xfb\xff"),
    base64.b32encode(b"lamp"),
    base64.b85decode(base64.b85encode(b"12345")),
    bytes.fromhex("6c 61 6d 70"),
    b"lamp".hex(":"),
]
#> value: ["R3LDvMOfZQ==", "hall", "-_8=", "NRQW24A=", "12345", "lamp", "6c:61:6d:70"]
