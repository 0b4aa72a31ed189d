"""Programs that run elsewhere: a compiled function as a page for the browser. Knows no training."""

from .pages import html as html
from .pages import web as web
