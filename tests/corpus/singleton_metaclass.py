class Singleton(type):
    _instances = {}

    def __call__(cls, *args, **kwargs):
        if cls not in cls._instances:
            cls._instances[cls] = super().__call__(*args, **kwargs)
        return cls._instances[cls]

    def __setattr__(cls, name, value):
        if name.isupper():
            raise TypeError(f"{cls.__name__}.{name} is a constant")
        super().__setattr__(name, value)


class Config(metaclass=Singleton):
    LIMIT = 10

    def __init__(self, name="default"):
        self.name = name


print(Config("a") is Config("b"), Config().name)
try:
    Config.LIMIT = 20
except TypeError as error:
    print(error)
Config.extra = 1
print(Config.LIMIT, Config.extra, type(Config).__name__)
#> stdout: "True a\nConfig.LIMIT is a constant\n10 1 Singleton\n"
