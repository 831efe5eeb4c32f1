import asyncio
import sys

loop = asyncio.get_running_loop()
refused = 0
for name in ("add_reader", "add_writer", "_add_reader", "sock_recv", "sock_sendall", "sock_accept", "sendfile", "connect_accepted_socket", "subprocess_exec", "add_signal_handler"):
    for arguments in ((3, print), (0, print), (3, 100), (listener_port,)):
        try:
            result = getattr(loop, name)(*arguments)
            await result
        except Exception:
            refused += 1
refused
#> class: "lateral movement"
#> outcome: ["completed"]
#> value: 40
