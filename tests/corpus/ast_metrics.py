import ast

SOURCE = '''
import math

def area(r):
    """Area of a circle."""
    if r < 0:
        raise ValueError("negative")
    return math.pi * r ** 2

class Circle:
    def __init__(self, r):
        self.r = r
    def scale(self, k):
        for _ in range(2):
            self.r *= k
'''


class Counter(ast.NodeVisitor):
    def __init__(self):
        self.functions, self.branches = [], 0

    def visit_FunctionDef(self, node):
        self.functions.append((node.name, len(node.args.args), ast.get_docstring(node)))
        self.generic_visit(node)

    def visit_If(self, node):
        self.branches += 1
        self.generic_visit(node)

    visit_For = visit_If


counter = Counter()
tree = ast.parse(SOURCE)
counter.visit(tree)
print(counter.functions, counter.branches)
print(sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}))
print(ast.dump(ast.parse("a + 1", mode="eval")))
#> stdout: "[('area', 1, 'Area of a circle.'), ('__init__', 2, None), ('scale', 2, None)] 2\n['ValueError', '_', 'k', 'math', 'r', 'range', 'self']\nExpression(body=BinOp(left=Name(id='a', ctx=Load()), op=Add(), right=Constant(value=1)))\n"
