import numpy as np


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class TinyNet:
    """Two-layer network trained on XOR."""

    def __init__(self, hidden=8, seed=1):
        rng = np.random.default_rng(seed)
        self.W1 = rng.normal(0, 1, (2, hidden))
        self.b1 = np.zeros(hidden)
        self.W2 = rng.normal(0, 1, (hidden, 2))
        self.b2 = np.zeros(2)

    def forward(self, X):
        self.h = np.tanh(X @ self.W1 + self.b1)
        return softmax(self.h @ self.W2 + self.b2)

    def train(self, X, y, lr=0.5, epochs=2000):
        onehot = np.eye(2)[y]
        for _ in range(epochs):
            p = self.forward(X)
            g = (p - onehot) / len(X)
            dh = g @ self.W2.T * (1 - self.h ** 2)
            self.W2 -= lr * self.h.T @ g
            self.b2 -= lr * g.sum(0)
            self.W1 -= lr * X.T @ dh
            self.b1 -= lr * dh.sum(0)
        return -np.log(p[np.arange(len(y)), y]).mean()


X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
y = np.array([0, 1, 1, 0])
net = TinyNet()
loss = net.train(X, y)
print("final loss < 0.05:", bool(loss < 0.05))
for xi, p in zip(X, net.forward(X)):
    print(xi, "->", int(p.argmax()))
print(np.histogram([1, 2, 2, 3, 5], bins=[0, 2, 4, 6]))
net.forward(X).argmax(axis=1)
#> value: [0, 1, 1, 0]
#> stdout: "final loss < 0.05: True\n[0. 0.] -> 0\n[0. 1.] -> 1\n[1. 0.] -> 1\n[1. 1.] -> 0\n(array([1, 3, 1]), array([0, 2, 4, 6]))\n"
#> host: "needs numpy"
