import os
import posix
import sys

print(dict(os.environ), posix.environ, os.environb if hasattr(os, "environb") else "")
print(sys.argv, sys.orig_argv, sys.executable, sys.prefix, sys.path, sys.flags, sys.implementation)
print([os.environ.get(name) for name in ("PATH", "HOME", "EXECUTOR_API_TOKEN", "HOST_CANARY")])
[name for name in os.environ if name not in ("PWD",)]
#> class: "host leak"
#> outcome: ["completed"]
