import re
import string
from collections import Counter

TEXT = """It was the best of times, it was the worst of times, it was the age of wisdom,
it was the age of foolishness..."""
words = re.findall(r"[a-z']+", TEXT.lower())
counts = Counter(words)
for word, n in counts.most_common(4):
    print(f"{word:>6} {n} {'#' * n}")
table = str.maketrans("", "", string.punctuation)
print(TEXT.translate(table).split()[:6])
longest = max(counts, key=len)
print(longest, sum(counts.values()), len(counts))
#> stdout: "    it 4 ####\n   was 4 ####\n   the 4 ####\n    of 4 ####\n['It', 'was', 'the', 'best', 'of', 'times']\nfoolishness 24 10\n"
