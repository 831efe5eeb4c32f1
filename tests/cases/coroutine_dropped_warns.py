async def switch_on(lamp):
    print(lamp)


def scene():
    switch_on("hall")


scene()
"done"
#> value: "done"
#> stdout: ""
#> stderr_contains: "RuntimeWarning: coroutine 'switch_on' was never awaited"
