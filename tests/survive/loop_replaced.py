import asyncio
import sys


class Loop:
    def __getattr__(self, name):
        return lambda *_, **__: self


asyncio.set_event_loop_policy(Loop())
asyncio.events._set_running_loop(Loop())
for name, module in list(sys.modules.items()):
    if "loop" in name:
        for each in list(vars(module)):
            setattr(module, each, Loop())
await asyncio.sleep(0.01)
#> class: "self denial of service"
#> outcome: ["failure", "completed", "timeout", "cpu_limit"]
#> limits: {"timeout": 1, "max_cpu_seconds": 0.5}
