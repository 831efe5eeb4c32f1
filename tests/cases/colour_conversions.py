import cmath
import colorsys
import math

red = colorsys.hsv_to_rgb(0, 1, 1)
hue, saturation, value = colorsys.rgb_to_hsv(0, 0.5, 0.5)
[red, hue, saturation, value, round(cmath.phase(-1 + 0j), 6) == round(math.pi, 6), abs(3 + 4j)]
#> value: [[1, 0.0, 0.0], 0.5, 1.0, 0.5, true, 5.0]
