# What both walks know of the things that they meet.
import numbers
import types

# What holds nothing, and what makes itself anew each time it is looked at.
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
