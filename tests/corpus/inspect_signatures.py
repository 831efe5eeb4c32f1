import inspect
from typing import Optional


def register(name: str, *tags: str, retries: int = 3, owner: Optional[str] = None) -> bool:
    """Register a job.

    Details follow.
    """
    return True


signature = inspect.signature(register)
print(signature)
for parameter in signature.parameters.values():
    default = None if parameter.default is inspect.Parameter.empty else parameter.default
    print(parameter.name, parameter.kind.name, default)
print(inspect.getdoc(register).splitlines()[0], inspect.isfunction(register), inspect.iscoroutinefunction(register))
bound = signature.bind("x", "a", "b", owner="me")
bound.apply_defaults()
print(dict(bound.arguments))
#> stdout: "(name: str, *tags: str, retries: int = 3, owner: Optional[str] = None) -> bool\nname POSITIONAL_OR_KEYWORD None\ntags VAR_POSITIONAL None\nretries KEYWORD_ONLY 3\nowner KEYWORD_ONLY None\nRegister a job. True False\n{'name': 'x', 'tags': ('a', 'b'), 'retries': 3, 'owner': 'me'}\n"
