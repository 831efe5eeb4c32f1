import weakref


class Image:
    def __init__(self, name):
        self.name = name


class Cache:
    def __init__(self):
        self._items = weakref.WeakValueDictionary()
        self.loads = 0

    def get(self, name):
        image = self._items.get(name)
        if image is None:
            self.loads += 1
            image = self._items[name] = Image(name)
        return image


cache = Cache()
a = cache.get("logo")
print(cache.get("logo") is a, cache.loads)
ref = weakref.ref(a, lambda _: print("collected"))
del a
print(ref() is None, len(cache._items))
cache.get("logo")
print(cache.loads)
#> stdout: "True 1\ncollected\nTrue 0\n2\n"
