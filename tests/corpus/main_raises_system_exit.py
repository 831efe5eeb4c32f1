import sys


class CLIError(SystemExit):
    pass


def main():
    try:
        raise CLIError(3)
    except SystemExit as error:
        print("caught", type(error).__name__, error.code)
    sys.exit("fatal: nothing to do")


main()
#> stdout: "caught CLIError 3\n"
#> outcome: "failure"
#> error: "SystemExit: fatal: nothing to do"
