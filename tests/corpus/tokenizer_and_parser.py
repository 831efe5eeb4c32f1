import re
from typing import NamedTuple


class Token(NamedTuple):
    kind: str
    text: str


SPEC = re.compile(r"(?P<NUM>\d+(?:\.\d+)?)|(?P<OP>[-+*/()])|(?P<WS>\s+)|(?P<BAD>.)")


def tokenize(text):
    for match in SPEC.finditer(text):
        kind = match.lastgroup
        if kind == "BAD":
            raise SyntaxError(f"unexpected {match.group()!r} at {match.start()}")
        if kind != "WS":
            yield Token(kind, match.group())


class Parser:
    def __init__(self, text):
        self.tokens = [*tokenize(text), Token("END", "")]

    def take(self, *texts):
        return self.tokens.pop(0).text if self.tokens[0].text in texts else None

    def expr(self):
        value = self.term()
        while op := self.take("+", "-"):
            value = value + self.term() if op == "+" else value - self.term()
        return value

    def term(self):
        value = self.factor()
        while op := self.take("*", "/"):
            value = value * self.factor() if op == "*" else value / self.factor()
        return value

    def factor(self):
        if self.take("("):
            value = self.expr()
            self.take(")")
            return value
        if self.take("-"):
            return -self.factor()
        return float(self.tokens.pop(0).text)


for text in ("1 + 2 * (3 - 4)", "-2 * -2 / 8", "1 $ 2"):
    try:
        print(Parser(text).expr())
    except SyntaxError as error:
        print("error:", error)
#> stdout: "-1.0\n0.5\nerror: unexpected '$' at 2\n"
