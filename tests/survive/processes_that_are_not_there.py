import os
import subprocess

tried = []
for name in ("system", "popen", "fork", "forkpty", "vfork", "execv", "execve", "spawnv", "posix_spawn", "kill", "killpg", "setuid", "chroot", "mount", "unshare", "setns", "pidfd_open", "memfd_create"):
    for arguments in ((), ("/bin/sh",), ("/bin/sh", ["sh", "-c", "id"]), (1, 9)):
        try:
            tried.append(getattr(os, name)(*arguments))
        except Exception:
            pass
for name in ("run", "call", "check_output", "Popen", "getoutput"):
    try:
        tried.append(getattr(subprocess, name)(["/bin/sh", "-c", "id"]))
    except Exception:
        pass
tried
#> class: "escape"
#> outcome: ["completed"]
#> value: []
