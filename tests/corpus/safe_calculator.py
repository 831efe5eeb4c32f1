import ast
import operator

OPS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


def evaluate(node):
    match node:
        case ast.Expression(body=body):
            return evaluate(body)
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return OPS[type(op)](evaluate(left), evaluate(right))
        case ast.UnaryOp(op=op, operand=operand):
            return OPS[type(op)](evaluate(operand))
    raise ValueError(f"unsupported: {type(node).__name__}")


for text in ("2 + 3 * 4", "-(2 ** 3) / 4", "len('x')"):
    try:
        print(text, "=", evaluate(ast.parse(text, mode="eval")))
    except ValueError as error:
        print(text, "->", error)
#> stdout: "2 + 3 * 4 = 14\n-(2 ** 3) / 4 = -2.0\nlen('x') -> unsupported: Call\n"
