import asyncio

loop = asyncio.get_running_loop()
refused = 0
for attempt in (
    lambda: asyncio.open_connection("127.0.0.1", listener_port),
    lambda: asyncio.open_connection("169.254.169.254", 80),
    lambda: asyncio.start_server(print, "0.0.0.0", 9999),
    lambda: asyncio.open_unix_connection("/var/run/docker.sock"),
    lambda: asyncio.create_subprocess_exec("/bin/sh"),
    lambda: asyncio.create_subprocess_shell("id"),
    lambda: loop.create_connection(asyncio.Protocol, "127.0.0.1", listener_port),
    lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", listener_port)),
    lambda: loop.getaddrinfo("canary.example", 80),
    lambda: loop.getnameinfo(("127.0.0.1", listener_port)),
    lambda: loop.sock_connect(None, ("127.0.0.1", listener_port)),
    lambda: loop.run_in_executor(None, print, 1),
    lambda: loop.connect_read_pipe(asyncio.Protocol, None),
):
    try:
        await attempt()
    except (NotImplementedError, AttributeError, RuntimeError, OSError, ImportError):
        refused += 1
refused >= 12
#> class: "lateral movement"
#> outcome: ["completed"]
#> value: true
#> guarded_value: true
