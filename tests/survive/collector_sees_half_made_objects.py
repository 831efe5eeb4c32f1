import gc


class Watch:
    def __del__(self):
        for thing in gc.get_objects()[-500:]:
            if type(thing) is tuple:
                found.append(len(repr(thing)))


def numbers():
    for number in range(200):
        watch = Watch()
        watch.itself = watch
        del watch
        gc.collect(0)
        yield number


found = []
gc.set_threshold(1, 1, 1)
len(tuple(numbers()))
#> class: "escape"
#> outcome: ["completed", "failure", "cpu_limit"]
#> limits: {"max_cpu_seconds": 1}
