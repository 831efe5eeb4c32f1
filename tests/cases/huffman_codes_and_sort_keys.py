import heapq
import bisect
import functools
from collections import Counter, defaultdict
from operator import itemgetter, attrgetter, methodcaller


class Node:
    def __init__(self, freq, char=None, left=None, right=None):
        self.freq, self.char, self.left, self.right = freq, char, left, right

    def __lt__(self, other):
        return (self.freq, self.char or "") < (other.freq, other.char or "")


def huffman(text):
    heap = [Node(f, c) for c, f in sorted(Counter(text).items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, Node(a.freq + b.freq, min(a.char, b.char), a, b))
    codes = {}

    def visit(node, prefix=""):
        if node.left is None:
            codes[node.char] = prefix or "0"
        else:
            visit(node.left, prefix + "0")
            visit(node.right, prefix + "1")

    visit(heap[0])
    return codes


text = "abracadabra"
codes = huffman(text)
encoded = "".join(codes[c] for c in text)
print({c: codes[c] for c in sorted(codes)}, len(encoded), "bits")
inverse = {v: k for k, v in codes.items()}
decoded, buf = [], ""
for bit in encoded:
    buf += bit
    if buf in inverse:
        decoded.append(inverse[buf])
        buf = ""
print("".join(decoded) == text)

grades = [(60, "D"), (70, "C"), (80, "B"), (90, "A")]
grade = lambda s: "F" if s < 60 else grades[bisect.bisect_right(grades, (s, "Z")) - 1][1]
print([grade(s) for s in (55, 60, 79, 80, 95)])
rows = [{"n": "b", "v": 2}, {"n": "a", "v": 2}, {"n": "c", "v": 1}]
print(sorted(rows, key=itemgetter("v", "n")))
print(list(map(methodcaller("upper"), ["x", "y"])), functools.reduce(lambda a, b: a * b, range(1, 6)))
print(sorted([3, 1, 2], key=functools.cmp_to_key(lambda a, b: b - a)), list(heapq.merge([1, 4], [2, 3])))
anagrams = defaultdict(set)
for w in "listen silent enlist google elgoog".split():
    anagrams["".join(sorted(w))].add(w)
[sorted(v) for v in anagrams.values()]
#> value: [["enlist", "listen", "silent"], ["elgoog", "google"]]
#> stdout: "{'a': '0', 'b': '110', 'c': '1110', 'd': '1111', 'r': '10'} 23 bits\nTrue\n['F', 'D', 'C', 'B', 'A']\n[{'n': 'c', 'v': 1}, {'n': 'a', 'v': 2}, {'n': 'b', 'v': 2}]\n['X', 'Y'] 120\n[3, 2, 1] [1, 2, 3, 4]\n"
