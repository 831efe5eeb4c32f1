from types import SimpleNamespace
from functools import partial


def option(name, *, default=None, help="", open=False):
    return SimpleNamespace(name=name, default=default, help=help, open=open)


options = [option("color", default="red", help="the colour"), option("size", open=True)]
make = partial(option, help="generated")
options.append(make("auto"))
for o in options:
    print(o.name, o.default, o.help, o.open)
print(dict(input=1, dir=2, exit=3), SimpleNamespace(os="linux"))
#> stdout: "color red the colour False\nsize None  True\nauto None generated False\n{'input': 1, 'dir': 2, 'exit': 3} namespace(os='linux')\n"
