me = property(lambda self: self)
lies = {"__notes__": property(lambda self: 1 / 0), "__cause__": me, "__context__": me, "__traceback__": me, "args": me, "__class__": me}
Liar = type("Liar", (Exception,), lies)
Liar.__name__ = "x" * 100_000
Liar.__qualname__ = "y" * 100_000
Liar.__module__ = 5
raise Liar
#> class: "host denial of service"
#> outcome: ["failure"]
