import sys

print(sys.version_info.major, sys.version_info >= (3, 12), sys.version_info[:2] == (3, 13))
print(len(sys.argv))
print(sys.getsizeof([]) < sys.getsizeof(list(range(1000))))
smallest = sys.maxsize
for value in [5, 3, 9]:
    smallest = min(smallest, value)
print(smallest)
sys.stdout.write("written\n")
print("error", file=sys.stderr)
#> stdout: "3 True True\n1\nTrue\n3\nwritten\n"
#> host: "needs Python 3.13"
