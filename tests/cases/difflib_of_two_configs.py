import difflib

old = ["light: on", "level: 50", "room: hall"]
new = ["light: on", "level: 80", "room: hall", "colour: warm"]
diff = [line for line in difflib.unified_diff(old, new, lineterm="") if not line.startswith(("---", "+++", "@@"))]
[diff, difflib.get_close_matches("kichen", ["kitchen", "hall", "chicken"]), difflib.SequenceMatcher(None, "abcd", "bcde").ratio()]
#> value: [[" light: on", "-level: 50", "+level: 80", " room: hall", "+colour: warm"], ["kitchen", "chicken"], 0.75]
