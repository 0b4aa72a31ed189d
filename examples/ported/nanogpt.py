"""nanoGPT: a character-level transformer, trained on pieces drawn from a text, as the original."""

import math
from pathlib import Path

import numpy as np

import wgrad as wg
from wgrad import nn, optim
from wgrad.nn import functional as F

from .common import seeded

BLOCK, WIDTH, HEADS, LAYERS, BATCH = 32, 32, 4, 2, 16


def text():
    """Return the letters of a page of this repository as numbers, and how many there are."""
    page = (Path(__file__).parents[2] / "docs" / "names.md").read_text(encoding="utf-8").lower()
    letters = sorted(set(page))
    return np.array([letters.index(c) for c in page]), len(letters)


class CausalSelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.resid_dropout = nn.Dropout(0.0)

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).chunk(3, dim=2)
        q, k, v = (a.view(B, T, HEADS, C // HEADS).transpose(1, 2) for a in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        return self.resid_dropout(self.c_proj(y))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(WIDTH), CausalSelfAttention()
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, letters):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(letters, WIDTH),
                "wpe": nn.Embedding(BLOCK, WIDTH),
                "h": nn.ModuleList([Block() for _ in range(LAYERS)]),
                "ln_f": nn.LayerNorm(WIDTH),
            }
        )
        self.lm_head = nn.Linear(WIDTH, letters, bias=False)
        self.transformer.wte.weight = self.lm_head.weight  # tied

    def forward(self, idx):
        x = self.transformer.wte(idx) + self.transformer.wpe(wg.arange(idx.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))

    def groups(self, decay):
        """Weights of two axes and more are decayed, biases and norms are not."""
        params = list(self.parameters())
        return [
            {"params": [p for p in params if p.dim() >= 2], "weight_decay": decay},
            {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
        ]


def rate(step, warm=10, last=200, most=5e-3, least=5e-4):
    if step < warm:
        return most * (step + 1) / (warm + 1)
    share = min(1.0, (step - warm) / (last - warm))
    return least + 0.5 * (1 + math.cos(math.pi * share)) * (most - least)


def run(steps, wrap=lambda f: f):
    data, letters = text()
    rng = np.random.default_rng(0)
    net = seeded(GPT(letters))
    optimizer = optim.AdamW(net.groups(0.1), lr=5e-3, betas=(0.9, 0.95))

    def step(x, y):
        loss = F.cross_entropy(net(x).view(-1, letters), y.view(-1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    step = wrap(step)
    losses = []
    for k in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(k)
        starts = rng.integers(0, len(data) - BLOCK - 1, BATCH)
        x, y = (np.stack([data[s + d : s + d + BLOCK] for s in starts]) for d in (0, 1))
        losses.append(step(wg.tensor(x), wg.tensor(y)).item())
    return losses
