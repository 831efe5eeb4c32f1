import ast

ends = []
for text in ("[" * 150 + "]" * 150, "-" * 100_000 + "1", "(" * 100_000, "{1:" * 90 + "1" + "}" * 90, "1+" * 50_000 + "1"):
    for read in (ast.literal_eval, ast.parse):
        try:
            ends.append(type(read(text)).__name__)
        except (MemoryError, RecursionError, SyntaxError, ValueError) as error:
            ends.append(type(error).__name__)
len(ends)
#> class: "host denial of service"
#> outcome: ["completed", "failure", "memory_limit"]
