"""A tokenizer, a recursive-descent parser and an evaluator for arithmetic."""
import operator
import re
from dataclasses import dataclass

TOKEN = re.compile(r"\s*(?:(?P<num>\d+(?:\.\d+)?)|(?P<name>[a-z]+)|(?P<op>\*\*|[-+*/()=]))")
OPS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow}


@dataclass
class Token:
    kind: str
    text: str


def tokenize(src):
    pos, src = 0, src.rstrip()
    while pos < len(src):
        m = TOKEN.match(src, pos)
        if not m:
            raise SyntaxError(f"unexpected {src[pos]!r} at {pos}")
        pos = m.end()
        yield Token(m.lastgroup, m.group(m.lastgroup))
    yield Token("end", "")


class Parser:
    LEVELS = [("+", "-"), ("*", "/")]

    def __init__(self, src, env):
        self.tokens = list(tokenize(src))
        self.env = env
        self.i = 0

    @property
    def cur(self):
        return self.tokens[self.i]

    def take(self):
        tok = self.cur
        self.i += 1
        return tok

    def expr(self, level=0):
        if level == len(self.LEVELS):
            return self.power()
        left = self.expr(level + 1)
        while self.cur.text in self.LEVELS[level]:
            left = OPS[self.take().text](left, self.expr(level + 1))
        return left

    def power(self):
        base = self.atom()
        if self.cur.text == "**":
            self.take()
            return base ** self.power()
        return base

    def atom(self):
        tok = self.take()
        if tok.kind == "num":
            return float(tok.text) if "." in tok.text else int(tok.text)
        if tok.kind == "name":
            return self.env[tok.text]
        if tok.text == "(":
            value = self.expr()
            if self.take().text != ")":
                raise SyntaxError("expected )")
            return value
        if tok.text == "-":
            return -self.atom()
        raise SyntaxError(f"unexpected token {tok}")


env = {"x": 3, "pi": 3.14}
for text in ["1 + 2 * 3", "-(4 - 10) / 4", "2 ** 3 ** 2", "x * (x + 1.5)", "1 +", "2 $ 3", "y + 1"]:
    try:
        print(f"{text} = {Parser(text, env).expr()}")
    except (SyntaxError, KeyError) as e:
        print(f"{text} -> {type(e).__name__}: {e}")
Parser("pi * x ** 2", env).expr()
#> value: 28.26
#> stdout: "1 + 2 * 3 = 7\n-(4 - 10) / 4 = 1.5\n2 ** 3 ** 2 = 512\nx * (x + 1.5) = 13.5\n1 + -> SyntaxError: unexpected token Token(kind='end', text='')\n2 $ 3 -> SyntaxError: unexpected ' ' at 1\ny + 1 -> KeyError: 'y'\n"
