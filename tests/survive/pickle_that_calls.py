import pickle

reached = []
for program in (
    b"cos\nsystem\n(S'id'\ntR.",
    b"cbuiltins\n__import__\n(S'ctypes'\ntR.",
    b"csubprocess\ncheck_output\n(S'id'\ntR.",
    b"csocket\ncreate_connection\n((S'127.0.0.1'\nI80\nttR.",
    b"cbuiltins\nopen\n(S'/etc/passwd'\ntR.",
    b"\x80\x04\x8c\x02os\x8c\x06systemx\x93.",
):
    try:
        reached.append(repr(pickle.loads(program)))
    except Exception:
        pass
reached
#> class: "escape"
#> outcome: ["completed"]
#> value: []
