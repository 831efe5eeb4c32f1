import asyncio
import urllib.parse

refused = 0
for host in ("169.254.169.254", "metadata.google.internal", "fd00:ec2::254", "100.100.100.200", "localhost", "0.0.0.0", "::1", "[::ffff:127.0.0.1]", "2130706433", "127.1"):
    for port in (80, listener_port):
        for attempt in (
            lambda: asyncio.open_connection(host, port),
            lambda: asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port),
            lambda: asyncio.get_running_loop().getaddrinfo(host, port),
        ):
            try:
                await attempt()
            except (NotImplementedError, AttributeError, RuntimeError, OSError, ImportError):
                refused += 1
[refused, urllib.parse.urlsplit(f"http://{host}:{port}/").port == listener_port]
#> class: "lateral movement"
#> outcome: ["completed"]
#> value: [60, true]
#> guarded_value: [60, true]
