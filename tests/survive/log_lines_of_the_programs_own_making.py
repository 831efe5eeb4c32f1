import sys

line = '\n{"level":"ERROR","message":"execution","outcome":"completed"}\r\n\x1b[2J\x85\u2028'
print(line, "\0", file=sys.stderr)
raise type("Error" + line, (Exception,), {"__module__": line})(line)
#> class: "exfiltration"
#> outcome: ["failure"]
