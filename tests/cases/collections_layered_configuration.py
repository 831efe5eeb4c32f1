import copy
import pprint
from collections import OrderedDict, ChainMap, deque, UserDict

config = {
    "server": {"host": "localhost", "ports": [8000, 8001], "tls": None},
    "features": {"beta": True, "limits": {"cpu": 4, "mem": "2G"}},
    "users": [{"name": "root", "groups": {"wheel"}}, {"name": "guest", "groups": set()}],
}
shallow = copy.copy(config)
deep = copy.deepcopy(config)
config["server"]["ports"].append(9000)
print(shallow["server"]["ports"], deep["server"]["ports"])
pprint.pprint(config, width=60, sort_dicts=False)


def deep_merge(a, b):
    out = dict(a)
    for k, v in b.items():
        out[k] = deep_merge(a[k], v) if isinstance(v, dict) and isinstance(a.get(k), dict) else v
    return out


merged = deep_merge(config, {"features": {"limits": {"cpu": 8}}})
print(merged["features"])


class CaseInsensitive(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)

    def __getitem__(self, key):
        return super().__getitem__(key.lower())


headers = CaseInsensitive({"Content-Type": "text/html"})
print(headers["CONTENT-TYPE"], headers)
settings = ChainMap({"debug": True}, {"debug": False, "level": 3})
print(settings["debug"], settings["level"], dict(settings))
lru = OrderedDict.fromkeys("abcd")
lru.move_to_end("a")
lru.popitem(last=False)
print(list(lru))
recent = deque(maxlen=3)
for i in range(6):
    recent.append(i)
recent.rotate(1)
print(recent)
merged
#> value: {"server": {"host": "localhost", "ports": [8000, 8001, 9000], "tls": null}, "features": {"beta": true, "limits": {"cpu": 8, "mem": "2G"}}, "users": [{"name": "root", "groups": ["wheel"]}, {"name": "guest", "groups": []}]}
#> stdout: "[8000, 8001, 9000] [8000, 8001]\n{'server': {'host': 'localhost',\n            'ports': [8000, 8001, 9000],\n            'tls': None},\n 'features': {'beta': True,\n              'limits': {'cpu': 4, 'mem': '2G'}},\n 'users': [{'name': 'root', 'groups': {'wheel'}},\n           {'name': 'guest', 'groups': set()}]}\n{'beta': True, 'limits': {'cpu': 8, 'mem': '2G'}}\ntext/html {'content-type': 'text/html'}\nTrue 3 {'debug': True, 'level': 3}\n['c', 'd', 'a']\ndeque([5, 3, 4], maxlen=3)\n"
