import asyncio
from contextvars import ContextVar, copy_context

request_id = ContextVar("request_id", default="-")


async def handle(number):
    token = request_id.set(f"req-{number}")
    await asyncio.sleep(0)
    seen = request_id.get()
    request_id.reset(token)
    return seen, request_id.get()


async def main():
    return await asyncio.gather(*(handle(n) for n in range(3)))


print(asyncio.run(main()))
context = copy_context()
context.run(request_id.set, "inner")
print(request_id.get(), context[request_id])
#> stdout: "[('req-0', '-'), ('req-1', '-'), ('req-2', '-')]\n- inner\n"
