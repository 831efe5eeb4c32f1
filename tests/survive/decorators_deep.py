import functools


def logged(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


function = len
for _ in range(50_000):
    function = logged(function)
function("x")
#> class: "host denial of service"
#> outcome: ["failure"]
#> error_type: ["RecursionError"]
