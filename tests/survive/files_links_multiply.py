import os

os.mkdir("a0")
for number in range(1, 60):
    os.symlink(f"a{number - 1}/../a{number - 1}", f"a{number}")
print(os.path.isdir("a5"))
os.listdir("a59")
#> class: "self denial of service"
#> outcome: ["failure", "cpu_limit", "timeout"]
#> limits: {"max_cpu_seconds": 2}
