# Shared by both walks.
import numbers
import types

# Types not to descend into: they hold nothing, or are created anew on each access.
LEAVES = (
    str, bytes, numbers.Number, types.BuiltinFunctionType, types.MethodDescriptorType, types.MethodWrapperType,
    types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType, types.ClassMethodDescriptorType,
)
HOPS_MAX = 12


def kind_of(thing):
    if isinstance(thing, types.ModuleType):
        return "module " + thing.__name__
    named = thing if isinstance(thing, type) else type(thing)
    return f"{'class' if named is thing else 'object'} {named.__module__}.{named.__qualname__}"
