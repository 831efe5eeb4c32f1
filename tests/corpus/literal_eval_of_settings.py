import ast

settings = """
retries = 3
hosts = ['a', 'b']
limits = {'cpu': 1.5, 'tags': ('x', None)}
danger = __import__('os')
"""
parsed, failed = {}, []
for line in settings.strip().splitlines():
    name, _, text = line.partition(" = ")
    try:
        parsed[name] = ast.literal_eval(text)
    except (ValueError, SyntaxError) as e:
        failed.append((name, type(e).__name__))
print(parsed)
print(failed)
#> stdout: "{'retries': 3, 'hosts': ['a', 'b'], 'limits': {'cpu': 1.5, 'tags': ('x', None)}}\n[('danger', 'ValueError')]\n"
