"""Conditions, loops, and what leaves them early."""

from __future__ import annotations

import math

import numpy as np
from twin_rows import row

# Control

row(
    "fn leaky(x: f32) -> f32 { if (x < 0.0) { return 0.1 * x; } return x; }",
    "f",
    lambda x: 0.1 * x if x < 0 else x,
)
row(
    "fn ladder(x: f32) -> f32 { var y = 1.0; if x < -1.0 { y = x; } else if x < 0.0 { y += x; }\n"
    "  else if x < 1.0 { let k = y * 3.0; y = k; } else { return 7.0; } return y * 2.0; }",
    "f",
    lambda x: 2 * x if x < -1 else 2 * (1 + x) if x < 0 else 6 if x < 1 else 7,
)
row(
    "fn short(x: f32) -> u32 { if (x > 0.0 && sqrt(x) < 1.0) || x < -2.0 { return 1u; }\n"
    "  return u32(!(x > 1.0)) * 2u; }",
    "f",
    lambda x: 1 if (x > 0 and math.sqrt(x) < 1) or x < -2 else 2 * (not x > 1),
)
row(
    "fn steps(x: f32, n: i32) -> f32 { var y = x;\n"
    "  for (var i = 0; i < n; i++) { y = y * 0.5 + f32(i); } return y; }",
    "fs",
    lambda x, n: _steps(x, n),
)


def _steps(x: float, n: int) -> float:
    for i in range(n):
        x = x * 0.5 + i
    return x


row(
    "fn collatz(n: u32) -> u32 { var x = n; var k = 0u;\n"
    "  while (x > 1u) { if (x % 2u == 0u) { x /= 2u; } else { x = 3u * x + 1u; } k++; }\n"
    "  return k; }",
    "n",
    lambda n: _collatz(n),
)


def _collatz(n: int) -> int:
    k = 0
    while n > 1:
        n, k = (n // 2 if n % 2 == 0 else 3 * n + 1), k + 1
    return k


row(
    "fn mandelbrot(c: vec2f) -> i32 { var z = vec2f(); var i = 0;\n"
    "  loop { if (i >= 20 || dot(z, z) > 4.0) { break; }\n"
    "    z = vec2(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;\n"
    "    continuing { i++; } }\n  return i; }",
    "ff",
    lambda x, y: _mandelbrot(x, y),
)


def _mandelbrot(a: float, b: float) -> int:
    x = y = np.float32(0)
    a, b = np.float32(a), np.float32(b)
    i = 0
    while i < 20 and x * x + y * y <= 4:
        x, y = x * x - y * y + a, np.float32(2) * x * y + b
        i += 1
    return i


row(
    "fn inner_return(n: i32, x: f32) -> f32 { var y = x;\n"
    "  for (var i = 0; i < n; i++) { for (var j = 0; j < 4; j++) {\n"
    "    if (i * j > 6) { return y + 100.0; } if (j == i) { continue; } y += 1.0; }\n"
    "    if (y > 12.0) { break; } }\n  return -y; }",
    "sf",
    lambda n, x: _inner_return(n, x),
)


def _inner_return(n: int, x: float) -> float:
    y = x
    for i in range(n):
        for j in range(4):
            if i * j > 6:
                return y + 100
            if j == i:
                continue
            y += 1
        if y > 12:
            break
    return -y


row(
    "fn switched(n: i32) -> i32 { var r = 0;\n  for (var k = 0; k < 6; k++) {\n"
    "    switch (n + k) { case 1, 2: { r += 10; } case 3: { if (k > 1) { break; } r += 100;\n"
    "      continue; } case 9: { return r; } default: { r -= 1; if (k == 5) { break; }\n"
    "      r += 2; } }\n"
    "    r += 1000; }\n  return r; }",
    "s",
    lambda n: _switched(n),
)


def _switched(n: int) -> int:
    r = 0
    for k in range(6):
        x = n + k
        if x in (1, 2):
            r += 10
        elif x == 3:
            if k <= 1:
                r += 100
                continue
        elif x == 9:
            return r
        else:
            r += -1 if k == 5 else 1
        r += 1000
    return r


row(
    "fn uniform_switch(x: f32) -> f32 { const mode = 2u; var y = x;\n"
    "  for (var i = 0u; i < 4u; i++) { switch i { case mode, default: { y *= 2.0; }\n"
    "    case 0u: { y += 1.0; continue; } } y -= 0.5; } return y; }",
    "f",
    lambda x: (((x + 1) * 2 - 0.5) * 2 - 0.5) * 2 - 0.5,
)
row(
    "fn until(n: u32) -> u32 { var a = n; var k = 0u;\n"
    "  loop { if (a == 3u) { k += 50u; continue; } k += 1u;\n"
    "    continuing { a = a / 2u; break if a == 0u; } }\n  return k; }",
    "n",
    lambda n: _until(n),
)


def _until(a: int) -> int:
    k = 0
    while True:
        k += 50 if a == 3 else 1
        a //= 2
        if a == 0:
            return k


row(
    "fn newton(x: f32) -> f32 { var y = x;\n"
    "  for (var i = 0; ; i += 2) { let next = 0.5 * (y + x / y);\n"
    "    if (abs(next - y) < 1e-6 * y) { return next; } y = next; if i > 100 { break; } }\n"
    "  return y; }",
    "p",
    math.sqrt,
    rtol=3e-6,
    gpu=1e-4,
)
row(
    "fn scoped(x: f32) -> f32 { var y = x; { let x = y + 1.0; var z = x; z *= 2.0; y = z; }\n"
    "  for (var i = 0; i < 2; i++) { var t = f32(); t += y; y = t + x; } return y; }",
    "f",
    lambda x: 2 * (x + 1) + 2 * x,
)
# naga 29 zeroes a var without a value when the function begins, and not whenever it is reached.
for _name, _value, _gpu in (("fresh", "", None), ("fresh_zero", " = 0", 2e-4)):
    row(
        f"fn {_name}(n: i32) -> i32 {{ var sum = 0;\n  for (var i = 0; i < n; i++) {{\n"
        f"    var t: i32{_value}; if (i % 3 == 1) {{ t = 5; }} t += 1; sum += t; }}\n"
        "  return sum; }",
        "s",
        lambda n: sum(6 if i % 3 == 1 else 1 for i in range(n)),
        gpu=_gpu,
    )
