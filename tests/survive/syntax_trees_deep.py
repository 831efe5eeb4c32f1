import ast

node = ast.Constant(1)
for _ in range(100_000):
    node = ast.UnaryOp(ast.USub(), node)
for use in (ast.unparse, ast.dump, ast.fix_missing_locations, lambda tree: len(list(ast.walk(tree)))):
    try:
        use(node)
    except RecursionError:
        pass
del node
#> class: "host denial of service"
#> outcome: ["completed", "failure", "memory_limit", "cpu_limit"]
