frame = None
try:
    raise ExceptionGroup("group", [ValueError("one")])
except* ValueError as group:
    frame = getattr(group.exceptions[0].__traceback__ or group.__traceback__, "tb_frame")
frame is None
#> class: "escape"
#> outcome: ["completed"]
#> value: false
#> guarded_error: "AttributeError: Attribute 'tb_frame' is not allowed in sandbox"
