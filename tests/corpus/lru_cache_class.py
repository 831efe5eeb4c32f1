from collections import OrderedDict


class LRUCache:
    def __init__(self, capacity: int):
        self.capacity = capacity
        self._data: OrderedDict[str, int] = OrderedDict()
        self.hits = self.misses = 0

    def __getitem__(self, key):
        try:
            self._data.move_to_end(key)
        except KeyError:
            self.misses += 1
            raise
        self.hits += 1
        return self._data[key]

    def __setitem__(self, key, value):
        self._data[key] = value
        self._data.move_to_end(key)
        if len(self._data) > self.capacity:
            self._data.popitem(last=False)

    def __contains__(self, key):
        return key in self._data

    def __len__(self):
        return len(self._data)


cache = LRUCache(2)
cache["a"], cache["b"] = 1, 2
cache["a"]
cache["c"] = 3
print("a" in cache, "b" in cache, len(cache))
try:
    cache["b"]
except KeyError as e:
    print("missing", e)
print(cache.hits, cache.misses)
#> stdout: "True False 2\nmissing 'b'\n1 1\n"
