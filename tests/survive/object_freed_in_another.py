# An object that says it can be freed, in the middle of another one.
thing = struct.pack("<III", 0, id(list), 5) * 1000
print("before", end="", flush=True)
for place in range(0, 4000, 4):
    try:
        del (each := [object_at(id(thing) + BYTES_DATA + place)])[0]
    except BaseException:
        pass
#> preamble: "forged_objects"
#> class: "escape"
#> outcome: ["failure", "completed", "cpu_limit", "memory_limit"]
#> stdout_starts: "before"
#> limits: {"max_cpu_seconds": 0.5}
