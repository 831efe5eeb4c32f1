@eval
@"__import__('os').getcwd()".format
def cwd():
    pass


class Code:
    def __init_subclass__(cls):
        exec("found = 1")


_ = cwd
#> class: "escape"
#> outcome: ["completed", "failure"]
#> rejected: true
