"""From a simplified program to code for one device: each module here knows one language."""
