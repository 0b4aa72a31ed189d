"""makemore's other models: an MLP, a bag of words, an RNN, a GRU and a transformer over letters.

Each predicts the next letter at every place of a word, and is trained with AdamW.
"""

import math

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F

from .common import seeded, words

LETTERS, LENGTH, WIDTH = 27, 12, 16


class MLP(nn.Module):
    """The letters before are looked up at once: the indices are rolled by one, place by place."""

    def __init__(self, context=3):
        super().__init__()
        self.context = context
        self.wte = nn.Embedding(LETTERS + 1, WIDTH)  # and one for before the word
        self.mlp = nn.Sequential(
            nn.Linear(context * WIDTH, 2 * WIDTH), nn.Tanh(), nn.Linear(2 * WIDTH, LETTERS)
        )

    def forward(self, idx):
        embs = []
        for _ in range(self.context):
            embs.append(self.wte(idx))
            start = wg.full((idx.shape[0], 1), LETTERS, dtype=idx.dtype)
            idx = wg.cat([start, idx[:, :-1]], dim=1)
        return self.mlp(wg.cat(embs, -1))


class BoW(nn.Module):
    """The mean of all letters so far: attention that is told where to look."""

    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(LETTERS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, LETTERS)

    def forward(self, idx):
        n = idx.shape[1]
        x = self.wte(idx) + self.wpe(wg.arange(n))
        seen = wg.tril(wg.ones(n, n))
        scores = wg.zeros(n, n).masked_fill(seen == 0, float("-inf"))
        x = x + F.softmax(scores, dim=-1) @ x
        x = x + self.down(F.tanh(self.up(x)))
        return self.head(x)


class Recurrent(nn.Module):
    """A cell of one's own, letter by letter: Elman's, or with gates (GRU)."""

    def __init__(self, gated):
        super().__init__()
        self.gated = gated
        self.start = nn.Parameter(wg.zeros(1, WIDTH))
        self.wte = nn.Embedding(LETTERS, WIDTH)
        self.cell = nn.Linear(2 * WIDTH, WIDTH)
        if gated:
            self.reset, self.update = nn.Linear(2 * WIDTH, WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, LETTERS)

    def forward(self, idx):
        emb = self.wte(idx)
        h = self.start.expand(idx.shape[0], -1)
        hidden = []
        for t in range(idx.shape[1]):
            x = emb[:, t]
            xh = wg.cat([x, h], dim=1)
            if self.gated:
                r, z = F.sigmoid(self.reset(xh)), F.sigmoid(self.update(xh))
                candidate = F.tanh(self.cell(wg.cat([x, r * h], dim=1)))
                h = (1 - z) * h + z * candidate
            else:
                h = F.tanh(self.cell(xh))
            hidden.append(h)
        return self.head(wg.stack(hidden, dim=1))


class Block(nn.Module):
    """Attention to the letters before, and an MLP, each after a norm."""

    def __init__(self, heads=2):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(approximate="tanh"), nn.Linear(4 * WIDTH, WIDTH)
        )
        self.register_buffer("seen", wg.tril(wg.ones(LENGTH, LENGTH)).view(1, 1, LENGTH, LENGTH))

    def attend(self, x):
        B, T, C = x.size()
        q, k, v = (
            part.view(B, T, self.heads, C // self.heads).transpose(1, 2)
            for part in self.c_attn(x).chunk(3, dim=2)
        )
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.seen[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))

    def forward(self, x):
        x = x + self.attend(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, layers=2):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(LETTERS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.h = nn.ModuleList([Block() for _ in range(layers)])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, LETTERS, bias=False)

    def forward(self, idx):
        x = self.wte(idx) + self.wpe(wg.arange(idx.shape[1]).unsqueeze(0))
        for block in self.h:
            x = block(x)
        return self.head(self.ln_f(x))


MODELS = {
    "mlp": MLP,
    "bow": BoW,
    "rnn": lambda: Recurrent(gated=False),
    "gru": lambda: Recurrent(gated=True),
    "transformer": Transformer,
}


def run(steps, wrap=lambda f: f, model="transformer"):
    x, y = (wg.tensor(a) for a in words(LENGTH))
    net = seeded(MODELS[model]())
    optimizer = optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.01, betas=(0.9, 0.99))

    def step(x, y):
        logits = net(x)
        loss = F.cross_entropy(logits.view(-1, LETTERS), y.view(-1), ignore_index=-1)
        net.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    return [step(x[:64], y[:64]).item() for _ in range(steps)]
