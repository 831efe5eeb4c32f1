def is_balanced(text):
    open, close = "([{", ")]}"
    stack = []
    for index, char in enumerate(text):
        if char in open:
            stack.append((char, index))
        elif char in close:
            if not stack or open.index(stack[-1][0]) != close.index(char):
                return False, index
            stack.pop()
    return not stack, stack[-1][1] if stack else None


for sample in ("{[()]}", "([)]", "((", ""):
    print(repr(sample), *is_balanced(sample))
#> stdout: "'{[()]}' True None\n'([)]' False 2\n'((' False 1\n'' True None\n"
