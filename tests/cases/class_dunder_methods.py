class Span:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def __repr__(self):
        return f"Span({self.low}, {self.high})"

    def __eq__(self, other):
        return isinstance(other, Span) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self):
        return hash((self.low, self.high))

    def __add__(self, other):
        return Span(min(self.low, other.low), max(self.high, other.high))

    def __contains__(self, value):
        return self.low <= value < self.high

    def __len__(self):
        return self.high - self.low

    def __iter__(self):
        return iter(range(self.low, self.high))

    def __getitem__(self, index):
        return self.low + index

    def __call__(self, value):
        return max(self.low, min(value, self.high))

    def __bool__(self):
        return self.low < self.high


night, morning = Span(0, 6), Span(5, 8)
[repr(night + morning), 5 in night, len(morning), list(morning), morning[1], night(99), bool(Span(3, 3)), len({Span(1, 2), Span(1, 2)})]
#> value: ["Span(0, 8)", true, 3, [5, 6, 7], 6, 6, false, 1]
