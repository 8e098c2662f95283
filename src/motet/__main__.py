"""`python -m motet`: the command line, where the command `motet` is not on the path."""

from motet.cli import main

if __name__ == "__main__":
    main()
