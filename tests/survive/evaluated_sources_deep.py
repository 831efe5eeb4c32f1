caught = 0
for source in ("[" * 200 + "]" * 200, "(" * 100_000, "-" * 100_000 + "1", "not " * 50_000 + "1", "a" + ".a" * 100_000, "a" + "()" * 50_000, "1" + "+1" * 100_000, "lambda: " * 10_000 + "1", "1 if 1 else " * 20_000 + "1", "{" * 100 + "}" * 100, "f'{" * 200, "f'" + "{1:" * 500, "x" * 10**7, "'" * 3 + "x" * 10**6):
    for compiled in (lambda: compile(source, "x", "eval"), lambda: eval(source, {"a": 1})):
        try:
            compiled()
        except (SyntaxError, RecursionError, MemoryError, NameError, AttributeError, TypeError):
            caught += 1
caught > 15
#> class: "host denial of service"
#> outcome: ["completed", "failure", "memory_limit", "cpu_limit"]
