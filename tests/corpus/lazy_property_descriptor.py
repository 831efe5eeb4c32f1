class lazy:
    def __init__(self, function):
        self.function = function

    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, obj, objtype=None):
        if obj is None:
            return self
        if not hasattr(obj, self.name):
            setattr(obj, self.name, self.function(obj))
        return getattr(obj, self.name)


class Report:
    calls = 0

    @lazy
    def total(self):
        Report.calls += 1
        return sum(range(100))

    def __getattr__(self, name):
        if name.startswith("get_"):
            return lambda: getattr(self, name[4:])
        raise AttributeError(f"{self.__class__.__name__!r} has no {name!r}")


report = Report()
print(report.total, report.get_total(), Report.calls)
try:
    report.missing
except AttributeError as error:
    print(error)
#> stdout: "4950 4950 1\n'Report' has no 'missing'\n"
