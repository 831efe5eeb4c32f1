import random
from operator import attrgetter

attrgetter("_os._exit")(random)(200)
#> class: "self denial of service"
#> outcome: ["failure"]
