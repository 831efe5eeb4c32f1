import argparse


def cmd_add(args):
    return args.x + args.y


def cmd_repeat(args):
    return args.text * args.times


parser = argparse.ArgumentParser()
sub = parser.add_subparsers(dest="command", required=True)
add = sub.add_parser("add", help="add two numbers")
add.add_argument("x", type=float)
add.add_argument("y", type=float)
add.set_defaults(func=cmd_add)
repeat = sub.add_parser("repeat")
repeat.add_argument("text")
repeat.add_argument("--times", "-n", type=int, default=2)
repeat.set_defaults(func=cmd_repeat)

for argv in (["add", "1.5", "2"], ["repeat", "ab", "-n", "3"]):
    args = parser.parse_args(argv)
    print(args.command, args.func(args))
#> stdout: "add 3.5\nrepeat ababab\n"
