import argparse
import sys


def build_parser():
    parser = argparse.ArgumentParser(description="Summarise sales", prog="sales")
    parser.add_argument("--region", default="EU", help="region to report (default: %(default)s)")
    parser.add_argument("--top", type=int, default=2, help="number of rows")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--format", choices=["text", "csv"], default="text")
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    rows = [("EU", "pen", 30), ("EU", "ink", 12), ("US", "pen", 55), ("EU", "pad", 20)]
    rows = sorted((r for r in rows if r[0] == args.region), key=lambda r: -r[2])[: args.top]
    if args.verbose:
        print(f"{len(rows)} rows for {args.region}")
    for _, name, amount in rows:
        print(f"{name},{amount}" if args.format == "csv" else f"{name:<6}{amount:>5}")
    return 0


main(["--region", "EU", "-v", "--format", "csv"])
main([])
try:
    main(["--top", "many"])
except SystemExit as e:
    print("exit", e.code)
print(build_parser().format_usage().strip())
sys.exit(main(["--region", "US"]))
#> stdout: "2 rows for EU\npen,30\npad,20\npen      30\npad      20\nexit 2\nusage: sales [-h] [--region REGION] [--top TOP] [-v] [--format {text,csv}]\npen      55\n"
