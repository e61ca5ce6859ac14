"""`python -m simulators`: the simulators' commands without the rest of Linli, for the process of a line."""

from simulators.cli import app

if __name__ == "__main__":
    app()
