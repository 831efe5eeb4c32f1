class SensorError(Exception):
    def __init__(self, sensor):
        super().__init__(sensor)
        self.sensor = sensor

    def __str__(self):
        return f"{self.sensor} does not answer"


raise SensorError("sensor.hall")
#> outcome: "failure"
#> error: "SensorError: sensor.hall does not answer"
#> line: 10
