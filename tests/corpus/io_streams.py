import io
import sys

stream = io.StringIO("alpha\nbeta\n\ngamma\n")
lines = [line.strip() for line in stream if line.strip()]
print(lines, stream.tell() > 0, stream.seek(0), stream.readline())
raw = io.BytesIO()
with io.TextIOWrapper(raw, encoding="utf-16-le", write_through=True) as text:
    text.write("hé")
    print(raw.getvalue())
print("progress", end="", flush=True, file=sys.stdout)
print("\rdone")
#> stdout: "['alpha', 'beta', 'gamma'] True 0 alpha\n\nb'h\\x00\\xe9\\x00'\nprogress\rdone\n"
