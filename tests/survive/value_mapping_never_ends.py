import collections.abc
import itertools


class Endless(collections.abc.Mapping):
    def __getitem__(self, key):
        return key

    def __iter__(self):
        return itertools.count()

    def __len__(self):
        return 1


Endless()
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["ValueError"]
