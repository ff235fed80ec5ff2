"""The console script `edgewise-runtime`, and `python -m edgewise_runtime`."""

import gc


def main() -> None:
    """Exits as commands.main does. No garbage is made by importing, and looking for it is a tenth of the start: that
    begins with the server."""
    gc.disable()
    from edgewise_runtime import commands

    commands.main()


if __name__ == "__main__":
    main()
