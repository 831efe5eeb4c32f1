"""Text split into words and counted."""

from collections import Counter

text = " ".join(f"the {n % 97} lights of room {n % 13} were {'on' if n % 2 else 'off'}, and stayed so;" for n in range(12_000))
counts = Counter(word.strip(",;").lower() for word in text.split())
longest = max(counts, key=lambda word: (len(word), word))
[longest, len(counts), counts.most_common(3), text.replace("lights", "lamps").title().count("Lamps")]
