"""The convolutional network of PyTorch's MNIST example, on scikit-learn's small digits."""

import numpy as np
from sklearn.datasets import load_digits

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F
from wgrad.optim.lr_scheduler import StepLR

from .common import seeded


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.dropout = nn.Dropout(0.0)
        self.fc1 = nn.Linear(64, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = wg.flatten(x, 1)
        x = self.dropout(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def run(steps, wrap=lambda f: f):
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(images))
    net = seeded(Net())
    optimizer = optim.Adadelta(net.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=10, gamma=0.7)

    def step(data, target):
        optimizer.zero_grad()
        loss = F.nll_loss(net(data), target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    net.train()
    losses = []
    for k in range(steps):
        rows = order[(64 * k) % 1600 :][:64]
        losses.append(step(wg.tensor(images[rows]), wg.tensor(labels[rows])).item())
        scheduler.step()
    return losses
